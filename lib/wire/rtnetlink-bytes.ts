// Parts of rtnetlink(7) messages, and the numbers that several kinds of them share. The numbers are from
// linux/rtnetlink.h; every Linux machine that this program runs on is little-endian.
import { ipv4Octets, ipv6Groups } from '../request/addresses.ts';

/** A request, without the header, which the socket adds. */
export interface RtMessage {
  readonly type: number;
  /** Flags besides NLM_F_REQUEST and NLM_F_ACK. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

export const RTM = {
  newLink: 16,
  delLink: 17,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newLinkProp: 108,
  delLinkProp: 109,
} as const;
export const NLM = { replace: 0x100, exclusive: 0x200, create: 0x400, append: 0x800 } as const;
export const [AF_INET, AF_INET6] = [2, 10];
/** The names of scopes (ip-address(8), ip-route(8)). */
export const SCOPES: ReadonlyMap<string, number> = new Map([
  ['global', 0],
  ['site', 200],
  ['link', 253],
  ['host', 254],
]);

export const NONE = new Uint8Array(0);

/** struct ifinfomsg: a device's index, its flags, and the mask of those that change. */
export function linkHeader(index: number, flags: number, change: number): Uint8Array {
  return joined([new Uint8Array(4), u32(index), u32(flags), u32(change)]);
}

/**
 * An attribute, padded to a multiple of four bytes.
 * @param type its number, with NLA_F_NESTED where it contains attributes
 * @param value its bytes
 */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const length = 4 + value.length;
  const bytes = new Uint8Array((length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** A text with its terminating NUL. */
export function cString(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** A number in four bytes, little-endian. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** All parts, one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An address or prefix as bytes. */
export interface PrefixBytes {
  readonly family: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/**
 * An address or prefix in the form that the kernel takes.
 * @param text ADDRESS or ADDRESS/LENGTH
 * @returns undefined when the text is neither IPv4 nor IPv6
 */
export function prefixBytes(text: string): PrefixBytes | undefined {
  const [address = '', length] = text.split('/');
  const octets = ipv4Octets(address);
  if (octets !== undefined)
    return { family: AF_INET, length: Number(length ?? 32), bytes: new Uint8Array(octets) };
  const groups = ipv6Groups(address);
  if (groups === undefined) return undefined;
  return {
    family: AF_INET6,
    length: Number(length ?? 128),
    bytes: new Uint8Array(groups.flatMap((group) => [group >> 8, group & 255])),
  };
}

/**
 * Reads the options of an `ip` command: words with a value and words without one.
 * @param words the options
 * @param valued the options that have a value
 * @param alone the options that have none
 * @returns undefined where an option is unknown or occurs twice, or a value is missing
 */
export function optionsOf(
  words: readonly string[],
  valued: readonly string[],
  alone: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = valued.includes(word) ? words[++i] : alone.includes(word) ? '' : undefined;
    if (value === undefined || found.has(word)) return undefined;
    found.set(word, value);
  }
  return found;
}

/**
 * A whole number of 32 bits, or undefined when the text is none.
 * @param text its decimal digits
 */
export function wordOf(text: string): number | undefined {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value <= 0xffffffff ? value : undefined;
}
