import type { System } from '../../system/system.ts';
import type { HostState, Link, Route } from '../host/host.ts';
import { defaultDevice } from './uplink.ts';

const CARRIER_WAIT_MS = 10_000;
const POLL_MS = 20;

/**
 * Waits up to 10 s until a device has carrier (docs/contract.md, "network-bridge start"), since a card negotiates again
 * after it was down.
 * @param system the way to sysfs
 * @param name the device's name
 */
export async function awaitCarrier(system: System, name: string): Promise<void> {
  for (let waited = 0; waited < CARRIER_WAIT_MS; waited += POLL_MS) {
    if (system.readText(`/sys/class/net/${name}/carrier`) === '1') return;
    await system.sleep(POLL_MS);
  }
}

/**
 * What the host has lost after the addresses of one device moved to another.
 * @param now the host after the move
 * @param before the host before the move
 * @param from the device that had the addresses, as it was
 * @param to the name of the device that must have them
 * @param ports pairs of a port and the bridge to which it must belong
 * @returns a sentence for each loss
 */
export function missingAfter(
  now: HostState,
  before: HostState,
  from: Link,
  to: string,
  ports: readonly (readonly [port: string, bridge: string])[],
): string[] {
  const find = (name: string) => now.links.find((link) => link.name === name);
  const wrong: string[] = [];
  for (const [port, bridge] of ports) {
    if (find(port)?.master !== bridge) wrong.push(`${port} is no port of ${bridge}.`);
  }
  const there = find(to)?.addresses ?? [];
  for (const { local, length, scope, validSeconds } of from.addresses) {
    if (scope === 'link' || validSeconds !== undefined) continue;
    if (!there.some((address) => address.local === local && address.length === length))
      wrong.push(`${to} has lost the address ${local}/${length}.`);
  }
  const hadDefault = before.routes.some(
    (route) => route.destination === 'default' && route.family === 4 && route.table === 'main',
  );
  if (hadDefault && defaultDevice(before) === from.name && defaultDevice(now) !== to)
    wrong.push(`The default route does not lead through ${to}.`);
  return wrong;
}

/** Routes that return later by themselves, from the kernel, a server or a router. */
const BY_OTHERS = new Set(['kernel', 'ra', 'redirect', 'dhcp']);

/**
 * The routes of a device that are missing after its addresses moved.
 * @param now the host after the move
 * @param before the host before the move
 * @param from the device that had the routes
 * @returns a sentence for each route
 */
export function lostRoutes(now: HostState, before: HostState, from: string): string[] {
  const key = ({ family, destination, table, metric }: Route) =>
    [family, destination, table, metric ?? 0].join(' ');
  const there = new Set(now.routes.map(key));
  return before.routes
    .filter(({ hops }) => hops.some(({ dev }) => dev === from))
    .filter((route) => !BY_OTHERS.has(route.protocol) && route.table !== 'local' && !there.has(key(route)))
    .map(({ destination, table, metric }) => {
      const which = `${destination}${table === 'main' ? '' : ` of the table ${table}`}${metric === undefined ? '' : ` with metric ${metric}`}`;
      return `The route to ${which} is lost: "ip route" shows those that are left.`;
    });
}

/**
 * The gateways of a device's default routes whose MAC addresses the kernel knows.
 * @param system the way to ip
 * @param state the host
 * @param dev the device
 */
export function knownGateways(system: System, state: HostState, dev: string): string[] {
  const gateways = state.routes
    .filter(({ destination, table }) => destination === 'default' && table === 'main')
    .flatMap(({ hops }) => hops.filter((hop) => hop.dev === dev))
    .flatMap(({ gateway }) => gateway ?? []);
  return [...new Set(gateways)].filter((gateway) => isKnown(system, gateway, dev));
}

/**
 * Asks gateways, and returns those that do not answer on the device that has the addresses now.
 * @param system the way to ip and ping
 * @param gateways their addresses
 * @param dev the device that has the addresses now
 * @returns a sentence for each silent gateway
 */
export function muteGateways(system: System, gateways: readonly string[], dev: string): string[] {
  return gateways
    .filter((gateway) => {
      // It need not answer the ping: before the ping the kernel asks for its MAC address.
      system.run(['ping', '-n', '-q', '-c', '1', '-W', '1', '-I', dev, gateway]);
      return !isKnown(system, gateway, dev);
    })
    .map(
      (gateway) =>
        `The gateway ${gateway} does not answer on ${dev} since the start, and did before. If it stays so, run "network-bridge stop".`,
    );
}

function isKnown(system: System, address: string, dev: string): boolean {
  const { stdout } = system.run(['ip', 'neigh', 'show', 'to', address, 'dev', dev], { isListing: true });
  return stdout.includes(' lladdr ') && !stdout.includes('FAILED');
}
