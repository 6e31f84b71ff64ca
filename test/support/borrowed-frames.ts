import { linkLocal } from '../../lib/contract/addresses.ts';
import {
  arp,
  bootp,
  ether,
  extension,
  fragment,
  type Hex,
  icmp6,
  ipv4,
  ipv6,
  lladdr,
  NDP,
  NONCE,
  neighbour,
  PROTO,
  PROTO6,
  TYPE,
  udp,
  zeros,
} from './packets.ts';

import { type Identity, message } from './strict-frames.ts';

const ICMP6 = PROTO6.icmp6;
const OPTIONS = PROTO6.options;

/**
 * What a guest sends from, or claims for, addresses that are not its own, by name.
 * @param self the guest
 * @param other whom it would like to be
 */
export function borrowedFrames(self: Identity, other: Identity): Record<string, Hex> {
  return {
    ...borrowedLink(self, other),
    ...borrowedIpv4(self, other),
    ...borrowedIpv6(self, other),
    ...borrowedNdp(self, other),
  };
}

function borrowedLink(self: Identity, other: Identity): Record<string, Hex> {
  const _own = ipv4({ from: self.v4, proto: PROTO.tcp }, zeros(20));
  const _head = (text: Hex) => ether(self.mac, TYPE.arp, arp({ from: self.mac, is: self.v4, head: text }));
  return {
    'ARP with another sender address': ether(
      self.mac,
      TYPE.arp,
      arp({ from: self.mac, is: other.v4, asks: '192.0.2.250' }),
    ),
    'a forged ARP reply': ether(
      self.mac,
      TYPE.arp,
      arp({ op: 2, from: self.mac, is: other.v4, asks: '192.0.2.250' }),
    ),
    "another's gratuitous ARP": ether(self.mac, TYPE.arp, arp({ from: self.mac, is: other.v4 })),
    "an ARP probe for another's address": ether(
      self.mac,
      TYPE.arp,
      arp({ from: self.mac, is: '0.0.0.0', asks: other.v4 }),
    ),
    'ARP for a link-local address': ether(self.mac, TYPE.arp, arp({ from: self.mac, is: '169.254.1.1' })),
  };
}

function borrowedIpv4(self: Identity, other: Identity): Record<string, Hex> {
  const frame = (payload: Hex) => ether(self.mac, TYPE.ip, payload);
  const from = (address: string) => frame(ipv4({ from: address, proto: PROTO.tcp }, zeros(20)));
  const _own = (
    proto: number,
    payload: Hex,
    more: { options?: Hex; more?: boolean; offset?: number; version?: number; length?: number } = {},
  ) => frame(ipv4({ from: self.v4, proto, ...more }, payload));
  return {
    "another's IPv4 address": from(other.v4),
    'an IPv4 source of nobody': from('203.0.113.9'),
    'a broadcast source': from('255.255.255.255'),
    'a multicast source': from('224.0.0.1'),
    'a loopback source': from('127.0.0.1'),
    'no IPv4 source': from('0.0.0.0'),
    "another's address with options": frame(
      ipv4({ from: other.v4, proto: PROTO.tcp, options: '83070400000000' + '00' }, zeros(20)),
    ),
    "another's address in a fragment": frame(
      ipv4({ from: other.v4, proto: PROTO.udp, offset: 16 }, zeros(20)),
    ),
    "another's address in a tiny fragment": frame(
      ipv4({ from: other.v4, proto: PROTO.udp, more: true }, zeros(8)),
    ),
    'a DHCP request to one server, from no address': frame(
      ipv4({ from: '0.0.0.0', proto: PROTO.udp }, udp(68, 67, bootp(1, self.mac))),
    ),
  };
}

function borrowedIpv6(self: Identity, other: Identity): Record<string, Hex> {
  const frame = (payload: Hex) => ether(self.mac, TYPE.ip6, payload);
  const from = (address: string) => frame(ipv6({ from: address, next: PROTO.tcp }, zeros(20)));
  const _own = (next: number, payload: Hex, more: { version?: number; length?: number } = {}) =>
    frame(ipv6({ from: self.v6, next, ...more }, payload));
  const _server = udp(547, 546, zeros(16));
  return {
    "another's IPv6 address": from(other.v6),
    "another's link-local address": from(linkLocal(other.mac) ?? ''),
    'the link-local address of a router': from('fe80::1'),
    'an IPv6 source of nobody': from('2001:db8:ffff::1'),
    'no IPv6 source': from('::'),
    'a multicast IPv6 source': from('ff02::1'),
    'a loopback IPv6 source': from('::1'),
    "another's IPv4 address, mapped": from(`::ffff:${other.v4}`),
    "another's IPv6 address behind options": frame(
      ipv6({ from: other.v6, next: OPTIONS }, extension(PROTO.tcp) + zeros(20)),
    ),
    "another's IPv6 address in a fragment": frame(
      ipv6({ from: other.v6, next: PROTO.fragment }, fragment(PROTO.udp, 64, false) + zeros(20)),
    ),
  };
}

function borrowedNdp(self: Identity, other: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const ndp = (from: string, type: number, body: Hex) => message(self, from, type, body);
  const advert = icmp6(NDP.advert, neighbour(other.v6, lladdr(2, self.mac), 0x20000000));
  const _router = icmp6(NDP.advertRouter, `40000708${zeros(8)}`);
  const _hidden = (next: number, payload: Hex) =>
    ether(self.mac, TYPE.ip6, ipv6({ from: self.v6, next }, payload));
  const own = neighbour(self.v6, '', 0x20000000);
  return {
    "an advertisement of another's address": ether(
      self.mac,
      TYPE.ip6,
      ipv6({ from: self.v6, next: ICMP6 }, advert),
    ),
    "an advertisement of another's address, without an option": ndp(self.v6, NDP.advert, neighbour(other.v6)),
    "an advertisement of a router's link-local address": ndp(
      local,
      NDP.advert,
      neighbour('fe80::1', lladdr(2, self.mac)),
    ),
    'an advertisement from no address': ndp('::', NDP.advert, own),
    "a solicitation from another's address": ndp(
      other.v6,
      NDP.solicit,
      neighbour(self.v6, lladdr(1, self.mac)),
    ),
    "duplicate address detection of another's address": ndp('::', NDP.solicit, neighbour(other.v6)),
    "duplicate address detection of another's address, with a nonce": ndp(
      '::',
      NDP.solicit,
      neighbour(other.v6, NONCE),
    ),
  };
}
