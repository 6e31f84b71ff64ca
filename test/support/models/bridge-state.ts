import { Host } from '../hosts/host.ts';
import type { Namespace } from '../hosts/namespace.ts';
import { sleep } from '../wait.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';

const PROBE = `
part() { echo "=== $1"; shift; "$@" 2>/dev/null; }
part carriers grep -s . /sys/class/net/*/carrier
part listed ip -o address
part details4 ip -4 -d -o route show table all
part details6 ip -6 -d -o route show table all
part policy4 ip -4 -d rule
part policy6 ip -6 -d rule
part options find -L /sys/class/net -mindepth 3 -maxdepth 3 -path '/sys/class/net/*/br*/*' -type f -perm -600 -exec grep -s . {} +
part fdb sh -c 'bridge fdb show | grep " master .*(permanent|static)"'
part flags bridge -d link show
part tables nft list tables bridge
part fixed4 ip -4 neigh show nud permanent
part fixed6 ip -6 neigh show nud permanent
part proxies4 ip -4 neigh show proxy
part proxies6 ip -6 neigh show proxy
cd /proc/sys/net && part settings grep -rs . ipv4/conf ipv6/conf ipv4/neigh ipv6/neigh
exit 0
`;
/** What the kernel lists in no order of its own. */
const SETS = new Set(['details6', 'settings', 'options', 'fdb', 'flags']);
/** What the kernel counts or derives. */
const DERIVED = /\/path_cost:2$|\/(mc_forwarding|mtu|stable_secret|base_reachable_time|retrans_time):/;
/** Remaining lifetimes, indexes, and what becomes of a route with the carrier. */
const VOLATILE = /(?<=_lft )\d+(?=sec)|(?<=expires )\d+(?=sec)|^\d+: | linkdown| dead/g;

/**
 * Everything of a host's network that a hook may change and more than a plain snapshot has: the order in which addresses
 * are listed, all attributes of routes and rules, neighbours, each device's settings.
 * @param host whose network
 */
export function look(host: Namespace): Snapshot {
  const parts: Record<string, readonly string[]> = {};
  for (const part of host.ok('sh', '-c', PROBE).split(/^=== /m).slice(1)) {
    const [name = '', ...lines] = part.split('\n').filter((line) => line.trim() !== '');
    const kept = lines.filter((line) => !DERIVED.test(line)).map((line) => line.replace(VOLATILE, ''));
    parts[name] = SETS.has(name) ? kept.sort() : kept;
  }
  return { ...takeSnapshot(host), ...parts };
}

/** On a quiet machine a second does. */
const LONGEST_MS = 60_000;

/**
 * Looks again, for up to a minute, until all is as expected: carriers and link-local addresses come a little after
 * what causes them.
 * @param host whose network
 * @param expected the state that should come
 * @returns the last one seen
 */
export async function lookFor(host: Namespace, expected: Snapshot): Promise<Snapshot> {
  const wanted = JSON.stringify(expected);
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const now = look(host);
    if (JSON.stringify(now) === wanted || performance.now() > end) return now;
    await sleep(30);
  }
}

/**
 * Looks once the host has come to rest: two looks in a row are alike, and no address is looked for duplicates of.
 * @param host whose network
 */
export async function settled(host: Namespace): Promise<Snapshot> {
  let before = '';
  for (let tries = 0; ; tries++) {
    const now = look(host);
    const text = JSON.stringify(now);
    if ((text === before && !text.includes('tentative')) || tries > 50) return now;
    before = text;
    await sleep(100);
  }
}

