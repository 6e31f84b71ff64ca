import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import { ipv4Octets, type Prefix, parsePrefix } from './addresses.ts';
import type { Values } from './arguments.ts';
import { deviceName } from './names.ts';

export type DhcpServer = 'dhcpd' | 'dnsmasq';

/** What dhcp= asks for: a certain server, any server that is installed, none; "unsaid" where dhcp= is not set. */
export type DhcpWish = DhcpServer | 'any' | 'none' | 'unsaid';

/** The DHCP entry of one guest: the address that the server gives it. */
export interface Lease {
  /** The guest's host name, also the name of its entry: dom1, or dom1-2 for its second card. */
  readonly name: string;
  /** The guest's MAC address. */
  readonly mac: string;
  /** The guest's address and its gateway, both IPv4 without a prefix length. */
  readonly address: string;
  readonly router: string;
  /** The guest's device in dom0. */
  readonly device: string;
}

/** The part of resolv.conf(5) that guests can use too. */
export interface Resolver {
  readonly domain: string | undefined;
  /** IPv4 addresses; none from 127.0.0.0/8. */
  readonly servers: readonly string[];
}

/**
 * The subnet that network-nat declares, and from which vif-nat takes addresses (docs/contract.md, "network-nat" and
 * "vif-nat online").
 */
export const NAT_SUBNET: Prefix = { family: 4, address: '10.0.0.0', length: 16 };

/**
 * Reads the variable dhcp.
 * @param values the variables
 * @throws RequestError when the value is neither yes, no nor a known server
 */
export function parseDhcpWish(values: Values): DhcpWish {
  const value = values['dhcp']?.toLowerCase();
  if (value === undefined) return 'unsaid';
  if (value === 'dhcpd' || value === 'dnsmasq') return value;
  if (['yes', 'on', 'true', '1'].includes(value)) return 'any';
  if (['no', 'off', 'false', '0'].includes(value)) return 'none';
  throw new RequestError(`dhcp is ${quote(value)}; say yes, no, dhcpd or dnsmasq.`);
}

/**
 * The name of a guest's DHCP entry, as in the stock scripts.
 * @param domid the guest's domain id
 * @param devid the number of its card
 */
export function guestName(domid: number, devid: number): string {
  return devid === 0 ? `dom${domid}` : `dom${domid}-${devid + 1}`;
}

const DOMAIN =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$/;

/**
 * Reads domain and name servers from resolv.conf(5); the last of its domain and search lines counts. Words that are no
 * domain name and no address are left out, because a DHCP client may have written there what a stranger sent it.
 * @param text the file's content
 */
export function parseResolver(text: string): Resolver {
  let domain: string | undefined;
  const servers: string[] = [];
  for (const line of text.split('\n')) {
    const [key, value = ''] = line.trim().split(/\s+/);
    if ((key === 'domain' || key === 'search') && DOMAIN.test(value)) domain = value;
    const octets = key === 'nameserver' ? ipv4Octets(value) : undefined;
    if (octets !== undefined && octets[0] !== 127 && value !== '0.0.0.0') servers.push(value);
  }
  return { domain, servers: [...new Set(servers)].slice(0, 3) };
}

/**
 * Checks that every value of a lease has the right form, since each goes into the DHCP server's configuration.
 * @param lease the values from xenstore and the hook
 * @returns the same lease
 * @throws RequestError naming the value that has the wrong form
 */
export function checkLease(lease: Lease): Lease {
  const { name, mac, address, router, device } = lease;
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac))
    throw new RequestError(
      `The MAC address of ${name} is ${quote(mac)}, which is none, so no DHCP entry can be made.`,
    );
  if (!/^[A-Za-z0-9-]{1,63}$/.test(name)) throw new RequestError(`${quote(name)} is no host name for DHCP.`);
  for (const value of [address, router]) {
    if (ipv4Octets(value) === undefined)
      throw new RequestError(`${quote(value)} is no IPv4 address, so ${name} can have no DHCP entry.`);
  }
  deviceName(device, 'the device');
  return lease;
}

/**
 * The subnet of a guest: the one that network-nat declares where guest and gateway are in it, otherwise the smallest
 * subnet that holds both and in which neither is the network or the broadcast address.
 * @param lease the guest's address and its gateway
 */
export function leaseSubnet({ address, router }: Pick<Lease, 'address' | 'router'>): Prefix {
  if (isInside(address, NAT_SUBNET) && isInside(router, NAT_SUBNET)) return NAT_SUBNET;
  const ends = [number(address), number(router)];
  for (let length = 30; length > 0; length--) {
    const size = 2 ** (32 - length);
    const [base = 0, other] = ends.map((end) => Math.floor(end / size));
    if (base === other && ends.every((end) => end !== base * size && end !== base * size + size - 1))
      return subnetOf(address, length);
  }
  return subnetOf(address, 0);
}

/**
 * The subnet that an address is in.
 * @param address IPv4
 * @param length the subnet's prefix length, 0-32
 */
export function subnetOf(address: string, length: number): Prefix {
  return parsePrefix(`${address}/${length}`) ?? { family: 4, address, length };
}

/**
 * A prefix length as a dotted netmask.
 * @param length 0-32
 */
export function netmask(length: number): string {
  return dotted(length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);
}

/**
 * Whether an address is inside a range.
 * @param address IPv4
 * @param range IPv4
 */
export function isInside(address: string, range: Prefix): boolean {
  return subnetOf(address, range.length).address === range.address;
}

const MOST_LEASES = 1024;

/**
 * The range of addresses that the DHCP server hands out: the upper half of the subnet, 1024 at most. The lower half
 * stays free for machines with fixed addresses. The network, the broadcast and the bridge's address are never in it.
 * @param own the bridge's address, IPv4
 * @param length the subnet's prefix length, at most 30
 * @returns first and last address
 */
export function leaseRange(own: string, length: number): readonly [first: string, last: string] {
  const base = number(subnetOf(own, length).address);
  const size = 2 ** (32 - length);
  const [half, top] = [base + size / 2, base + size - 2];
  const bridge = number(own);
  const low = Math.max(half, top - MOST_LEASES + 1);
  // Where the bridge's address splits the range, take the larger part, below or above it.
  if (bridge < low || bridge > top) return [dotted(low), dotted(top)];
  return bridge - low > top - bridge ? [dotted(low), dotted(bridge - 1)] : spare(bridge, base, top);
}

function spare(bridge: number, base: number, top: number): readonly [string, string] {
  return bridge < top ? [dotted(bridge + 1), dotted(top)] : [dotted(base + 1), dotted(bridge - 1)];
}

function number(address: string): number {
  return (ipv4Octets(address) ?? []).reduce((sum, octet) => sum * 256 + octet, 0);
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join('.');
}
