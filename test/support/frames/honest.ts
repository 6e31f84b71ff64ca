import { linkLocal } from '../../../lib/request/addresses.ts';
import {
  bootp,
  DHCP6,
  extension,
  fragment,
  type Hex,
  icmp,
  icmp6,
  ipv6,
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
import { rareHonest } from './rare.ts';
import { arpFrame, dhcp, type Identity, ipv4Frame, ipv6Frame, message } from './sender.ts';

const ALL_ROUTERS = 'ff02::2';
const { icmp6: ICMP6, options: OPTIONS } = PROTO6;

/** CGA parameters and a signature of a key of 1024 bits, a timestamp and a nonce between them (RFC 3971). */
const SECURE = `0b180100${zeros(188)}0d02${zeros(14)}${NONCE}0c130000${zeros(148)}`;

/**
 * What an honest guest sends, by name: a Linux guest with an address of each family.
 * @param self the guest
 */
export function honestFrames(self: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const v4 = (proto: number, payload: Hex) => ipv4Frame(self, { from: self.v4, proto }, payload);
  const v6 = (next: number, payload: Hex) => ipv6Frame(self, { from: self.v6, next }, payload);
  const ndp = (from: string, type: number, body: Hex, to?: string) => message(self, from, type, body, to);
  return {
    'an ARP request': arpFrame(self, { is: self.v4, asks: '192.0.2.250' }),
    'an ARP reply': arpFrame(self, { op: 2, is: self.v4, asks: '192.0.2.250' }),
    'its gratuitous ARP': arpFrame(self, { is: self.v4 }),
    'an ARP probe for its own address': arpFrame(self, { is: '0.0.0.0', asks: self.v4 }),
    'TCP over IPv4': v4(PROTO.tcp, zeros(20)),
    'UDP over IPv4': v4(PROTO.udp, udp(5000, 53)),
    'an IPv4 ping': v4(PROTO.icmp, icmp(8)),
    'IPv4 with options': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.igmp, options: '94040000' },
      `2200${zeros(6)}`,
    ),
    'an IGMP report before it has an address': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '224.0.0.22', proto: PROTO.igmp, options: '94040000' },
      `2200${zeros(6)}`,
    ),
    'the first fragment of UDP': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp, more: true },
      udp(5000, 53, zeros(16)),
    ),
    'a later fragment of UDP': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp, offset: 24 },
      num(67, 2) + num(68, 2) + zeros(20),
    ),
    'a DHCP request without an address': dhcp(self, '0.0.0.0', self.mac),
    'a DHCP request that renews': dhcp(self, self.v4, self.mac, { is: self.v4 }),
    'a DHCP release': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp },
      udp(68, 67, bootp(1, self.mac, { is: self.v4 })),
    ),
    'TCP over IPv6': v6(PROTO.tcp, zeros(20)),
    'UDP over IPv6': v6(PROTO.udp, udp(5000, 53)),
    'an IPv6 ping': v6(ICMP6, icmp6(128, zeros(4))),
    'an IPv6 ping from its link-local address': message(self, local, 128, zeros(4)),
    'TCP behind destination options': v6(OPTIONS, extension(PROTO.tcp) + zeros(20)),
    'the first fragment of an IPv6 ping': v6(
      PROTO.fragment,
      fragment(ICMP6, 0, true) + icmp6(128, zeros(12)),
    ),
    'a later fragment of an IPv6 ping': v6(
      PROTO.fragment,
      fragment(ICMP6, 16, false) + num(NDP.advert, 1) + zeros(23),
    ),
    'a later fragment of UDP over IPv6': v6(PROTO.fragment, fragment(PROTO.udp, 16, false) + udp(547, 546)),
    'a DHCPv6 request': ipv6Frame(
      self,
      { from: local, to: 'ff02::1:2', next: PROTO.udp },
      udp(546, 547, `${num(DHCP6.solicit, 1)}abcdef`),
    ),
    'a DHCPv6 registration of an address (RFC 9686)': v6(PROTO.udp, udp(546, 547, `${num(36, 1)}abcdef`)),
    'a DHCPv4 query over IPv6 (RFC 7341)': v6(PROTO.udp, udp(546, 547, `${num(20, 1)}000000`)),
    'a mobility header with nothing behind it': v6(135, `${num(59, 1)}00${zeros(6)}`),
    'a DHCPv6 renewal': v6(PROTO.udp, udp(546, 547, `${num(DHCP6.renew, 1)}abcdef`)),
    'a router alert beside UDP': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp, options: '94040000' },
      udp(5000, 53),
    ),
    '6in4 of a tunnel of its own': v4(41, ipv6({ from: '2001:db8:6::1', next: PROTO.tcp }, zeros(20))),
    'a datagram to a group': ipv4Frame(
      self,
      { from: self.v4, to: '239.1.2.3', proto: PROTO.udp },
      udp(5000, 5000),
      { to: '01:00:5e:01:02:03' },
    ),
    'a datagram to everybody': ipv4Frame(
      self,
      { from: self.v4, to: '192.0.2.255', proto: PROTO.udp },
      udp(137, 137),
    ),
    ...routerFrames(self),
    ...rareHonest(self),
    'a solicitation of a neighbour': ndp(
      self.v6,
      NDP.solicit,
      neighbour('2001:db8::250', lladdr(1, self.mac)),
    ),
    'a solicitation without an option': ndp(self.v6, NDP.solicit, neighbour('2001:db8::250')),
    'duplicate address detection': ndp('::', NDP.solicit, neighbour(self.v6)),
    'duplicate address detection with a nonce': ndp('::', NDP.solicit, neighbour(self.v6, NONCE)),
    'duplicate address detection of its link-local address': ndp('::', NDP.solicit, neighbour(local, NONCE)),
    'an advertisement of its address': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, self.mac), 0x60000000),
    ),
    'an advertisement without an option': ndp(self.v6, NDP.advert, neighbour(self.v6, '', 0x40000000)),
    'an advertisement that nobody asked for': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, self.mac), 0x20000000),
    ),
    'an advertisement of its link-local address': ndp(
      local,
      NDP.advert,
      neighbour(local, lladdr(2, self.mac)),
    ),
    'a secure solicitation': ndp(
      self.v6,
      NDP.solicit,
      neighbour('2001:db8::250', lladdr(1, self.mac) + SECURE),
    ),
    'a secure advertisement': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, self.mac) + SECURE, 0x60000000),
    ),
    'secure duplicate address detection': ndp('::', NDP.solicit, neighbour(self.v6, SECURE)),
    'a secure solicitation of routers': ndp(
      local,
      NDP.solicitRouter,
      zeros(4) + lladdr(1, self.mac) + SECURE,
      ALL_ROUTERS,
    ),
    'a solicitation of routers': ndp(local, NDP.solicitRouter, zeros(4) + lladdr(1, self.mac), ALL_ROUTERS),
    'a solicitation of routers without an address': ndp('::', NDP.solicitRouter, zeros(4), ALL_ROUTERS),
    'a report of multicast listening': ipv6Frame(
      self,
      { from: local, to: 'ff02::16', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(143, zeros(4)),
    ),
    'a report of multicast listening without an address': ipv6Frame(
      self,
      { from: '::', to: 'ff02::16', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(143, zeros(4)),
    ),
  };
}

