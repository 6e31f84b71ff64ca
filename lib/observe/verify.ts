import type { System } from '../system/system.ts';
import type { HostState, Link } from './host.ts';
import { defaultDevice } from './uplink.ts';

const CARRIER_WAIT_MS = 10_000;
const POLL_MS = 20;

/**
 * Waits up to 10 s until a device has carrier (contract 4); a card negotiates anew after it was down.
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
 * What a host lacks of what it had, after the addresses of one device moved to another.
 * @param now the host after
 * @param before the host before
 * @param from the device that had the addresses, as it was
 * @param to the name of the one that has to have them
 * @param ports pairs of a port and the bridge that it has to belong to
 * @returns a sentence for each thing that is missing
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
