import { linkLocal } from '../../../lib/request/addresses.ts';
import {
  bootp,
  DHCP6,
  extension,
  fragment,
  type Hex,
  icmp6,
  lladdr,
  NDP,
  NONCE,
  neighbour,
  num,
  PROTO,
  PROTO6,
  udp,
  zeros,
} from './packets.ts';
import { rareBorrowed } from './rare.ts';
import { arpFrame, dhcp, type Identity, ipv4Frame, ipv6Frame, message } from './sender.ts';

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
    ...rareBorrowed(self, other),
  };
}

function borrowedLink(self: Identity, other: Identity): Record<string, Hex> {
  return {
    'ARP with another sender address': arpFrame(self, { is: other.v4, asks: '192.0.2.250' }),
    'a forged ARP reply': arpFrame(self, { op: 2, is: other.v4, asks: '192.0.2.250' }),
    "another's gratuitous ARP": arpFrame(self, { is: other.v4 }),
    "an ARP probe for another's address": arpFrame(self, { is: '0.0.0.0', asks: other.v4 }),
    'an ARP reply from no address': arpFrame(self, { op: 2, is: '0.0.0.0', asks: self.v4 }),
    'an ARP reply to another, for yet another': arpFrame(self, {
      op: 2,
      is: '192.0.2.250',
      asks: other.v4,
      target: other.mac,
    }),
    'an ARP request in the name of everybody': arpFrame(self, { is: '255.255.255.255' }),
    'ARP for a link-local address': arpFrame(self, { is: '169.254.1.1' }),
  };
}

function borrowedIpv4(self: Identity, other: Identity): Record<string, Hex> {
  const from = (address: string) => ipv4Frame(self, { from: address, proto: PROTO.tcp }, zeros(20));
  return {
    "another's IPv4 address": from(other.v4),
    'an IPv4 source of nobody': from('203.0.113.9'),
    'a broadcast source': from('255.255.255.255'),
    'a multicast source': from('224.0.0.1'),
    'a loopback source': from('127.0.0.1'),
    'no IPv4 source': from('0.0.0.0'),
    "another's address with options": ipv4Frame(
      self,
      { from: other.v4, proto: PROTO.tcp, options: '83070400000000' + '00' },
      zeros(20),
    ),
    "another's address in a fragment": ipv4Frame(
      self,
      { from: other.v4, proto: PROTO.udp, offset: 16 },
      zeros(20),
    ),
    "another's address in a tiny fragment": ipv4Frame(
      self,
      { from: other.v4, proto: PROTO.udp, more: true },
      zeros(8),
    ),
    "a DHCP release of another's address": dhcp(self, self.v4, self.mac, { is: other.v4 }),
    "a DHCP request from another's address": dhcp(self, other.v4, self.mac),
    "a DHCP request for another's address, from none": dhcp(self, '0.0.0.0', self.mac, { is: other.v4 }),
    "6in4 from another's address": ipv4Frame(self, { from: other.v4, proto: 41 }, zeros(60)),
    "an IGMP report from another's address": ipv4Frame(
      self,
      { from: other.v4, to: '224.0.0.22', proto: PROTO.igmp, options: '94040000' },
      `2200${zeros(6)}`,
    ),
    'an IGMP report from no address, in a fragment': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '224.0.0.22', proto: PROTO.igmp, more: true },
      `2200${zeros(6)}`,
    ),
    'an address nearly its own': from(self.v4.replace(/\d+$/, '128')),
    'a DHCP request to one server, from no address': ipv4Frame(
      self,
      { from: '0.0.0.0', proto: PROTO.udp },
      udp(68, 67, bootp(1, self.mac)),
    ),
  };
}

