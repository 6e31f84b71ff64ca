import { ipv4Octets } from '../../request/addresses.ts';

/**
 * Xen's own prefix, and how many addresses its tools choose from: the first bit of the fourth byte is always 0 (libxl).
 */
export const XEN_PREFIX = '00:16:3e';
export const XEN_ADDRESSES = 2 ** 23;

/** The formula's default for the two bytes before an address. */
export const FORMULA_PREFIX = '02:00';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/**
 * A MAC address in lower case.
 * @param text the address as somebody wrote it, with ":" between the bytes
 * @returns undefined where the text is no MAC address
 */
export function parseMac(text: string): string | undefined {
  return MAC.test(text) ? text.toLowerCase() : undefined;
}

/**
 * The MAC address that the formula makes from an IPv4 address: two bytes, then the address in hexadecimal digits. The
 * second digit of the two bytes is 2, 6, A or E, which marks addresses that no maker has assigned (IEEE 802: locally
 * administered, no group).
 * @param address such as 192.0.2.17
 * @param prefix the two bytes, such as 02:00
 * @returns undefined where the address or the prefix is malformed
 */
export function formulaMac(address: string, prefix: string): string | undefined {
  const octets = ipv4Octets(address);
  if (octets === undefined || !/^[0-9a-f][26ae]:[0-9a-f]{2}$/i.test(prefix)) return undefined;
  return [prefix.toLowerCase(), ...octets.map(hex)].join(':');
}

/**
 * An address with Xen's prefix.
 * @param bytes three random bytes
 */
export function xenMac([first = 0, ...rest]: readonly number[]): string {
  return [XEN_PREFIX, hex(first & 0x7f), ...rest.slice(0, 2).map(hex)].join(':');
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** A fault of an address, and whether it rules the address out for any card. */
export interface MacFault {
  readonly text: string;
  readonly isMild: boolean;
}

/**
 * Why an address does not suit a guest's card.
 * @param text the address as it is written
 * @returns undefined where it suits
 */
export function macFault(text: string): MacFault | undefined {
  const mac = parseMac(text);
  if (mac === undefined)
    return { text: 'is no MAC address; write six bytes such as 00:16:3e:00:00:01', isMild: false };
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if (mac === '00:00:00:00:00:00') return { text: 'is no address of a card', isMild: false };
  if ((first & 1) !== 0)
    return {
      text: 'is an address of a group (the second digit is odd), which no card can have',
      isMild: false,
    };
  if (mac === 'fe:ff:ff:ff:ff:ff')
    return { text: "is what the host's ends of all guests' cards have", isMild: false };
  if ((first & 2) === 0 && !mac.startsWith(`${XEN_PREFIX}:`))
    return {
      text: `lies in a maker's range; take one of ${XEN_PREFIX}, or one whose second digit is 2, 6, A or E`,
      isMild: true,
    };
  return undefined;
}

/**
 * The probability that two or more of the addresses are equal when they are drawn at random.
 * @param count how many are drawn
 * @param size from how many
 */
export function collisionProbability(count: number, size: number): number {
  if (count > size) return 1;
  let allDiffer = 0;
  // A sum of logarithms, since a product would lose small probabilities to rounding.
  for (let i = 1; i < count; i++) allDiffer += Math.log1p(-i / size);
  return -Math.expm1(allDiffer);
}
