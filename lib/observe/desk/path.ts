import type { System } from '../../system/system.ts';
import { withXenstore } from '../../system/xenstore/open.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import { jsonList } from '../../wire/json.ts';
import { masqueradedCount, ownRuleCounts, type RuleCounts } from '../../wire/traffic/rule-counts.ts';
import { readDrops } from '../filter/strict-listing.ts';

/** What a device counted since it was made. */
export interface DeviceCounts {
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

/** Connections of a guest in connection tracking. */
export interface Connections {
  readonly all: number;
  /** Those of which no answer has been seen. */
  readonly unanswered: number;
}

/** All that is counted on a guest's way, at one moment. */
export interface Reading {
  /** By the device's name. */
  readonly devices: ReadonlyMap<string, DeviceCounts>;
  /** By the guest's own rules in FORWARD. */
  readonly rules: RuleCounts | undefined;
  /** Packets that the strict filter dropped. */
  readonly refused: number | undefined;
  /** Connections that were masqueraded. */
  readonly masqueraded: number | undefined;
  readonly connections: Connections | undefined;
}

/** What to read for a guest. */
export interface Counted {
  readonly devices: readonly string[];
  /** The kernel's name of the guest's device, and its port's name. */
  readonly device: string;
  readonly port: string;
  readonly isStrict: boolean;
  /** The device by which packets are masqueraded, for a guest that is routed to. */
  readonly uplink: string | undefined;
  /** The guest's addresses. */
  readonly addresses: readonly string[];
}

/**
 * Reads all counters on a guest's way.
 * @param system the way to sysfs, iptables, nft and connection tracking
 * @param counted what to read
 */
export function readCounts(system: System, counted: Counted): Reading {
  const { devices, device, port, isStrict, uplink, addresses } = counted;
  const listing = system.run(['iptables-save', '-c'], { isListing: true }).stdout;
  return {
    devices: new Map(devices.map((name) => [name, countersOf(system, name)])),
    rules: ownRuleCounts(listing, device),
    refused: isStrict ? (readDrops(system).get(port)?.packets ?? 0) : undefined,
    masqueraded: uplink === undefined ? undefined : masqueradedCount(listing, uplink),
    connections: connectionsOf(system, addresses),
  };
}

function countersOf(system: System, device: string): DeviceCounts {
  const read = (file: string) => Number(system.readText(`/sys/class/net/${device}/statistics/${file}`) ?? 0);
  return {
    received: read('rx_packets'),
    sent: read('tx_packets'),
    dropped: read('rx_dropped') + read('tx_dropped'),
  };
}

/** @returns undefined where the kernel does not list them, or none of the guest's addresses is known */
function connectionsOf(system: System, addresses: readonly string[]): Connections | undefined {
  const text = system.readText('/proc/net/nf_conntrack');
  if (text === undefined || addresses.length === 0) return undefined;
  const own = text.split('\n').filter((line) => {
    const source = / src=(\S+) /.exec(line)?.[1];
    return source !== undefined && addresses.includes(source);
  });
  return { all: own.length, unanswered: own.filter((line) => line.includes('[UNREPLIED]')).length };
}

/** A neighbour's entry in the kernel's table. */
export interface NeighbourEntry {
  /** Undefined while it is not known. */
  readonly mac: string | undefined;
  /** REACHABLE, STALE, FAILED, … */
  readonly state: string;
}

/**
 * The entry of a neighbour.
 * @param system the way to ip
 * @param device the device by which it is reached
 * @param address the neighbour's address
 * @returns undefined where there is none, since nobody has asked for it lately
 */
export function readNeighbour(system: System, device: string, address: string): NeighbourEntry | undefined {
  const argv = ['ip', '-j', 'neigh', 'show', 'to', address, 'dev', device];
  const [entry] = jsonList(system.run(argv, { isListing: true }).stdout);
  if (entry === undefined) return undefined;
  const states = Array.isArray(entry['state']) ? entry['state'].map(String) : [];
  const mac = entry['lladdr'];
  return { mac: typeof mac === 'string' ? mac : undefined, state: states.join(' ') };
}

/**
 * The MAC addresses that a bridge has learned from the frames of a port.
 * @param system the way to bridge(8)
 * @param port the port's name
 */
export function learnedMacs(system: System, port: string): string[] {
  const { stdout } = system.run(['bridge', '-j', 'fdb', 'show', 'brport', port], { isListing: true });
  return jsonList(stdout).flatMap(({ mac, state, flags, master }) => {
    const isOwn =
      state === 'permanent' || state === 'static' || (Array.isArray(flags) && flags.includes('self'));
    return typeof mac === 'string' && !isOwn && master !== undefined ? [mac] : [];
  });
}

/**
 * The state of both ends of a guest's card (xenbus_state in Xen's xenbus.h; 4 is connected).
 * @param system the way to xenstore
 * @param env the process's environment
 * @param card the domain and the card
 */
export async function readEnds(
  system: System,
  env: Readonly<Record<string, string | undefined>>,
  { domid, devid }: { readonly domid: number; readonly devid: number },
): Promise<{ readonly front: string | undefined; readonly back: string | undefined }> {
  const paths = [`/local/domain/${domid}/device/vif/${devid}/state`, `backend/vif/${domid}/${devid}/state`];
  const read = (store: Xenstore) => store.readMany(paths);
  const [front, back] = await withXenstore(await system.native(), env, read);
  return { front, back };
}