function borrowedIpv6(self: Identity, other: Identity): Record<string, Hex> {
  const from = (address: string) => ipv6Frame(self, { from: address, next: PROTO.tcp }, zeros(20));
  return {
    "another's IPv6 address": from(other.v6),
    "another's link-local address": from(linkLocal(other.mac) ?? ''),
    'the link-local address of a router': from('fe80::1'),
    'an IPv6 source of nobody': from('2001:db8:ffff::1'),
    'no IPv6 source': from('::'),
    'a multicast IPv6 source': from('ff02::1'),
    'a loopback IPv6 source': from('::1'),
    "another's IPv4 address, mapped": from(`::ffff:${other.v4}`),
    'its own IPv4 address, mapped': from(`::ffff:${self.v4}`),
    "another's IPv4 address, as IPv6": from(`::${other.v4}`),
    "another's IPv4 address by 6to4": from('2002:c000:0202::1'),
    "another's IPv4 address, translated": from(`64:ff9b::${other.v4}`),
    'a link-local address of its own making': from('fe80::1234:5678:9abc:def0'),
    'a site-local address': from('fec0::1'),
    "a report of multicast listening from another's link-local address": ipv6Frame(
      self,
      { from: linkLocal(other.mac) ?? '', to: 'ff02::16', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(143, zeros(4)),
    ),
    "another's IPv6 address behind a routing header": ipv6Frame(
      self,
      { from: other.v6, next: PROTO.routing },
      extension(PROTO.tcp, '000000000000') + zeros(20),
    ),
    'a ping from no address': ipv6Frame(self, { from: '::', next: ICMP6 }, icmp6(128, zeros(4))),
    'an advertisement from no address, of its own': ipv6Frame(
      self,
      { from: '::', next: ICMP6 },
      icmp6(NDP.advert, neighbour(self.v6, lladdr(2, self.mac))),
    ),
    'a DHCPv6 request from no address': ipv6Frame(
      self,
      { from: '::', next: PROTO.udp },
      udp(546, 547, `${num(DHCP6.solicit, 1)}abcdef`),
    ),
    "another's IPv6 address behind options": ipv6Frame(
      self,
      { from: other.v6, next: OPTIONS },
      extension(PROTO.tcp) + zeros(20),
    ),
    "another's IPv6 address in a fragment": ipv6Frame(
      self,
      { from: other.v6, next: PROTO.fragment },
      fragment(PROTO.udp, 64, false) + zeros(20),
    ),
  };
}

function borrowedNdp(self: Identity, other: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const ndp = (from: string, type: number, body: Hex) => message(self, from, type, body);
  const advert = icmp6(NDP.advert, neighbour(other.v6, lladdr(2, self.mac), 0x20000000));
  const own = neighbour(self.v6, '', 0x20000000);
  return {
    "an advertisement of another's address": ipv6Frame(self, { from: self.v6, next: ICMP6 }, advert),
    "an advertisement of another's address, without an option": ndp(self.v6, NDP.advert, neighbour(other.v6)),
    "an advertisement of a router's link-local address": ndp(
      local,
      NDP.advert,
      neighbour('fe80::1', lladdr(2, self.mac)),
    ),
    "another's link-local address, looked for": ndp('::', NDP.solicit, neighbour(linkLocal(other.mac) ?? '')),
    "an advertisement of another's address that nobody asked for": ndp(
      local,
      NDP.advert,
      neighbour(other.v6, lladdr(2, self.mac), 0x20000000),
    ),
    'an advertisement from no address': ndp('::', NDP.advert, own),
    "a solicitation from another's address": ndp(
      other.v6,
      NDP.solicit,
      neighbour(self.v6, lladdr(1, self.mac)),
    ),
    "duplicate address detection of another's address": ndp('::', NDP.solicit, neighbour(other.v6)),
    "secure duplicate address detection of another's address": ndp(
      '::',
      NDP.solicit,
      neighbour(other.v6, `0b02${zeros(14)}`),
    ),
    "duplicate address detection of another's address, with a nonce": ndp(
      '::',
      NDP.solicit,
      neighbour(other.v6, NONCE),
    ),
  };
}