/** The lines that differ, each with its topic. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  return Object.keys({ ...before, ...after }).flatMap((topic) => {
    const [old, now] = [before[topic] ?? [], after[topic] ?? []];
    const lost = old.filter((line) => !now.includes(line)).map((line) => `- ${topic}: ${line}`);
    const gained = now.filter((line) => !old.includes(line)).map((line) => `+ ${topic}: ${line}`);
    if (lost.length + gained.length > 0 || old.join('\n') === now.join('\n')) return [...lost, ...gained];
    return [`${topic} are in another order: ${now.join(' | ')}`];
  });
}

const GATEWAY = { address: '192.0.2.10/24', gateway: '192.0.2.1' };
const GATEWAY6 = { address6: '2001:db8::10/64', gateway6: '2001:db8::1' };
/** The MAC address of every card that is bridged in tests. */
export const CARD_MAC = '00:16:3e:aa:bb:cc';

/**
 * A card with one of each kind of thing that has to move with it.
 * @param host where
 * @param name the card's name
 * @returns the namespace of its gateway
 */
export function plugCard(host: Host, name = 'eth0'): Namespace {
  const gateway = host.nic(name, { mac: CARD_MAC, mtu: 1450, ...GATEWAY, ...GATEWAY6 });
  host.ip(
    `address add 192.0.2.11/24 ${name.length > 13 ? '' : `label ${name}:1`} dev ${name}`,
    `address add 203.0.113.9/24 noprefixroute dev ${name}`,
    // A route can have no source that is still looked for duplicates of.
    `address add 2001:db8::11/64 dev ${name} preferred_lft 0 nodad`,
    `address change 2001:db8::11/64 dev ${name} preferred_lft 0`,
    `address add 2001:db8:5::1/64 dev ${name} noprefixroute`,
    `route add 203.0.113.0/24 dev ${name} proto kernel scope link src 203.0.113.9 metric 100`,
    `route add 10.9.0.0/16 via 192.0.2.254 dev ${name} metric 5 table 100`,
    `route add 10.14.0.0/16 via inet6 fe80::1 dev ${name}`,
    `route add ::/0 via fe80::1 dev ${name} metric 50`,
    `route add 2001:db8:103::/48 via 2001:db8::5 src 2001:db8::11`,
    `rule add iif ${name} lookup 100 priority 90`,
    `link set ${name} promisc on`,
    `neigh add 192.0.2.200 lladdr 02:02:02:02:02:02 dev ${name} nud permanent`,
  );
  host.ok('ip', '-6', 'rule', 'add', 'iif', name, 'lookup', '100', 'priority', '91');
  setSettings(host, { [`ipv4/conf/${name}/rp_filter`]: '2', [`ipv6/conf/${name}/accept_ra`]: '0' });
  return gateway;
}

/**
 * A host with such a card and nothing else; close it when done.
 * @param name the card's name
 */
export async function createPluggedHost(name?: string): Promise<Host> {
  const host = await Host.create();
  plugCard(host, name);
  return host;
}

/**
 * Sets kernel settings.
 * @param host where
 * @param settings file below /proc/sys/net, and value
 */
export function setSettings(host: Host, settings: Readonly<Record<string, string>>): void {
  const lines = Object.entries(settings).map(([path, value]) => `echo ${value} > /proc/sys/net/${path}`);
  host.ok('sh', '-e', '-c', lines.join('\n'));
}

/**
 * A card with everything that iproute2 can set on a card of this kernel, and another one that shares routes with it.
 * @param host where
 * @param name the card's name
 * @returns the namespace of its gateway
 */
