import { BRIDGE_RECORDS, bridgeRecordPath } from '../../record/paths.ts';
import type { Topology } from '../../request/bridge.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import type { Address, HostState, Route } from '../host/host.ts';
import { readJson, recordsIn } from '../records.ts';
import type { SpanningState } from './spanning-tree.ts';

export type { Topology } from '../../request/bridge.ts';

const SYSCTL_FOLDERS = ['net/ipv4/conf', 'net/ipv6/conf', 'net/ipv4/neigh', 'net/ipv6/neigh'] as const;
/** No settings of their own: a copy of the MTU, a read-only state, and values that exist again in other units. */
const NO_SETTINGS = new Set(['mtu', 'mc_forwarding', 'base_reachable_time', 'retrans_time']);

/** Kernel settings of one device, by folder and name: 'net/ipv4/conf/NAME' → value. */
export type Settings = ReadonlyMap<string, string>;

/**
 * Reads a device's kernel settings.
 * @param system the way to /proc/sys
 * @param device a device's name, or 'default' for the settings that a new device gets
 */
export function readSettings(system: System, device: string): Settings {
  const settings = new Map<string, string>();
  for (const folder of SYSCTL_FOLDERS) {
    for (const name of system.list(`/proc/sys/${folder}/${device}`)) {
      const value = NO_SETTINGS.has(name)
        ? undefined
        : system.readText(`/proc/sys/${folder}/${device}/${name}`);
      if (value !== undefined) settings.set(`${folder}/${name}`, value);
    }
  }
  return settings;
}

/**
 * The device of the IPv4 default route with the lowest metric; without one, that of the IPv6 default route; without
 * that, eth0 (docs/contract.md, "network-bridge start").
 * @param state the host
 */
export function defaultDevice(state: HostState): string {
  return defaultDevices(state)[0] ?? 'eth0';
}

/**
 * All devices of the default route that `defaultDevice` uses: several where the route has several next hops.
 * @param state the host
 */
export function defaultDevices(state: HostState): string[] {
  const best = ([4, 6] as const).flatMap((family) => {
    const routes = state.routes.filter(
      (route) => route.family === family && route.destination === 'default' && route.table === 'main',
    );
    return [...routes].sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0)).slice(0, 1);
  });
  const usable = best.map(({ hops }) => hops.flatMap(({ dev }) => (dev === undefined ? [] : [dev])));
  return [...new Set(usable.find((devices) => devices.length > 0))];
}

/**
 * The card that network-bridge bridges where none is named. As with the scripts of Xen 3, vifnum=N means ethN where
 * that exists; otherwise it is the default route's device (docs/contract.md, "network-bridge start").
 * @param state the host
 * @param vifnum the number, if one was given
 */
export function usualCard(state: HostState, vifnum: number | undefined): string {
  const numbered = `eth${vifnum}`;
  const isThere =
    vifnum !== undefined &&
    state.links.some(({ name, altnames }) => name === numbered || altnames.includes(numbered));
  return isThere ? numbered : defaultDevice(state);
}

/** The record of network-bridge start, from which stop restores what start found. */
export interface BridgeRecord {
  readonly topology: Topology;
  readonly bridge: string;
  /** The name of the device that had the host's addresses and, except with plain, has them. */
  readonly netdev: string;
  /** The card's name as a port. */
  readonly nic: string;
  readonly nicIndex: number;
  /** Whether start made the bridge. */
  readonly madeBridge: boolean;
  readonly wasUp: boolean;
  readonly hadArp: boolean;
  /** The card's own MAC address. */
  readonly mac: string;
  readonly ifupdown: boolean;
  /** The card's MTU in bytes; missing in records of earlier versions. */
  readonly mtu?: number;
  /** The card's addresses, routes and settings from before start, in case the device that got them is deleted. */
  readonly had?: CardRecord;
  /** The state in which start found the bridge. */
  readonly before?: BridgeBefore;
  readonly antispoof?: AntispoofRecord;
  /** antispoof=strict: guests that join the bridge may only send from their configured addresses. */
  readonly strict?: boolean;
  /** account=yes: the traffic of the guests that join the bridge is counted. */
  readonly account?: boolean;
}

/** The part of a card's state that stop can restore alone, without a DHCP server or a router. */
export interface CardRecord {
  readonly addresses: readonly AddressRecord[];
  readonly routes: readonly Route[];
  /** Kernel settings of the card that start changed. */
  readonly settings: Readonly<Record<string, string>>;
  readonly alias?: string;
  readonly group?: string;
}

/** An address in the form of a record, with its flags as a list. */
export type AddressRecord = Omit<Address, 'flags'> & { readonly flags: readonly string[] };

