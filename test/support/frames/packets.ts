import { ipv4Octets, ipv6Groups } from '../../../lib/request/addresses.ts';

/** Bytes as hex digits. */
export type Hex = string;

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
export const TYPE = {
  ip: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ip6: 0x86dd,
  qinq: 0x88a8,
  lldp: 0x88cc,
} as const;
export const PROTO = { hopByHop: 0, icmp: 1, igmp: 2, tcp: 6, udp: 17, routing: 43, fragment: 44 } as const;
export const PROTO6 = { ah: 51, icmp6: 58, none: 59, options: 60 } as const;
export const NDP = {
  solicitRouter: 133,
  advertRouter: 134,
  solicit: 135,
  advert: 136,
  redirect: 137,
} as const;

/** The types of DHCPv6 messages (RFC 8415). */
export const DHCP6 = { solicit: 1, advertise: 2, renew: 5, reply: 7, relay: 12 } as const;

/** A number as bytes. */
export function num(value: number, bytes: number): Hex {
  return value.toString(16).padStart(bytes * 2, '0');
}

export function mac(text: string): Hex {
  return text.replaceAll(':', '');
}

export function ip4(text: string): Hex {
  return (ipv4Octets(text) ?? []).map((octet) => num(octet, 1)).join('');
}

export function ip6(text: string): Hex {
  return (ipv6Groups(text) ?? []).map((group) => num(group, 2)).join('');
}

export function zeros(bytes: number): Hex {
  return '00'.repeat(bytes);
}

/** An Ethernet frame; tags are pairs of ethertype and tag, the outermost first. */
export function ether(
  source: string,
  type: number,
  payload: Hex,
  more: { readonly to?: string; readonly tags?: readonly (readonly [type: number, tag: number])[] } = {},
): Hex {
  const tags = (more.tags ?? []).map(([tpid, tag]) => num(tpid, 2) + num(tag, 2)).join('');
  return mac(more.to ?? BROADCAST) + mac(source) + tags + num(type, 2) + payload;
}

/** A frame with a tag in front of its ethertype. */
export function tagged(frame: Hex, type: number, tag: number): Hex {
  return frame.slice(0, 24) + num(type, 2) + num(tag, 2) + frame.slice(24);
}

/** Puts a tag before what is in each frame, by name. */
export function inTag(
  frames: Readonly<Record<string, Hex>>,
  tag: number,
  type: number = TYPE.vlan,
): Record<string, Hex> {
  return Object.fromEntries(Object.entries(frames).map(([name, frame]) => [name, tagged(frame, type, tag)]));
}

export interface Arp {
  readonly op?: number;
  readonly from: string;
  readonly is: string;
  readonly asks?: string;
  readonly target?: string;
  /** Hardware type, protocol type, and their lengths. */
  readonly head?: Hex;
}

export function arp({
  op = 1,
  from,
  is,
  asks = is,
  target = '00:00:00:00:00:00',
  head = '0001080006' + '04',
}: Arp): Hex {
  return head + num(op, 2) + mac(from) + ip4(is) + mac(target) + ip4(asks);
}

export interface Ipv4 {
  readonly from: string;
  readonly to?: string;
  readonly proto: number;
  /** In bytes. */
  readonly offset?: number;
  readonly more?: boolean;
  /** A multiple of four bytes. */
  readonly options?: Hex;
  readonly version?: number;
  /** What the header says; the truth unless told. */
  readonly length?: number;
}

export function ipv4(head: Ipv4, payload: Hex): Hex {
  const { from, to = '192.0.2.250', proto, offset = 0, more = false, options = '', version = 4 } = head;
  const words = 5 + options.length / 8;
  const length = head.length ?? words * 4 + payload.length / 2;
  const start = `${num(version * 16 + words, 1)}00${num(length, 2)}0001${num((more ? 0x2000 : 0) + offset / 8, 2)}`;
  const bare = `${start}40${num(proto, 1)}0000${ip4(from)}${ip4(to)}${options}`;
  return bare.slice(0, 20) + num(checksum(bare), 2) + bare.slice(24) + payload;
}

export interface Ipv6 {
  readonly from: string;
  readonly to?: string;
  readonly next: number;
  readonly version?: number;
  readonly length?: number;
}

export function ipv6(head: Ipv6, payload: Hex): Hex {
  const { from, to = '2001:db8::250', next, version = 6 } = head;
  const length = num(head.length ?? payload.length / 2, 2);
  return `${num(version * 16, 1)}000000${length}${num(next, 1)}ff${ip6(from)}${ip6(to)}${payload}`;
}

export function udp(from: number, to: number, payload: Hex = zeros(4)): Hex {
  return `${num(from, 2) + num(to, 2) + num(8 + payload.length / 2, 2)}0000${payload}`;
}

export interface Bootp {
  /** The address that the client says it has. */
  readonly is?: string;
  readonly relay?: string;
  /** The card's kind, and the length of its address. */
  readonly head?: Hex;
}

/** A DHCP message: 1 is a client's, 2 a server's. */
export function bootp(op: number, client: string, more: Bootp = {}): Hex {
  const { is = '0.0.0.0', relay = '0.0.0.0', head = '0106' } = more;
  const addresses = ip4(is) + zeros(8) + ip4(relay);
  return `${num(op, 1)}${head}00${zeros(8)}${addresses}${mac(client)}${zeros(10 + 192)}63825363350101ff`;
}

export function icmp(type: number, code = 0): Hex {
  return `${num(type, 1)}${num(code, 1)}${zeros(6)}`;
}

/** An ICMPv6 message with its checksum, for receivers that look. */
export function icmp6(type: number, body: Hex, head?: Pick<Ipv6, 'from' | 'to'>): Hex {
  const bare = `${num(type, 1)}000000${body}`;
  if (head?.to === undefined) return bare;
  const pseudo = ip6(head.from) + ip6(head.to) + num(bare.length / 2, 4) + num(PROTO6.icmp6, 4);
  return `${num(type, 1)}00${num(checksum(pseudo + bare), 2)}${body}`;
}

/** A solicitation or advertisement of a neighbour: what follows the checksum. */
export function neighbour(target: string, options: Hex = '', flags = 0): Hex {
  return num(flags, 4) + ip6(target) + options;
}

/** An option of neighbour discovery with a MAC address: 1 is the source's, 2 the target's. */
export function lladdr(type: 1 | 2, address: string): Hex {
  return `${num(type, 1)}01${mac(address)}`;
}

export const NONCE: Hex = '0e01a1a2a3a4a5a6';

/** An extension header of eight bytes or more. */
export function extension(next: number, body: Hex = '010400000000'): Hex {
  return num(next, 1) + num((body.length / 2 + 2) / 8 - 1, 1) + body;
}

export function fragment(next: number, offset: number, more: boolean): Hex {
  return `${num(next, 1)}00${num(offset + (more ? 1 : 0), 2)}00000001`;
}

/** RFC 1071. */
function checksum(bytes: Hex): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4)
    sum += Number.parseInt(bytes.slice(at, at + 4).padEnd(4, '0'), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
