import type { KeptPort } from '../../../lib/observe/bridge/kept.ts';
import type { BridgeRecord, Settings } from '../../../lib/observe/bridge/uplink.ts';
import type { Address, HostState, Link } from '../../../lib/observe/host/host.ts';
import { parseNeighbours, parseRoutes, parseRules } from '../../../lib/observe/host/routes.ts';
import { findBridged, layoutOf } from '../../../lib/plan/bridge/layout.ts';
import { planStart } from '../../../lib/plan/bridge/start.ts';
import { planStop } from '../../../lib/plan/bridge/stop.ts';
import { antispoofSettings } from '../../../lib/plan/filter/antispoof.ts';
import type { Plan } from '../../../lib/plan/step.ts';
import type { Family } from '../../../lib/request/addresses.ts';
import type { BridgeRequest, Topology } from '../../../lib/request/bridge.ts';

/** An address with nothing special about it. */
export function address(text: string, more: Partial<Address> = {}): Address {
  const [local = '', length = ''] = text.split('/');
  return {
    family: text.includes(':') ? 6 : 4,
    local,
    length: Number(length),
    peer: undefined,
    broadcast: undefined,
    scope: 'global',
    label: undefined,
    protocol: undefined,
    metric: undefined,
    validSeconds: undefined,
    preferredSeconds: undefined,
    flags: new Set(),
    ...more,
  };
}

/** A device that is up, with nothing special about it. */
export function link(name: string, index: number, more: Partial<Link> = {}): Link {
  return {
    name,
    altnames: [],
    index,
    kind: undefined,
    type: 'ether',
    mac: '00:16:3e:aa:bb:cc',
    mtu: 1500,
    master: undefined,
    flags: new Set(['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP']),
    peer: undefined,
    addresses: [],
    ...more,
  };
}

const ROUTES4 = `
unicast 10.9.0.0/16 via 192.0.2.254 dev NIC table 100 proto static scope global metric 5
unicast default via 192.0.2.1 dev NIC table main proto boot scope global
unicast default via 192.0.2.2 dev NIC table main proto dhcp scope global src 192.0.2.11 metric 100
unicast 10.1.1.2 dev NIC table main proto kernel scope link src 10.1.1.1
unicast 10.10.0.0/16 via 10.77.0.1 dev NIC table main proto boot scope global onlink
unicast 10.12.0.0/16 table main proto boot scope global \\\tnexthop via 192.0.2.3 dev NIC weight 3 \\\tnexthop via 172.16.9.1 dev other0 weight 1
unicast 10.13.0.0/16 via 192.0.2.3 dev NIC table main proto boot scope global mtu lock 1300 rto_min lock 100ms congctl cubic
unicast 10.14.0.0/16 via inet6 fe80::1 dev NIC table main proto boot scope global linkdown
unicast 10.16.0.0/16 dev NIC table main proto static scope link
unicast 10.18.0.0/16 via 172.16.9.1 dev other0 table main proto boot scope global src 192.0.2.10
unicast 192.0.2.0/24 dev NIC table main proto kernel scope link src 192.0.2.10
unicast 203.0.113.0/24 dev NIC table main proto kernel scope link src 203.0.113.9 metric 100
local 192.0.2.10 dev NIC table local proto kernel scope host src 192.0.2.10
`;
const ROUTES6 = `
unicast 2001:db8::/64 dev NIC table main proto kernel scope global metric 256 pref medium
unicast 2001:db8:104::/48 dev NIC table main proto ra scope global metric 1024 expires 3999sec pref medium
unicast 2001:db8:101::/48 via fe80::2 dev NIC table 100 proto boot scope global metric 1024 pref medium
unicast fe80::/64 dev NIC table main proto kernel scope global metric 256 pref medium
unicast default via fe80::1 dev NIC table main proto boot scope global metric 1024 pref medium
multicast ff00::/8 dev NIC table local proto kernel scope global metric 256 pref medium
`;
const RULES = '90:\tfrom all iif NIC lookup 100 proto static\n32766:\tfrom all lookup main proto kernel\n';
const NEIGHBOURS = '192.0.2.200 dev NIC lladdr 02:02:02:02:02:02 PERMANENT\n192.0.2.222 dev NIC  proxy\n';

