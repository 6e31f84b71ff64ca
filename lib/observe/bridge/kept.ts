import { HostError } from '../../errors.ts';
import type { VlanRange } from '../../request/vlan.ts';
import type { System } from '../../system/system.ts';
import { jsonList } from '../../wire/json.ts';
import type { Link } from '../host/host.ts';
import { readVifRecords } from '../records.ts';
import { parseVlanListings } from '../vif/vlan.ts';

/**
 * The defaults of a bridge that start makes: files below /sys/class/net/BRIDGE/bridge and their values
 * (net/bridge/br_device.c, br_multicast.c). In the order in which they can be written: most options of VLANs cannot be
 * changed once VLANs are filtered.
 */
const BRIDGE_OPTIONS = {
  stp_state: '0',
  forward_delay: '0',
  hello_time: '200',
  max_age: '2000',
  priority: '32768',
  ageing_time: '30000',
  group_addr: '01:80:c2:00:00:00',
  group_fwd_mask: '0x0',
  no_linklocal_learn: '0',
  nf_call_arptables: '0',
  nf_call_ip6tables: '0',
  nf_call_iptables: '0',
  hash_max: '4096',
  multicast_igmp_version: '2',
  multicast_mld_version: '1',
  multicast_last_member_count: '2',
  multicast_last_member_interval: '100',
  multicast_membership_interval: '26000',
  multicast_querier_interval: '25500',
  multicast_query_interval: '12500',
  multicast_query_response_interval: '1000',
  multicast_query_use_ifaddr: '0',
  multicast_startup_query_count: '2',
  multicast_startup_query_interval: '3124',
  multicast_stats_enabled: '0',
  multicast_router: '1',
  multicast_querier: '0',
  multicast_snooping: '1',
  vlan_stats_enabled: '0',
  vlan_stats_per_port: '0',
  vlan_protocol: '0x8100',
  default_pvid: '1',
  vlan_filtering: '0',
} as const;

/** The defaults of a port that has just joined: files below /sys/class/net/PORT/brport and their values (br_if.c). */
const PORT_OPTIONS = {
  bpdu_guard: '0',
  broadcast_flood: '1',
  group_fwd_mask: '0x0',
  hairpin_mode: '0',
  isolated: '0',
  learning: '1',
  multicast_fast_leave: '0',
  multicast_flood: '1',
  multicast_router: '1',
  multicast_to_unicast: '0',
  neigh_suppress: '0',
  priority: '32',
  proxyarp: '0',
  proxyarp_wifi: '0',
  root_block: '0',
  unicast_flood: '1',
} as const;

/** Flags of a port that have no file, and are off on a port that has just joined (bridge(8)). mab needs locked. */
const PORT_FLAGS = ['locked', 'mab', 'vlan_tunnel', 'neigh_vlan_suppress'] as const;

/** A port's default path cost by its speed in Mbit/s (br_if.c, port_cost); 100 where the speed is unknown. */
const COSTS: Readonly<Record<string, string>> = { 10000: '2', 5000: '3', 2500: '4', 1000: '4', 100: '19' };

/** An entry in a bridge's forwarding table that somebody added. */
export interface StaticEntry {
  readonly mac: string;
  readonly state: 'static' | 'local';
  readonly vlan: number | undefined;
  readonly isSticky: boolean;
}

/** The state of a port, or of the bridge itself, that is lost together with the bridge. */
export interface KeptPort {
  /** Options that differ from the defaults: file below /sys/class/net/PORT/brport, and value. */
  readonly options: ReadonlyMap<string, string>;
  /** Those flags that are on and have no file, as bridge(8) calls them. */
  readonly flags: readonly string[];
  /** Undefined where the port has only the VLANs that the bridge gives to every port. */
  readonly vlans: readonly VlanRange[] | undefined;
  readonly entries: readonly StaticEntry[];
  /** The kernel's name of the guest's device that it is, where its record says that it is attached to the bridge. */
  readonly guest?: string;
}

/** The state of a bridge and its ports that is lost when the bridge is made again. */
export interface KeptBridge {
  /** The bridge's name. */
  readonly bridge: string;
  /** Options that differ from the defaults: file below /sys/class/net/BRIDGE/bridge, and value. */
  readonly options: ReadonlyMap<string, string>;
  /** The VLAN that the bridge gives to every port; 0 for none. */
  readonly defaultPvid: number;
  /** By the port's name; the bridge itself is among them. */
  readonly ports: ReadonlyMap<string, KeptPort>;
}

/**
 * Reads the state of a bridge and its ports that is lost when the bridge is made again. What bridge(8) cannot list is
 * left out: only an undo of the bridge's removal would need it.
 * @param system the way to sysfs and to bridge(8)
 * @param links the host's devices
 * @param bridge the bridge's name
 * @param warn gets a sentence for each listing that is left out
 */