/** The state of an existing bridge that start changes; only mtu and up where the bridge does not get the addresses. */
export interface BridgeBefore {
  readonly mtu: number;
  readonly up: boolean;
  readonly mac?: string;
  readonly promisc?: boolean;
  readonly allmulti?: boolean;
  /** Its spanning tree settings before start, if start changed them. */
  readonly spanningTree?: SpanningState;
  /** Kernel settings that differed from the card's. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The firewall rules of network-bridge for a bridge; the shared settings contain them too. */
export interface AntispoofRecord {
  /** Our rules, without -A; they tell which ports are no guest's. */
  readonly rules: readonly string[];
  /**
   * Only in records of earlier versions, which had no shared settings: the policy of FORWARD before start, by family.
   */
  readonly policy?: { readonly 4?: string; readonly 6?: string };
  /** Likewise bridge-nf-call-* before start, by path. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * The records of all bridges of network-bridge.
 * @param system the way to the files
 */
export function readBridgeRecords(system: System): BridgeRecord[] {
  const records = recordsIn(system, BRIDGE_RECORDS, (name) =>
    readJson(system, bridgeRecordPath(name), isBridgeRecord),
  );
  return [...records.values()];
}

function isBridgeRecord(value: unknown): value is BridgeRecord {
  return (
    isRecord(value) &&
    ['topology', 'bridge', 'netdev', 'nic', 'mac'].every((key) => typeof value[key] === 'string') &&
    typeof value['nicIndex'] === 'number' &&
    (value['had'] === undefined || isCardRecord(value['had'])) &&
    (value['antispoof'] === undefined || isAntispoofRecord(value['antispoof']))
  );
}

function isCardRecord(value: unknown): boolean {
  return (
    isRecord(value) &&
    Array.isArray(value['addresses']) &&
    Array.isArray(value['routes']) &&
    isRecord(value['settings'])
  );
}

function isAntispoofRecord(value: unknown): boolean {
  if (!isRecord(value) || !Array.isArray(value['rules'])) return false;
  return [value['policy'], value['settings']].every((part) => part === undefined || isRecord(part));
}

/**
 * Whether ifupdown is installed and has brought the device up (interfaces(5), /run/network/ifstate).
 * @param system the way to its state
 * @param device the device's name
 */
export function managedByIfupdown(system: System, device: string): boolean {
  const installed = ['/usr/local/sbin', '/usr/sbin', '/sbin'].some((path) => system.exists(`${path}/ifup`));
  const state = system.readText('/run/network/ifstate') ?? '';
  return installed && state.split('\n').some((line) => line.split('=')[0] === device);
}

/**
 * The other programs that manage a device: a sentence for each, with the setting that makes it stop.
 * @param system the way to their state
 * @param device the device's name
 * @param index the device's index
 */
export function otherOwners(system: System, device: string, index: number): string[] {
  const sentences: string[] = [];
  const manager = system.readText(`/run/NetworkManager/devices/${index}`) ?? '';
  if (/^managed=true$/m.test(manager)) {
    sentences.push(
      `NetworkManager manages ${device} and may undo this; set "unmanaged-devices=interface-name:${device}" under [keyfile] in its configuration.`,
    );
  }
  const networkd = system.readText(`/run/systemd/netif/links/${index}`) ?? '';
  if (/^ADMIN_STATE=(configured|configuring)$/m.test(networkd)) {
    sentences.push(
      `systemd-networkd manages ${device} and may undo this; set "Unmanaged=yes" under [Link] in the .network file that matches it.`,
    );
  }
  return sentences;
}

/**
 * The addresses of the servers of the root file system, if it comes over the network (NFS, iSCSI).
 * @param system the way to /proc and /sys
 * @returns empty when root is local; an empty address where the server is unknown
 */
export function rootServers(system: System): string[] {
  const mounts = (system.readText('/proc/mounts') ?? '').split('\n').map((line) => line.split(' '));
  const root = mounts.filter(([, folder]) => folder === '/').at(-1);
  const [source = '', , kind = '', options = ''] = root ?? [];
  if (/^nfs4?$/.test(kind)) return [/(?:^|,)addr=([^,]+)/.exec(options)?.[1] ?? ''];
  if (!source.startsWith('/dev/')) return [];
  const fstab = (system.readText('/etc/fstab') ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  const overNetwork = fstab.some(
    ([device = '#', folder, , given = '']) =>
      !device.startsWith('#') && folder === '/' && given.split(',').includes('_netdev'),
  );
  const targets = iscsiTargets(system);
  if (targets.length > 0 && isOnIscsi(system, source)) return targets;
  return overNetwork ? [''] : [];
}

function iscsiTargets(system: System): string[] {
  const folder = '/sys/class/iscsi_connection';
  return system.list(folder).map((name) => system.readText(`${folder}/${name}/persistent_address`) ?? '');
}

function isOnIscsi(system: System, source: string): boolean {
  const disk = (system.linkTarget(source) ?? source).replace(/^.*\//, '');
  const below = system.list(`/sys/class/block/${disk}/slaves`);
  return [disk, ...below].some((name) =>
    (system.linkTarget(`/sys/class/block/${name}`) ?? '').includes('/session'),
  );
}