const ADDRESSES = (name: string): Address[] => [
  address('192.0.2.10/24', { broadcast: '192.0.2.255', label: name }),
  address('10.1.1.1/32', { peer: '10.1.1.2', label: name }),
  address('203.0.113.9/24', { label: name, flags: new Set(['noprefixroute']) }),
  address('192.0.2.11/24', { label: `${name}:1`, metric: 77, flags: new Set(['secondary']) }),
  address('192.0.2.12/24', {
    validSeconds: 5000,
    preferredSeconds: 3000,
    flags: new Set(['dynamic', 'secondary']),
  }),
  address('2001:db8::11/64', { preferredSeconds: 0, protocol: 'kernel_ra' }),
  address('2001:db8::10/64', { flags: new Set(['nodad']) }),
  address('fe80::216:3eff:feaa:bbcc/64', { scope: 'link' }),
];

/** A card with one of each kind of thing that has to move. */
export function richCard(name: string, more: Partial<Link> = {}): Link {
  const flags = new Set(['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP', 'PROMISC']);
  return link(name, 2, { mtu: 1450, flags, addresses: ADDRESSES(name), ...more });
}

/** The host that such a card is in. */
export function richHost(name: string, links: readonly Link[]): HostState {
  const named = (text: string) => text.replaceAll('NIC', name);
  return {
    links: [link('lo', 1, { type: 'loopback' }), ...links, link('other0', 9)],
    routes: [...parseRoutes(4, named(ROUTES4)), ...parseRoutes(6, named(ROUTES6))],
    rules: [...parseRules(4, named(RULES)), ...parseRules(6, named(RULES))],
    neighbours: parseNeighbours(4, named(NEIGHBOURS)),
  };
}

const DEFAULTS: Settings = new Map([
  ['net/ipv4/conf/rp_filter', '0'],
  ['net/ipv6/conf/accept_dad', '1'],
  ['net/ipv6/conf/addr_gen_mode', '0'],
  ['net/ipv6/conf/disable_ipv6', '0'],
]);
const CARDS: Settings = new Map([...DEFAULTS, ['net/ipv4/conf/rp_filter', '2']]);

/** What is asked for, as far as a case cares. */
export function request(more: Partial<BridgeRequest> = {}): BridgeRequest {
  return {
    netdev: undefined,
    bridge: undefined,
    vifnum: undefined,
    topology: undefined,
    antispoof: false,
    account: false,
    strict: false,
    notrack: 'auto',
    force: false,
    spanningTree: undefined,
    ...more,
  };
}

/** The plan of a start. */
export function startPlan(
  card: Link,
  asked: BridgeRequest,
  more: {
    readonly ifupdown?: boolean;
    readonly filtered?: readonly Family[];
    readonly links?: readonly Link[];
  } = {},
): Plan {
  const state = richHost(card.name, [card, ...(more.links ?? [])]);
  return planStart({
    state,
    link: card,
    layout: layoutOf(state, card, asked),
    settings: CARDS,
    topSettings: DEFAULTS,
    ifupdown: more.ifupdown ?? false,
    filtered: more.filtered,
    strict: asked.strict,
  });
}

const PORT = { mac: 'fe:ff:ff:ff:ff:ff', mtu: 1450 };

/** A host on which start has been: what it left of the card, and the record. */
function started(
  topology: Topology,
  antispoof: boolean,
): { state: HostState; record: BridgeRecord; top: string } {
  const top = topology === 'plain' ? 'xenbr0' : 'eth0';
  const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
  const nic = topology === 'plain' ? 'eth0' : 'peth0';
  const port =
    topology === 'classic' ? { ...PORT, flags: new Set(['UP', 'LOWER_UP', 'NOARP']) } : { mtu: 1450 };
  const bridges = topology === 'classic' ? [link(bridge, 3, { kind: 'bridge', ...PORT })] : [];
  const pair =
    topology === 'classic'
      ? [
          richCard(top, { index: 5, kind: 'veth', peer: 'vif0.0' }),
          link('vif0.0', 4, { kind: 'veth', peer: top, master: bridge, ...PORT }),
        ]
      : [richCard(top, { index: 3, kind: 'bridge' })];
  const guest = link('vif7.0', 8, { master: bridge, mac: PORT.mac });
  const rules = ['peth0', 'vif0.0'].map(
    (name) => `FORWARD -m physdev --physdev-in ${name} --physdev-is-bridged -j ACCEPT`,
  );
  const record: BridgeRecord = {
    topology,
    bridge,
    netdev: 'eth0',
    nic,
    nicIndex: 2,
    madeBridge: true,
    wasUp: true,
    hadArp: true,
    mac: '00:16:3e:aa:bb:cc',
    ifupdown: false,
    ...(antispoof ? { antispoof: { rules } } : {}),
  };
  const links = [link(nic, 2, { master: bridge, ...port }), ...bridges, ...pair, guest];
  return { state: richHost(top, links), record, top };
}

