// Ranges without the kernel's sets of ranges. To take a range out of one of these the kernel goes through all others, and
// a hash set takes no longer with thousands of guests than with one.

import { ipv4Octets, ipv6Groups, ipv6Text, parsePrefix } from './addresses.ts';

/**
 * How ranges of a field are split into blocks. A block has one of a few lengths, so that a packet is looked up once for
 * each of them, and is one number: its first address with the first bit behind the prefix set. 10.0.0.0/24 is 10.0.0.128.
 * No two blocks have the same number, whatever their lengths.
 */
export interface BlockKind {
  /** The field's length in bits. */
  readonly width: number;
  /** The prefixes' lengths, in the order in which they are looked up: the usual ones first. */
  readonly lengths: readonly number[];
  /** A number in the notation of the rules and elements. */
  readonly text: (value: bigint) => string;
}

/** A range has at most 16 blocks, and one of whole octets is one. */
const LENGTHS_4 = [24, 28, 16, 20, 31, 12, 8, 4] as const;
/** A range has at most 128 blocks, and one of whole hexadecimal digits from 32 to 64 is one. */
const LENGTHS_6 = [
  ...[64, 56, 48, 60, 52, 44, 40, 36, 32, 127, 124, 120, 112, 104, 96, 88, 80, 72],
  ...[24, 16, 8, 4],
] as const;

const hex = (digits: number) => (value: bigint) => `0x${value.toString(16).padStart(digits, '0')}`;

/** IPv4 addresses. */
export const BLOCKS_4: BlockKind = {
  width: 32,
  lengths: LENGTHS_4,
  text: (value) => [24, 16, 8, 0].map((bits) => (Number(value) >>> bits) & 255).join('.'),
};

/** IPv4 addresses as DHCP carries them. */
export const LEASE_BLOCKS: BlockKind = { width: 32, lengths: LENGTHS_4, text: hex(8) };

/** IPv6 addresses. */
export const BLOCKS_6: BlockKind = {
  width: 128,
  lengths: LENGTHS_6,
  text: (value) =>
    ipv6Text(Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - i * 16)) & 0xffffn))),
};

/** IPv6 addresses as targets of neighbour discovery. */
export const TARGET_BLOCKS: BlockKind = { width: 128, lengths: LENGTHS_6, text: hex(32) };

/** Numbers of VLANs; single ones at the ends of a range are no blocks. */
export const VLAN_BLOCKS: BlockKind = { width: 12, lengths: [8, 4], text: String };

/**
 * What makes a field of a packet the number of the block that it is in, for each length of a prefix.
 * @param kind the field
 * @returns such as `& 255.255.255.0 | 0.0.0.128`, to stand behind the field in a rule
 */
export function blockMasks({ width, lengths, text }: BlockKind): string[] {
  return lengths.map((length) => {
    const ones = (1n << BigInt(width)) - (1n << BigInt(width - length));
    return `& ${text(ones)} | ${text(1n << BigInt(width - length - 1))}`;
  });
}

/** The blocks of a range, and the single values at its ends that are in none. */
export interface Blocks {
  readonly blocks: readonly string[];
  readonly singles: readonly string[];
}

/**
 * Splits a range into the largest blocks.
 * @param kind the field
 * @param from the range's first value
 * @param to its last one
 */
export function blocksOf({ width, lengths, text }: BlockKind, from: bigint, to: bigint): Blocks {
  const sizes = [...lengths].sort((a, b) => a - b).map((length) => 1n << BigInt(width - length));
  const [blocks, singles]: [string[], string[]] = [[], []];
  for (let at = from; at <= to; ) {
    const size = sizes.find((each) => at % each === 0n && at + each - 1n <= to);
    if (size === undefined) singles.push(text(at));
    else blocks.push(text(at | (size >> 1n)));
    at += size ?? 1n;
  }
  return { blocks, singles };
}

/**
 * The first and the last value of a range.
 * @param value `10.0.0.0/24`, `2001:db8::/64`, `0x0a000000-0x0a0000ff`, `100-200` or one number
 * @throws SyntaxError for another text
 */
export function boundsOf(value: string): readonly [from: bigint, to: bigint] {
  const prefix = /[.:]/.test(value) ? parsePrefix(value) : undefined;
  if (prefix === undefined) {
    const [from = '', to = from] = value.split('-');
    return [BigInt(from), BigInt(to)];
  }
  const { family, address, length } = prefix;
  const units = (family === 4 ? ipv4Octets(address) : ipv6Groups(address)) ?? [];
  const bits = family === 4 ? 8n : 16n;
  const from = units.reduce((sum, unit) => (sum << bits) | BigInt(unit), 0n);
  return [from, from | ((1n << BigInt((family === 4 ? 32 : 128) - length)) - 1n)];
}
