import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';

export type Family = 4 | 6;

/** An address or a CIDR range, in canonical text. */
export interface Prefix {
  readonly family: Family;
  /** The address without the prefix length; for a range, the network's address. */
  readonly address: string;
  /** 0-32 or 0-128; a single host has 32 or 128. */
  readonly length: number;
}

const WIDTH: Record<Family, number> = { 4: 32, 6: 128 };

/**
 * The four octets of a dotted IPv4 address, or undefined when the text is no such address. Leading zeros are refused,
 * since some tools read them as octal.
 * @param text such as "192.0.2.1"
 */
export function ipv4Octets(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const octets = parts.map(Number);
  return octets.every((octet) => octet <= 255) ? octets : undefined;
}

/**
 * The eight groups of an IPv6 address (RFC 4291 section 2.2, without a zone), or undefined when the text is no such
 * address.
 * @param text such as "2001:db8::1" or "::ffff:192.0.2.1"
 */
export function ipv6Groups(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2 || text.length > 45) return undefined;
  const [head, tail] = halves.map((half, i) => groupsOf(half, i === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (tail === undefined) return head.length === 8 ? head : undefined;
  const missing = 8 - head.length - tail.length;
  return missing >= 1 ? [...head, ...new Array<number>(missing).fill(0), ...tail] : undefined;
}

/** Only the last 32 bits of an IPv6 address may be dotted. */
function groupsOf(half: string, isLast: boolean): number[] | undefined {
  if (half === '') return [];
  const groups: number[] = [];
  const parts = half.split(':');
  for (const [i, part] of parts.entries()) {
    const octets = isLast && i === parts.length - 1 ? ipv4Octets(part) : undefined;
    if (octets !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = octets;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/**
 * The text of an IPv6 address as RFC 5952 writes it.
 * @param groups eight numbers from 0 to 65535
 */
export function ipv6Text(groups: readonly number[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.at < 0) return text(groups);
  return `${text(groups.slice(0, best.at))}::${text(groups.slice(best.at + best.length))}`;
}

/** The prefix length of a dotted netmask such as 255.255.255.0; undefined where its ones are not all at the left. */
function maskLength(text: string): number | undefined {
  const bits = ipv4Octets(text)
    ?.map((octet) => octet.toString(2).padStart(8, '0'))
    .join('');
  return bits !== undefined && /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}

/** The prefix length, written as a number or as a netmask; undefined when the text is neither. */
function lengthOf(text: string | undefined, family: Family): number | undefined {
  if (text === undefined) return WIDTH[family];
  if (/^\d{1,3}$/.test(text)) return Number(text);
  return family === 4 ? maskLength(text) : undefined;
}

/**
 * One address or CIDR range, or undefined when the text is neither. Host bits of a range are cleared.
 * @param text such as "192.0.2.1", "192.0.2.0/24", "192.0.2.0/255.255.255.0" or "2001:db8::/64"
 */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', lengthText, ...rest] = text.split('/');
  const family: Family = address.includes(':') ? 6 : 4;
  const units = family === 4 ? ipv4Octets(address) : ipv6Groups(address);
  if (units === undefined || rest.length > 0) return undefined;
  const length = lengthOf(lengthText, family);
  if (length === undefined || length > WIDTH[family]) return undefined;
  const bits = family === 4 ? 8 : 16;
  const masked = units.map((unit, i) => {
    const kept = Math.min(Math.max(length - i * bits, 0), bits);
    return unit & (((1 << kept) - 1) << (bits - kept));
  });
  return { family, length, address: family === 4 ? masked.join('.') : ipv6Text(masked) };
}

/**
 * Reads a guest's `ip`: IPv4 addresses, IPv6 addresses and CIDR ranges, separated by blanks or commas. Duplicates are
 * dropped.
 * @param value the text of `ip` from xenstore or the arguments; empty means none
 * @throws RequestError naming the first entry that is no address
 */
export function parseAddressList(value: string): Prefix[] {
  const seen = new Map<string, Prefix>();
  for (const word of value.split(/[\s,]+/).filter((entry) => entry !== '')) {
    const prefix = parsePrefix(word);
    if (prefix === undefined) {
      throw new RequestError(
        `ip holds ${quote(word)}, which is no address. Give IPv4 or IPv6 addresses, or CIDR ranges, with blanks between.`,
      );
    }
    const meant = isOneWithMask(word, prefix) ? addressOf(word) : prefix;
    seen.set(prefixText(meant), meant);
  }
  return [...seen.values()];
}

/**
 * The words of a guest's `ip` that are one address written with its network's mask (192.0.2.5/24: host bits are set).
 * Such a word means the single address, since the range would also give the guest the addresses of its neighbours and
 * of the gateway.
 * @param value the text of `ip`
 */
export function maskedAddresses(value: string): string[] {
  return value.split(/[\s,]+/).filter((word) => {
    const prefix = parsePrefix(word);
    return prefix !== undefined && isOneWithMask(word, prefix);
  });
}

function isOneWithMask(word: string, range: Prefix): boolean {
  return range.length < WIDTH[range.family] && addressOf(word).address !== range.address;
}

/** The single address before the slash of a word that `parsePrefix` takes. */
function addressOf(word: string): Prefix {
  const text = word.slice(0, word.indexOf('/'));
  return parsePrefix(text) ?? { family: 4, address: text, length: WIDTH[4] };
}

/**
 * "ADDRESS/LENGTH", as `iptables -S` and `ip` print it.
 * @param prefix an address or a range
 */
export function prefixText(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`;
}

/**
 * Whether a range contains another range or an address.
 * @param outer the range
 * @param inner the other range or address; may be equal
 */
export function isWithin(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  return parsePrefix(`${inner.address}/${outer.length}`)?.address === outer.address;
}

/**
 * Why no host can have an address or any address of a range, as words for a message (RFC 6890); undefined where a host
 * can.
 * @param prefix the address or range
 */
export function noHost({ family, address, length }: Prefix): string | undefined {
  if (family === 6) {
    const isWhole = length === WIDTH[6];
    if (isWhole && (address === '::' || address === '::1')) return 'the loopback or no address';
    return /^ff/i.test(address) && length >= 8 ? 'a multicast address' : undefined;
  }
  const [first = 0] = ipv4Octets(address) ?? [];
  if (first === 127 && length >= 8) return 'a loopback address';
  if (first >= 224 && length >= 3) return first < 240 ? 'a multicast address' : 'no address of a host';
  return first === 0 && length >= 8 ? 'no address of a host' : undefined;
}

/**
 * Checks that a guest can have an address.
 * @param word the entry of `ip`, for the message
 * @param prefix the address or range that it means
 * @throws RequestError if no host can have it
 */
export function mustFitHost(word: string, prefix: Prefix): void {
  const kind = noHost(prefix);
  if (kind === undefined) return;
  throw new RequestError(`ip holds ${quote(word)}, which is ${kind}. Give the guest's own addresses.`);
}

/**
 * The IPv6 link-local address that follows from a MAC address (RFC 4291 appendix A), or undefined when the text is no
 * MAC address.
 * @param mac such as "00:16:3e:00:00:01"
 */
export function linkLocal(mac: string): string | undefined {
  const octets = mac.split(':').map((part) => Number.parseInt(part, 16));
  const [a, b, c, d, e, f] = octets;
  if (
    a === undefined ||
    b === undefined ||
    c === undefined ||
    d === undefined ||
    e === undefined ||
    f === undefined
  )
    return undefined;
  const pairs = [
    [a ^ 2, b],
    [c, 0xff],
    [0xfe, d],
    [e, f],
  ];
  return ipv6Text([0xfe80, 0, 0, 0, ...pairs.map(([high = 0, low = 0]) => high * 256 + low)]);
}