/** The plan of a stop. */
export function stopPlan(topology: Topology, antispoof = false): Plan {
  const { state, record, top } = started(topology, antispoof);
  const find = (name: string) => {
    const found = state.links.find((other) => other.name === name);
    if (found === undefined) throw new Error(`There is no ${name} in the case.`);
    return found;
  };
  const running = findBridged(state, [record], 'eth0');
  if (running === undefined) throw new Error('The case is not bridged.');
  const ports: Settings = new Map([...CARDS, ['net/ipv6/conf/disable_ipv6', '1']]);
  const settings = new Map<string, Settings>([
    [record.bridge, ports],
    ['vif0.0', ports],
    [record.nic, ports],
    [top, CARDS],
    ['default', DEFAULTS],
  ]);
  return planStop({
    state,
    record: running,
    top: find(top),
    nic: find(record.nic),
    bridge: find(record.bridge),
    settings,
    kept: {
      bridge: record.bridge,
      options: new Map([['stp_state', '1']]),
      defaultPvid: 1,
      ports: new Map([[record.nic, KEPT_PORT]]),
    },
    held: antispoof ? antispoofSettings([4, 6], record.antispoof?.rules ?? []) : [],
  });
}

/** What the administrator has told the bridge of the card. */
const KEPT_PORT: KeptPort = {
  options: new Map([['hairpin_mode', '1']]),
  flags: ['locked'],
  vlans: [{ from: 7, to: 9, pvid: false, untagged: true }],
  entries: [{ mac: '02:00:00:00:00:09', state: 'static', vlan: 7, isSticky: true }],
};

const bare = { addresses: [address('192.0.2.10/24', { label: undefined })] };

/** Every form that a plan of network-bridge can take, by name. */
export const CASES: Readonly<Record<string, () => Plan>> = {
  'start-classic': () => startPlan(richCard('eth0'), request()),
  'start-rename': () => startPlan(richCard('eth0'), request({ topology: 'rename' })),
  'start-plain': () => startPlan(richCard('eth0'), request({ topology: 'plain' })),
  'start-antispoof': () =>
    startPlan(link('eth1', 2, bare), request({ antispoof: true }), { filtered: [4, 6] }),
  'start-strict': () => startPlan(link('eth1', 2, bare), request({ strict: true })),
  'start-ifupdown': () => startPlan(richCard('eth0'), request(), { ifupdown: true }),
  'start-bond': () => startPlan(link('bond0', 2, { kind: 'bond', ...bare }), request()),
  'start-vlan': () => startPlan(link('eth0.5', 2, { kind: 'vlan', peer: 'eth0', ...bare }), request()),
  'start-card-of-vlan': () =>
    startPlan(link('eth0', 2, bare), request(), {
      links: [link('eth0.5', 7, { kind: 'vlan', peer: 'eth0' })],
    }),
  'start-15-characters': () => startPlan(link('enp0s20f0u1u2i3', 2, bare), request()),
  'start-down': () =>
    startPlan(link('eth0', 2, { ...bare, flags: new Set(['NOARP']) }), request({ vifnum: 3 })),
  // Made by the kernel without ARP, which the host's side has.
  'start-dummy': () =>
    startPlan(
      link('dummy0', 2, { kind: 'dummy', ...bare, flags: new Set(['UP', 'LOWER_UP', 'NOARP']) }),
      request({ vifnum: 1 }),
    ),
  'start-there': () =>
    startPlan(link('eth0', 2, bare), request({ topology: 'plain' }), {
      links: [link('xenbr0', 6, { kind: 'bridge', mac: '02:00:00:00:00:77', flags: new Set() })],
    }),
  'stop-classic': () => stopPlan('classic', true),
  'stop-rename': () => stopPlan('rename'),
  'stop-plain': () => stopPlan('plain'),
};
