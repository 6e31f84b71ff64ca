import type { Namespace } from '../hosts/namespace.ts';
import { strictElementsOf } from '../hosts/strict-host.ts';
import { type Snapshot, snapshotAndParts } from '../models/snapshot.ts';
import { switchPorts } from '../openvswitch.ts';

// Without the rules, of which the strict table has a hundred.
const MORE = `
part nft nft -j 'list sets; list maps; list chains'
part store xenstore-ls -f /local/domain/0/backend/vif
`;

/**
 * Looks at a host on which runs may come in another order: a snapshot, the strict filter's elements, and what xenstore says
 * of guests.
 * @param host whose network
 * @param hasSwitch whether it has an Open vSwitch
 */
export function look(host: Namespace, hasSwitch: boolean): Snapshot {
  const { snapshot, parts } = snapshotAndParts(host, MORE);
  const store = (parts.get('store') ?? '').split('\n');
  const {
    sysctl = [],
    iptables = [],
    ip6tables = [],
    addresses = [],
    routes = [],
    files = [],
    ...rest
  } = snapshot;
  // The order of devices is that in which they came; that of one device's addresses counts.
  const deviceOf = (line: string) => line.split(' ', 1)[0] ?? '';
  // What a killed online noted for a guest that is not connected goes with the guest.
  const isMark = (line: string) => {
    const [, path] = /^(.*)\/xen-network = /.exec(line) ?? [];
    return path !== undefined && store.includes(`${path}/hotplug-status = "connected"`);
  };
  return {
    ...rest,
    routes: routes.filter(isSettled),
    addresses: addresses.filter(isSettled).toSorted((a, b) => deviceOf(a).localeCompare(deviceOf(b))),
    iptables: inAnyOrder(iptables),
    ip6tables: inAnyOrder(ip6tables),
    files: files.map(sharedInAnyOrder).map(withoutTables),
    sysctl: sysctl.filter((line) => !/\/(stable_secret|retrans)/.test(line)),
    strict: strictElementsOf(parts.get('nft') ?? ''),
    switch: hasSwitch ? switchPorts(host).split('\n') : [],
    store: store
      .filter((line) => /\/(hotplug-status|hotplug-error|locking) = /.test(line) || isMark(line))
      .sort(),
  };
}

/** What the kernel gives a bridge without a card comes and goes with the carrier of its guests, some time later. */
const isSettled = (line: string): boolean => !/^(vmnet8 |.*"dev":"vmnet8").*"(fe80:|ff00:)/.test(line);

/** Which holder came first, and which shared setting was needed first, makes no difference. */
function sharedInAnyOrder(line: string): string {
  const [, name = '', text = ''] = /^(xen-network\/ledger) (.*)$/.exec(line) ?? [];
  if (name === '') return line;
  const sorted = (value: unknown): unknown =>
    Array.isArray(value) ? value.map((each) => JSON.stringify(sorted(each))).sort() : value;
  const entries: Record<string, unknown>[] = JSON.parse(text);
  const held = entries.map(({ holders, ...entry }) => ({ ...entry, holders: sorted(holders) }));
  return `${name} ${JSON.stringify(sorted(held))}`;
}

/**
 * Which empty tables there were before the first start depends on what was done on this host earlier: a flush takes them away, and
 * those that iptables makes for a guest alone stay.
 */
const withoutTables = (line: string): string => line.replace(/^(xen-network\/tables) .*/, '$1');

/** Neighbours among a chain's rules that end alike are sorted: which of them comes first makes no difference. */
function inAnyOrder(lines: readonly string[]): string[] {
  const runs: string[][] = [];
  let kind = '';
  for (const line of lines) {
    const now = `${/^\S+ -A \S+/.exec(line)?.[0]} ${/ -j \S+/.exec(line)?.[0]}`;
    if (now !== kind) runs.push([]);
    kind = now;
    runs.at(-1)?.push(line);
  }
  return runs.flatMap((run) => run.sort());
}
