// Reads what the kernel tells of guests' counters (linux/netfilter/nf_tables.h).
import { ERRNO_AT, FLAG, HEADERS, MESSAGE, NLMSG } from '../nf/messages.ts';
import { attributesIn, type Span, textIn } from '../nf/rules-listing.ts';

/** The numbers of a device, as the guest sees them. */
export interface Flow {
  readonly sentPackets: number;
  /** Of whole Ethernet frames. */
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
}

/** The counters of a device, as the kernel has them. */
export interface DeviceCounters {
  /** Other counters of the same names, in a table that somebody made anew, have another one, until the next boot. */
  readonly id: string;
  /** Whether the chains of the device are there. */
  readonly isCounting: boolean;
  readonly flow: Flow;
}

const TABLE_HANDLE = 4;
const OBJECT = { name: 2, data: 4, use: 5, handle: 6 } as const;
const COUNTER = { bytes: 1, packets: 2 } as const;
/** Before a guest's frame is in the host, the kernel has taken off its Ethernet header. */
const ETHERNET_HEADER = 14;

/** A counter of the kernel's list. */
export interface Counter {
  /** Such as sent/vif1.0. */
  readonly name: string;
  readonly handle: number;
  /** How many rules count by it. */
  readonly use: number;
  readonly packets: number;
  readonly bytes: number;
}

/** A part of an answer of the kernel. */
export interface CounterPart {
  /** The table's handle, in an answer to tableQuestion. */
  readonly table: number | undefined;
  readonly counters: readonly Counter[];
  /** Whether more parts of a list follow. */
  readonly goesOn: boolean;
  /** Whether the list changed while the kernel sent it. */
  readonly isTorn: boolean;
  /** The number of the error that ended the list; 0 for none. */
  readonly errno: number;
}

/**
 * Reads a datagram of an answer.
 * @param datagram the datagram
 */
export function readCounters(datagram: Uint8Array): CounterPart {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const counters: Counter[] = [];
  let [table, goesOn, isTorn, errno] = [undefined as number | undefined, true, false, 0];
  for (let at = 0; at + HEADERS <= datagram.length; ) {
    const end = at + view.getUint32(at, true);
    const type = view.getUint16(at + 4, true);
    if ((view.getUint16(at + 6, true) & FLAG.torn) !== 0) isTorn = true;
    if (type === NLMSG.done || type === NLMSG.error)
      [goesOn, errno] = [false, Math.abs(view.getInt32(at + ERRNO_AT, true))];
    if (type === MESSAGE.newTable)
      table = bigNumber(view, attributesIn(view, at + HEADERS, end).get(TABLE_HANDLE));
    if (type === MESSAGE.newObject)
      counters.push(counterOf(datagram, view, attributesIn(view, at + HEADERS, end)));
    at = (end + 3) & ~3;
  }
  return { table, counters, goesOn, isTorn, errno };
}

/**
 * The counters of each device, by the kernel's name of the device.
 * @param table the table's handle
 * @param counters all counters of the table
 */
export function byDevice(table: number, counters: readonly Counter[]): Map<string, DeviceCounters> {
  const named = new Map(counters.map((counter) => [counter.name, counter]));
  const found = new Map<string, DeviceCounters>();
  for (const [name, sent] of named) {
    if (!name.startsWith('sent/')) continue;
    const device = name.slice('sent/'.length);
    const received = named.get(`received/${device}`);
    if (received === undefined) continue;
    found.set(device, {
      id: [table, sent.handle, received.handle].join('.'),
      isCounting: sent.use > 0 && received.use > 0,
      flow: {
        sentPackets: sent.packets,
        sentBytes: sent.bytes + ETHERNET_HEADER * sent.packets,
        receivedPackets: received.packets,
        receivedBytes: received.bytes,
      },
    });
  }
  return found;
}

function counterOf(bytes: Uint8Array, view: DataView, parts: ReadonlyMap<number, Span>): Counter {
  const data = parts.get(OBJECT.data);
  const inside = data === undefined ? new Map<number, Span>() : attributesIn(view, data.at, data.end);
  const use = parts.get(OBJECT.use);
  return {
    name: textIn(bytes, parts.get(OBJECT.name)),
    handle: bigNumber(view, parts.get(OBJECT.handle)),
    use: use === undefined ? 0 : view.getUint32(use.at),
    packets: bigNumber(view, inside.get(COUNTER.packets)),
    bytes: bigNumber(view, inside.get(COUNTER.bytes)),
  };
}

function bigNumber(view: DataView, span: Span | undefined): number {
  return span === undefined ? 0 : view.getUint32(span.at) * 2 ** 32 + view.getUint32(span.at + 4);
}
