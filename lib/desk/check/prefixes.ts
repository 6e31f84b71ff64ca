import { ipv4Octets, ipv6Groups, type Prefix } from '../../request/addresses.ts';

/**
 * Whether an address is in a range of its own family.
 * @param range the range, or a single address
 * @param address without a prefix length
 */
export function covers({ family, address: start, length }: Prefix, address: string): boolean {
  const [from, given] = [bitsOf(family, start), bitsOf(family, address)];
  return from !== undefined && given !== undefined && from.slice(0, length) === given.slice(0, length);
}

function bitsOf(family: 4 | 6, address: string): string | undefined {
  const [units, width] = family === 4 ? [ipv4Octets(address), 8] : [ipv6Groups(address), 16];
  return units?.map((unit) => unit.toString(2).padStart(width, '0')).join('');
}
