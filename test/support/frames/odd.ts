import { linkLocal } from '../../../lib/request/addresses.ts';
import {
  arp,
  bootp,
  DHCP6,
  ether,
  extension,
  fragment,
  type Hex,
  icmp,
  icmp6,
  ipv4,
  ipv6,
  lladdr,
  NDP,
  neighbour,
  num,
  PROTO,
  PROTO6,
  TYPE,
  udp,
  zeros,
} from './packets.ts';
import { arpFrame, dhcp, type Identity, ipv4Frame, ipv6Frame, message } from './sender.ts';

const { icmp6: ICMP6, options: OPTIONS } = PROTO6;

/**
 * Further frames that no guest may send, by name: frames that other protocols wrap, that are shorter or longer than they
 * say, and servers and routers in disguise.
 * @param self the guest
 * @param other whom it would like to be
 */
export function oddFrames(self: Identity, other: Identity): Record<string, Hex> {
  return { ...oddLink(self, other), ...oddArp(self), ...oddIpv4(self, other), ...oddIpv6(self, other) };
}

function oddLink(self: Identity, other: Identity): Record<string, Hex> {
  const spoofed = ipv4({ from: other.v4, proto: PROTO.tcp }, zeros(20));
  const wrapped = (type: number, payload: Hex, to?: string) =>
    ether(self.mac, type, payload, to === undefined ? {} : { to });
  const tagged = (...tags: (readonly [number, number])[]) => ether(self.mac, TYPE.ip, spoofed, { tags });
  const llc = (head: Hex, payload: Hex) => wrapped((head.length + payload.length) / 2, head + payload);
  return {
    'a forged packet with a priority tag': tagged([TYPE.vlan, 0xe000]),
    'a forged packet with a provider priority tag': tagged([TYPE.qinq, 0xe000]),
    'a forged packet with two tags': tagged([TYPE.qinq, 5], [TYPE.vlan, 6]),
    'a forged packet with two priority tags': tagged([TYPE.vlan, 0], [TYPE.vlan, 0]),
    'a forged packet with three tags': tagged([TYPE.qinq, 0], [TYPE.qinq, 0], [TYPE.vlan, 0]),
    'forged ARP with two tags': ether(self.mac, TYPE.arp, arp({ from: other.mac, is: other.v4 }), {
      tags: [
        [TYPE.qinq, 0],
        [TYPE.vlan, 0],
      ],
    }),
    'forged IPv4 by SNAP': llc('aaaa030000000800', spoofed),
    'forged ARP by SNAP': llc('aaaa030000000806', arp({ from: other.mac, is: other.v4 })),
    'forged IPv4 by LLC': llc('060603', spoofed),
    'NetBIOS by LLC': llc('f0f003', zeros(40)),
    'forged MPLS': wrapped(0x8847, `00001140${spoofed}`),
    'forged PPPoE': wrapped(0x8864, `11000001${num(spoofed.length / 2 + 2, 2)}0021${spoofed}`),
    'EAPOL to everybody': wrapped(0x888e, '01010000'),
    'EAPOL to the bridge': wrapped(0x888e, '01010000', '01:80:c2:00:00:03'),
    'a pause frame': wrapped(0x8808, `0001ffff${zeros(42)}`, '01:80:c2:00:00:01'),
    'LACP to the bridge': wrapped(0x8809, `0101${zeros(108)}`, '01:80:c2:00:00:02'),
    'a frame that asks to be sent on': wrapped(0x9000, `00000200${mac6(other.mac)}${zeros(30)}`),
    'a wake-up': wrapped(0x0842, `ffffffffffff${mac6(other.mac).repeat(16)}`),
    'media redundancy': wrapped(0x88e3, zeros(40), '01:15:4e:00:00:01'),
    'a time server': wrapped(0x88f7, `0b02${zeros(62)}`),
    'VLAN registration': wrapped(39, `424203${zeros(36)}`, '01:80:c2:00:00:21'),
    "Cisco's spanning tree": llc(`aaaa0300000c010b`, zeros(40)),
    "the bridge's own MAC address": ether('02:00:00:00:00:01', TYPE.ip, spoofed),
    "another's MAC address, to nobody": ether(other.mac, TYPE.ip, spoofed, { to: '02:11:22:33:44:55' }),
    'ARP that says it is IPv4': wrapped(TYPE.ip, arp({ from: self.mac, is: self.v4 })),
    'IPv4 that says it is ARP': wrapped(TYPE.arp, ipv4({ from: self.v4, proto: PROTO.tcp }, zeros(20))),
    'a long frame of another': ether(other.mac, TYPE.ip, ipv4({ from: self.v4, proto: 253 }, zeros(1460))),
    'an ethertype alone': wrapped(TYPE.arp, ''),
  };
}