export function readKept(
  system: System,
  links: readonly Link[],
  bridge: string,
  warn: (sentence: string) => void,
): KeptBridge {
  const folder = `/sys/class/net/${bridge}/bridge`;
  if (!system.exists(folder)) return { bridge, options: new Map(), defaultPvid: 0, ports: new Map() };
  const list = (...words: string[]) => listedBy(system, words, (why) => warn(lostText(bridge, why)));
  const members = links.filter(({ name, master }) => name === bridge || master === bridge);
  const defaultPvid = Number(system.readText(`${folder}/default_pvid`) ?? 0);
  const vlans = system.exists(`${folder}/vlan_filtering`)
    ? parseVlanListings(list('vlan', 'show'))
    : new Map<string, VlanRange[]>();
  const usual = defaultPvid === 0 ? [] : [{ from: defaultPvid, to: defaultPvid, pvid: true, untagged: true }];
  const entries = parseEntries(
    list('fdb', 'show', 'br', bridge),
    bridge,
    new Set(members.map(({ mac }) => mac)),
  );
  const flags = parseFlags(list('-d', 'link', 'show'));
  const guests = new Map(
    [...readVifRecords(system)].flatMap(([device, record]) =>
      record.bridge === bridge ? [[record.name, device] as const] : [],
    ),
  );
  const kept = members.map(({ name }) => {
    const own = vlans.get(name);
    const guest = guests.get(name);
    const port: KeptPort = {
      options: name === bridge ? new Map<string, string>() : portOptions(system, name),
      flags: flags.get(name) ?? [],
      vlans: own === undefined || sameRanges(own, usual) ? undefined : own,
      entries: entries.get(name) ?? [],
      ...(guest === undefined ? {} : { guest }),
    };
    return [name, port] as const;
  });
  return { bridge, options: differing(system, folder, BRIDGE_OPTIONS), defaultPvid, ports: new Map(kept) };
}

function listedBy(system: System, words: readonly string[], unlisted: (why: string) => void): string {
  try {
    return system.run(['bridge', '-j', ...words], { isListing: true }).stdout;
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    unlisted(thrown.message);
    return '';
  }
}

function lostText(bridge: string, why: string): string {
  return `If this is undone, ${bridge} may come back without VLANs, flags or entries that its ports have now: ${why}`;
}

function portOptions(system: System, port: string): Map<string, string> {
  const path = `/sys/class/net/${port}`;
  const cost = COSTS[system.readText(`${path}/speed`) ?? ''] ?? '100';
  const options = differing(system, `${path}/brport`, { ...PORT_OPTIONS, path_cost: cost });
  const backup = system.readText(`${path}/brport/backup_port`) ?? '';
  return backup === '' ? options : options.set('backup_port', backup);
}

function differing(
  system: System,
  folder: string,
  usual: Readonly<Record<string, string>>,
): Map<string, string> {
  const options = Object.entries(usual).map(
    ([file, value]) => [file, system.readText(`${folder}/${file}`) ?? value] as const,
  );
  return new Map(options.filter(([file, value]) => value !== usual[file]));
}

/** The flags in `bridge -j -d link show`. A card with a switch of its own is listed twice, by its bridge first. */
function parseFlags(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { ifname, ...port } of jsonList(text))
    if (typeof ifname === 'string' && !found.has(ifname))
      found.set(
        ifname,
        PORT_FLAGS.filter((flag) => port[flag] === true),
      );
  return found;
}

function sameRanges(some: readonly VlanRange[], others: readonly VlanRange[]): boolean {
  const text = ({ from, to, pvid, untagged }: VlanRange) => `${from}-${to} ${pvid} ${untagged}`;
  return some.map(text).join() === others.map(text).join();
}

/**
 * The entries of `bridge -j fdb show br BRIDGE` that somebody added: neither learned by the bridge nor made by the
 * kernel for the ports' own addresses.
 */
function parseEntries(text: string, bridge: string, own: ReadonlySet<string>): Map<string, StaticEntry[]> {
  const found = new Map<string, StaticEntry[]>();
  for (const entry of jsonList(text)) {
    const { mac, ifname, master, state, vlan } = entry;
    if (typeof mac !== 'string' || typeof ifname !== 'string' || master !== bridge || own.has(mac)) continue;
    if (state !== 'static' && state !== 'permanent') continue;
    const flags = Array.isArray(entry['flags']) ? entry['flags'] : [];
    const kept: StaticEntry = {
      mac,
      state: state === 'static' ? 'static' : 'local',
      vlan: typeof vlan === 'number' ? vlan : undefined,
      isSticky: flags.includes('sticky'),
    };
    found.set(ifname, [...(found.get(ifname) ?? []), kept]);
  }
  return found;
}
