import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import { ipv4Octets, ipv6Groups, mustFitHost, type Prefix, parsePrefix } from './addresses.ts';

/** The addresses at both ends of a link that vif-nat makes. */
export interface NatAddresses {
  /** The guest's IPv4 address. */
  readonly guest: string;
  /** dom0's IPv4 address on the vif, which is the guest's gateway. */
  readonly router: string;
  /** The guest's further addresses, and the IPv6 ranges that are routed to it. */
  readonly others: readonly Prefix[];
}

/** The prefix length of an address that is given without one: no subnet is known. */
const HOST_LENGTH = 32;
/** dom0's address is the guest's plus this. */
const ROUTER_DISTANCE = 127;

/**
 * The addresses of a NIC behind vif-nat (docs/contract.md, "vif-nat online").
 *
 * The first IPv4 address of the list is the guest's; its prefix only tells the size of the subnet. The further IPv4
 * addresses are single addresses too. An IPv6 entry is a single address unless it has a prefix and no host bits are
 * set: then it is a range that is routed to the guest. Without any IPv4 address the guest gets
 * 10.(domid/256).(domid%256).(handle+1)/16.
 * @param value the text of `ip`
 * @param domid the guest's domain id
 * @param handle the number of its NIC
 * @throws RequestError naming the first entry that no guest can have
 */
export function natAddresses(value: string, domid: number, handle: number): NatAddresses {
  const words = [...new Set(value.split(/[\s,]+/).filter((word) => word !== ''))];
  const four = words.filter((word) => !word.includes(':')).map(parseGuest);
  const six = words.filter((word) => word.includes(':')).map(parseSix);
  const [first = parseGuest(automatic(domid, handle)), ...more] = four;
  const router = routerOf(first.address, first.length);
  const further = [...new Set(more.map(({ address }) => address))].filter((each) => each !== first.address);
  if (further.includes(router))
    throw new RequestError(
      `ip holds ${router}, which is dom0's own address on the way to ${first.address}. Give the guest another one.`,
    );
  const others = [...further.map((address): Prefix => ({ family: 4, address, length: 32 })), ...six];
  return { guest: first.address, router, others };
}

function automatic(domid: number, handle: number): string {
  return `10.${Math.floor(domid / 256)}.${domid % 256}.${handle + 1}/16`;
}

function parseGuest(word: string): { readonly address: string; readonly length: number } {
  const [address = '', ...rest] = word.split('/');
  const prefix = parsePrefix(word);
  const number = numberOf(address);
  if (prefix === undefined || number === undefined) {
    throw new RequestError(
      `ip holds ${quote(word)}, which is no address. Give the guest's address, or ADDRESS/LENGTH to size its subnet.`,
    );
  }
  mustFitHost(word, parsePrefix(address) ?? prefix);
  const length = rest.length === 0 ? HOST_LENGTH : prefix.length;
  const [lowest, highest] = boundsOf(number, length);
  if (length < 31 && (number === lowest || number === highest)) {
    throw new RequestError(
      `ip holds ${quote(word)}, which is the ${number === lowest ? "network's own" : 'broadcast'} address of that subnet. ` +
        'Give an address between the two.',
    );
  }
  return { address, length };
}

function parseSix(word: string): Prefix {
  const [address = ''] = word.split('/');
  const range = parsePrefix(word);
  if (range === undefined) {
    throw new RequestError(`ip holds ${quote(word)}, which is no address. Give IPv4 or IPv6 addresses.`);
  }
  mustFitHost(word, range);
  const single = parsePrefix(address);
  const isRange = ipv6Groups(range.address)?.join() === ipv6Groups(address)?.join();
  return isRange || single === undefined ? range : single;
}

/**
 * dom0's address on the link to a guest: the guest's address plus 127 (10.0.0.1 → 10.0.0.128). The sum wraps round
 * within the usable addresses of the guest's subnet. Where that subnet is larger than a /24, or unknown, it wraps
 * within the /24: the addresses that end in 1 to 254. So the result stays in the subnet and is never the guest's, the
 * network's or the broadcast address. In a /31 it is the other address (RFC 3021).
 * @param guest the guest's IPv4 address
 * @param length its prefix length, 0-32; 32 means that no subnet is known
 */
export function routerOf(guest: string, length: number): string {
  const number = numberOf(guest) ?? 0;
  const [lowest, highest] = boundsOf(number, length === HOST_LENGTH ? 24 : Math.max(length, 24));
  if (length === 31) return textOf(number === lowest ? highest : lowest);
  const first = lowest + 1;
  const usable = highest - first;
  return textOf(first + ((number - first + ROUTER_DISTANCE) % usable));
}

function numberOf(address: string): number | undefined {
  const octets = ipv4Octets(address);
  return octets?.reduce((sum, octet) => sum * 256 + octet, 0);
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** The first and the last address of the subnet that holds an address. */
function boundsOf(number: number, length: number): [lowest: number, highest: number] {
  const size = 2 ** (32 - length);
  const lowest = Math.floor(number / size) * size;
  return [lowest, lowest + size - 1];
}