const mac6 = (text: string): Hex => text.replaceAll(':', '');

function oddArp(self: Identity): Record<string, Hex> {
  const own = (op: number) => arpFrame(self, { op, is: self.v4 });
  const cut = (bytes: number) =>
    ether(self.mac, TYPE.arp, arp({ from: self.mac, is: self.v4 }).slice(0, bytes * 2));
  const head = (text: Hex) => arpFrame(self, { is: self.v4, head: text });
  return {
    'ARP that neither asks nor answers': own(0),
    'reverse ARP as ARP': own(3),
    'a reverse ARP reply as ARP': own(4),
    'inverse ARP': own(8),
    'ARP of a great number': own(0x0100),
    'ARP that ends before its header does': cut(6),
    'ARP that ends before its sender': cut(8),
    "ARP that ends in its sender's MAC address": cut(12),
    'ARP with no addresses': head('000108000000'),
    'ARP of no hardware': head('000008000604'),
    'ARP for IPv6': head('000186dd0610'),
    'ARP over IEEE 1394': head('001808000604'),
  };
}

function oddIpv4(self: Identity, other: Identity): Record<string, Hex> {
  const frame = (payload: Hex) => ether(self.mac, TYPE.ip, payload);
  const own = (payload: Hex, more: { to?: string; more?: boolean; options?: Hex } = {}) =>
    ipv4Frame(self, { from: self.v4, proto: PROTO.udp, ...more }, payload);
  const offer = bootp(2, other.mac, { is: self.v4 });
  const request = dhcp(self, '0.0.0.0', self.mac);
  /** The packet's first byte: its version, and its header's length in words. */
  const start = (byte: Hex) =>
    frame(byte + ipv4({ from: self.v4, proto: PROTO.udp }, udp(67, 68, offer)).slice(2));
  return {
    'a DHCP server that answers one card': ipv4Frame(
      self,
      { from: self.v4, to: other.v4, proto: PROTO.udp },
      udp(67, 68, offer),
      { to: other.mac },
    ),
    'a DHCP server that answers a relay': own(udp(67, 67, offer)),
    'a DHCP server in two pieces': own(udp(67, 68, offer).slice(0, 48), { more: true }),
    'a DHCP server behind a router alert': own(udp(67, 68, offer), { options: '94040000' }),
    'a DHCP server without an address': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '255.255.255.255', proto: PROTO.udp },
      udp(67, 68, offer),
    ),
    'a DHCP server that says it is a client': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '255.255.255.255', proto: PROTO.udp },
      udp(68, 67, offer),
    ),
    'a DHCP relay': dhcp(self, self.v4, self.mac, { relay: self.v4 }),
    'a DHCP request of another kind of card': dhcp(self, '0.0.0.0', self.mac, { head: '2006' }),
    'a DHCP request with a short card address': dhcp(self, '0.0.0.0', self.mac, { head: '0100' }),
    'a DHCP request with a long card address': dhcp(self, '0.0.0.0', self.mac, { head: '0110' }),
    'a DHCP request that ends before the card': request.slice(0, (14 + 20 + 8 + 28) * 2),
    'a DHCP request that ends in the card': own(udp(68, 67, bootp(1, self.mac).slice(0, 62))),
    'a header of four words': start('44'),
    'a header of no words': start('40'),
    'a header that is longer than the packet': frame(
      `4f${ipv4({ from: self.v4, proto: PROTO.icmp }, icmp(5)).slice(2)}`,
    ),
    'IPv4 of version 0': start('05'),
    'IPv4 that says it is shorter than its header': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp, length: 12 },
      udp(67, 68, offer),
    ),
    'a redirect behind a record of its route': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.icmp, options: '0707040000000000' },
      icmp(5, 1),
    ),
    'UDP with half a header': own('00430044', { more: true }),
  };
}