/** Routing, redundancy and name protocols that a guest may speak as itself, but for PIM: its neighbours have to know it. */
function routerFrames(self: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const v4 = (to: string, group: string, proto: number, payload: Hex) =>
    ipv4Frame(self, { from: self.v4, to, proto }, payload, { to: group });
  const v6 = (to: string, group: string, next: number, payload: Hex) =>
    ipv6Frame(self, { from: local, to, next }, payload, { to: group });
  return {
    'a hello of OSPF': v4('224.0.0.5', '01:00:5e:00:00:05', 89, `0201002c${zeros(40)}`),
    'a hello of OSPFv3': v6('ff02::5', '33:33:00:00:00:05', 89, `03010024${zeros(32)}`),
    'an advertisement of VRRP': v4('224.0.0.18', '01:00:5e:00:00:12', 112, `21016401${zeros(8)}`),
    'an advertisement of VRRP over IPv6': v6('ff02::12', '33:33:00:00:00:12', 112, `31016401${zeros(20)}`),
    'a response of RIP': v4(
      '224.0.0.9',
      '01:00:5e:00:00:09',
      PROTO.udp,
      udp(520, 520, `02020000${zeros(20)}`),
    ),
    'a response of RIPng': v6(
      'ff02::9',
      '33:33:00:00:00:09',
      PROTO.udp,
      udp(521, 521, `02010000${zeros(20)}`),
    ),
    mDNS: v4('224.0.0.251', '01:00:5e:00:00:fb', PROTO.udp, udp(5353, 5353, zeros(12))),
    'mDNS over IPv6': v6('ff02::fb', '33:33:00:00:00:fb', PROTO.udp, udp(5353, 5353, zeros(12))),
  };
}

/** A frame made unlike every other by bytes that no receiver looks at. */
export function numbered(frame: Hex, serial: number): Hex {
  return frame + num(serial, 4);
}
