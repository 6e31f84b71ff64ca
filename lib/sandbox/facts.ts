import { type Address, type Link, observeHost, type Route } from '../observe/host/host.ts';
import type { System } from '../system/system.ts';
import { columns } from './show.ts';

/** A host's devices, addresses, routes and filter rules, one line for each. */
export type Facts = readonly string[];

const CALM_MS = 3000;
const POLL_MS = 20;

/** A bridge and its ports, as `brctl show` lists them. */
export interface BridgeFacts {
  readonly name: string;
  readonly ports: readonly string[];
  /** The lines of the table. */
  readonly table: readonly string[];
}

/** Without what changes by itself: indexes, lifetimes, carrier. */
function readFacts(system: System): Facts {
  const { links, routes } = observeHost(system);
  return [
    ...links.map(deviceLine),
    ...links.flatMap((link) => link.addresses.map((address) => addressLine(link, address))),
    ...routes.map(routeLine),
    ...['iptables', 'ip6tables'].flatMap((tool) => ruleLines(system, tool)),
  ];
}

/** The differences between two looks at the host: "- line" for what was lost, "+ line" for what was gained. */
function differences(before: Facts, after: Facts): string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}

/**
 * Looks at the host until two looks in a row are equal, since carriers and IPv6 link-local addresses appear with a
 * delay.
 * @param system the way to ip and iptables
 * @throws HostError when the output of ip cannot be read
 */
export async function settledFacts(system: System): Promise<Facts> {
  let facts = readFacts(system);
  for (let waited = 0; waited < CALM_MS; waited += POLL_MS) {
    await system.sleep(POLL_MS);
    const now = readFacts(system);
    if (differences(facts, now).length === 0) break;
    facts = now;
  }
  return facts;
}

/**
 * The differences from an earlier look, once the host has settled or 3 s have passed.
 * @param system the way to ip and iptables
 * @param before the earlier look
 * @returns "- line" for what was lost, "+ line" for what was gained; empty when nothing differs
 */
export async function settledDifferences(system: System, before: Facts): Promise<string[]> {
  let changed = differences(before, readFacts(system));
  for (let waited = 0; changed.length > 0 && waited < CALM_MS; waited += POLL_MS) {
    await system.sleep(POLL_MS);
    changed = differences(before, readFacts(system));
  }
  return changed;
}

/**
 * The bridges of the host.
 * @param system the way to ip and sysfs
 * @throws HostError when the output of ip cannot be read
 */
export function readBridges(system: System): BridgeFacts[] {
  const { links } = observeHost(system);
  return links
    .filter((link) => link.kind === 'bridge')
    .map(({ name }) => {
      const read = (file: string) => system.readText(`/sys/class/net/${name}/bridge/${file}`) ?? '';
      const ports = links
        .filter((port) => port.master === name)
        .map((port) => port.name)
        .sort();
      const first = [name, read('bridge_id'), read('stp_state') === '0' ? 'no' : 'yes', ports[0] ?? ''];
      const rest = ports.slice(1).map((port) => ['', '', '', port]);
      const head = ['bridge name', 'bridge id', 'STP enabled', 'interfaces'];
      return { name, ports, table: columns([head, first, ...rest]) };
    });
}

function deviceLine({ name, mac, mtu, flags }: Link): string {
  const set = ['UP', 'NOARP', 'PROMISC'].filter((flag) => flags.has(flag));
  return ['device', name, mac, `mtu ${mtu}`, ...set].join(' ');
}

function addressLine(link: Link, address: Address): string {
  const { local, length, broadcast, scope, label } = address;
  return ['address', link.name, `${local}/${length}`, broadcast, scope, label].filter(Boolean).join(' ');
}

function routeLine(route: Route): string {
  const hops = route.hops.map((hop) => `${hop.gateway ?? 'link'} dev ${hop.dev}`).join(', ');
  const { type, destination, table, protocol, scope, metric, source, family } = route;
  return `route ${family} ${type} ${destination} via ${hops} table ${table} ${protocol} ${scope} ${metric} ${source}`;
}

function ruleLines(system: System, tool: string): string[] {
  const lines = system.run([tool, '-w', '-S'], { isListing: true }).stdout.trim().split('\n');
  return lines.map((line) => `${tool} ${line}`);
}