function oddIpv6(self: Identity, other: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const own = (next: number, payload: Hex, more: { length?: number } = {}) =>
    ipv6Frame(self, { from: self.v6, next, ...more }, payload);
  const router = icmp6(NDP.advertRouter, `40000708${zeros(8)}`);
  const redirect = icmp6(NDP.redirect, zeros(36));
  const query = icmp6(130, zeros(20));
  const foreign = icmp6(NDP.advert, neighbour(other.v6, lladdr(2, other.mac), 0x20000000));
  const server = (type: number) => udp(547, 547, `${num(type, 1)}abcdef${zeros(12)}`);
  const reply = udp(547, 546, `${num(DHCP6.reply, 1)}abcdef`);
  const routing = extension(ICMP6, '000000000000');
  const twice = (options: Hex) => message(self, self.v6, NDP.advert, neighbour(self.v6, options));
  const jumbo = (payload: Hex) =>
    own(PROTO.hopByHop, `${extension(ICMP6, 'c20400000400')}${payload}`, { length: 0 });
  return {
    'a router advertisement behind a routing header': own(PROTO.routing, routing + router),
    'a router advertisement in the first of two fragments': own(
      PROTO.fragment,
      fragment(ICMP6, 0, true) + router,
    ),
    'a router advertisement behind options in a fragment': own(
      PROTO.fragment,
      fragment(OPTIONS, 0, true) + extension(ICMP6) + router,
    ),
    'options, then a fragment, then a router advertisement': own(
      OPTIONS,
      extension(PROTO.fragment) + fragment(ICMP6, 0, false) + router,
    ),
    'a router advertisement in a jumbogram': jumbo(router),
    'an advertisement in a jumbogram': jumbo(foreign),
    'a router advertisement from no address': message(self, '::', NDP.advertRouter, `40000708${zeros(8)}`),
    'a redirect behind options': own(OPTIONS, extension(ICMP6) + redirect),
    'a redirect behind a routing header': own(PROTO.routing, routing + redirect),
    'a redirect in a fragment': own(PROTO.fragment, fragment(ICMP6, 0, true) + redirect),
    'a multicast query in a fragment': own(PROTO.fragment, fragment(ICMP6, 0, false) + query),
    'a multicast query without options': message(self, local, 130, zeros(20)),
    'a forged advertisement behind three headers': own(
      PROTO.hopByHop,
      extension(OPTIONS) + extension(PROTO.routing) + extension(ICMP6, '000000000000') + foreign,
    ),
    'a forged advertisement in the second option': twice(lladdr(1, self.mac) + lladdr(2, other.mac)),
    'a forged advertisement after a nonce': twice(`0e01a1a2a3a4a5a6${lladdr(2, other.mac)}`),
    'a forged advertisement before a signature': twice(`${lladdr(2, other.mac)}0c02${zeros(14)}`),
    'a forged advertisement after a timestamp': twice(`0d02${zeros(14)}${lladdr(2, other.mac)}`),
    'a forged advertisement after a signature': twice(`0c02${zeros(14)}${lladdr(2, other.mac)}`),
    'an advertisement with a signature of no length': twice(`${lladdr(2, self.mac)}0c00${zeros(6)}`),
    'a forged advertisement after padding': twice(`fe010000000000${'00'}${lladdr(2, other.mac)}`),
    'a forged advertisement in an overlapping fragment': own(
      PROTO.fragment,
      fragment(ICMP6, 0, true) + foreign.slice(0, 16),
    ),
    'a solicitation of routers in a fragment': own(
      PROTO.fragment,
      fragment(ICMP6, 0, false) + icmp6(NDP.solicitRouter, zeros(4) + lladdr(1, other.mac)),
    ),
    'a solicitation behind options': own(
      OPTIONS,
      extension(ICMP6) + icmp6(NDP.solicit, neighbour(other.v6, lladdr(1, other.mac))),
    ),
    'a DHCPv6 relay': own(PROTO.udp, server(DHCP6.relay)),
    'a DHCPv6 server that answers a relay': own(PROTO.udp, server(13)),
    'a DHCPv6 server to the port of servers': own(PROTO.udp, server(DHCP6.advertise)),
    'a DHCPv6 relay behind options': own(OPTIONS, extension(PROTO.udp) + server(DHCP6.relay)),
    'a DHCPv6 relay in a fragment': own(PROTO.fragment, fragment(PROTO.udp, 0, true) + server(DHCP6.relay)),
    'a DHCPv6 relay whose kind is in the next fragment': own(
      PROTO.fragment,
      fragment(PROTO.udp, 0, true) + server(DHCP6.relay).slice(0, 16),
    ),
    'a DHCPv6 server from its link-local address': ipv6Frame(self, { from: local, next: PROTO.udp }, reply),
    'a DHCPv6 server in an atomic fragment': own(PROTO.fragment, fragment(PROTO.udp, 0, false) + reply),
    'a DHCPv6 server behind a router alert': own(
      PROTO.hopByHop,
      extension(PROTO.udp, '050200000100') + reply,
    ),
    'IPv6 of version 0': ether(
      self.mac,
      TYPE.ip6,
      `0${ipv6({ from: self.v6, next: 6 }, zeros(20)).slice(1)}`,
    ),
    'an extension header that is cut off': own(OPTIONS, '3a'),
  };
}
