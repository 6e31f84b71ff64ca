/** The parts of the kernel that netlink(7) reaches. */
export const NETLINK = { route: 0, netfilter: 12 } as const;

export type NetlinkProtocol = (typeof NETLINK)[keyof typeof NETLINK];

/** A netlink socket; each call writes or reads one datagram. */
export interface NetlinkSocket {
  send(bytes: Uint8Array): void;
  /** The content of one datagram; throws when none comes in time. */
  receive(): Uint8Array;
  /** The text of an error number (strerror(3)). */
  errorText(errno: number): string;
  close(): void;
}

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** What is listed changed while the kernel sent it. */
export const NLM_F_DUMP_INTR = 0x10;
/** The length of a message's header. */
export const HEADER = 16;
const NLA_TYPE_MASK = 0x3fff;

/** One message of a datagram. */
export interface NetlinkFrame {
  readonly type: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * Splits a datagram into its messages.
 * @param datagram the whole datagram
 */
export function frames(datagram: Uint8Array): NetlinkFrame[] {
  const found: NetlinkFrame[] = [];
  const whole = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const length = whole.getUint32(at, true);
    if (length < HEADER || at + length > datagram.length) break;
    const bytes = datagram.subarray(at, at + length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    found.push({ type: view.getUint16(4, true), flags: view.getUint16(6, true), bytes, view });
    at += (length + 3) & ~3;
  }
  return found;
}

/**
 * Puts a header before a message.
 * @param type the message's number
 * @param flags NLM_F_ flags of netlink(7)
 * @param payload the content after the header
 */
export function framed(type: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  bytes.set(payload, HEADER);
  return bytes;
}

/**
 * The attributes of a message, by their types.
 * @param bytes the message
 * @param from the offset of the first attribute
 */
export function attributes(bytes: Uint8Array, from: number): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = new Map<number, Uint8Array>();
  for (let at = from; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    found.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}