export function plugRichCard(host: Host, name = 'eth0'): Namespace {
  host.nic('other0', { address: '172.16.9.10/24' });
  const gateway = plugCard(host, name);
  host.ip(
    `address add 198.51.100.5/25 broadcast 198.51.100.99 metric 77 dev ${name}`,
    `address add 10.1.1.1 peer 10.1.1.2/32 dev ${name}`,
    `address add 192.0.2.77/32 scope link dev ${name}`,
    `address add 192.0.2.12/24 valid_lft 5000 preferred_lft 3000 dev ${name}`,
    `address add 2001:db8::12/64 valid_lft 5000 preferred_lft 3000 dev ${name}`,
    `address add 2001:db8:6::1/64 dev ${name} nodad`,
    `address add 2001:db8:7::1 peer 2001:db8:7::2/128 dev ${name}`,
    `address add 2001:db8:8::1/64 dev ${name} metric 55`,
    'route add default via 192.0.2.2 metric 100 src 192.0.2.11',
    'route append default via 172.16.9.1',
    `route add 10.10.0.0/16 via 10.77.0.1 dev ${name} onlink`,
    'route add 10.11.0.0/16 nexthop via 192.0.2.3 weight 3 nexthop via 192.0.2.4 realm 3',
    'route add 10.12.0.0/16 nexthop via 192.0.2.3 nexthop via 172.16.9.1',
    'route add 10.13.0.0/16 via 192.0.2.3 mtu 1300 advmss 1200 window 5000 initcwnd 20 initrwnd 30 ' +
      'hoplimit 20 reordering 5 rto_min 100ms rtt lock 200ms rttvar 50ms cwnd lock 10 ssthresh 20 quickack 1',
    'route add 10.15.0.0/16 via 192.0.2.3 tos 0x10',
    `route add 10.16.0.0/16 dev ${name} proto static`,
    'route add 10.16.0.0/16 via 192.0.2.5 proto static metric 1',
    'route append 10.17.0.0/16 via 192.0.2.5',
    'route append 10.17.0.0/16 via 192.0.2.6',
    'route append 10.17.0.0/16 via 172.16.9.1',
    'route add 10.18.0.0/16 via 172.16.9.1 src 192.0.2.10',
    `route add local 10.19.0.1 dev ${name} table 100`,
    'route add 10.20.0.0/16 via 192.0.2.3 mtu lock 1300',
    'route add 10.21.0.0/16 via 192.0.2.3 realm 7',
    'route add 2001:db8:100::/48 via 2001:db8::5 metric 7 proto static',
    `route add 2001:db8:101::/48 via fe80::2 dev ${name} table 100`,
    `route add 2001:db8:102::/48 nexthop via fe80::3 dev ${name} weight 2 nexthop via fe80::4 dev ${name}`,
    `route add 2001:db8:104::/48 dev ${name} expires 4000`,
    `route add 2001:db8:105::/48 nexthop via fe80::3 dev ${name} nexthop via fe80::4 dev other0`,
    'route add 2001:db8:106::/48 dev other0 src 2001:db8::11',
    `route add 2001:db8:5::/64 dev ${name} proto kernel metric 100`,
    `route add 2001:db8:107::/48 via 2001:db8:99::1 dev ${name} onlink`,
    `route add 2001:db8:109::/48 from 2001:db8::/64 via fe80::2 dev ${name} mtu 1300 pref high`,
    `rule add oif ${name} fwmark 0x10/0xff lookup 100 priority 92 protocol static`,
    `rule add not from 192.0.2.0/24 iif ${name} tos 0x10 lookup 200 priority 93`,
    `link set ${name} allmulticast on`,
    `neigh add proxy 192.0.2.222 dev ${name}`,
    `neigh add proxy 2001:db8::222 dev ${name}`,
    `neigh add fe80::200 lladdr 02:02:02:02:02:03 dev ${name} nud permanent router`,
  );
  host.ok('ip', '-6', 'rule', 'add', 'oif', name, 'prohibit', 'priority', '94');
  const own = { 'ipv4/conf': { arp_announce: '1', proxy_arp: '1', forwarding: '1' } };
  const ipv6 = { 'ipv6/conf': { autoconf: '0', use_tempaddr: '2', accept_dad: '2', addr_gen_mode: '0' } };
  const neigh = { 'ipv4/neigh': { gc_stale_time: '99' }, 'ipv6/neigh': { mcast_solicit: '4' } };
  for (const [folder, values] of Object.entries({ ...own, ...ipv6, ...neigh })) {
    const paths = Object.entries(values).map(([key, value]) => [`${folder}/${name}/${key}`, value]);
    setSettings(host, Object.fromEntries(paths));
  }
  return gateway;
}
