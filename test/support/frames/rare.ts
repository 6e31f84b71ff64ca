import { linkLocal } from '../../../lib/request/addresses.ts';
import {
  bootp,
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
  NONCE,
  neighbour,
  num,
  PROTO,
  PROTO6,
  TYPE,
  udp,
  zeros,
} from './packets.ts';
import { arpFrame, dhcp, type Identity, ipv4Frame, ipv6Frame, message } from './sender.ts';

const { icmp6: ICMP6, options: OPTIONS, ah: AH } = PROTO6;
const [GRE, ESP, L2TP, SCTP, UDP_LITE] = [47, 50, 115, 132, 136];
const VXLAN = 4789;

/**
 * What honest guests send now and then, by name: tunnels and other transports, padding, options, full frames.
 * @param self the guest
 */
export function rareHonest(self: Identity): Record<string, Hex> {
  return { ...rareHonestArp(self), ...rareHonest4(self), ...rareHonest6(self) };
}

function rareHonestArp(self: Identity): Record<string, Hex> {
  return {
    'its gratuitous ARP, as an answer': arpFrame(self, { op: 2, is: self.v4, target: 'ff:ff:ff:ff:ff:ff' }),
    'its gratuitous ARP, as an answer to itself': arpFrame(self, { op: 2, is: self.v4, target: self.mac }),
    'an ARP request to one card': arpFrame(
      self,
      { is: self.v4, asks: '192.0.2.250', target: '02:00:00:00:00:fa' },
      { to: '02:00:00:00:00:fa' },
    ),
    'an ARP request with padding': arpFrame(self, { is: self.v4, asks: '192.0.2.251' }) + zeros(18),
  };
}

function rareHonest4(self: Identity): Record<string, Hex> {
  const own = (proto: number, payload: Hex, options = '') =>
    ipv4Frame(self, { from: self.v4, proto, options }, payload);
  const inner = ether('02:00:00:00:00:99', TYPE.ip, ipv4({ from: '203.0.113.9', proto: 17 }, zeros(20)));
  const quoted = ipv4({ from: '192.0.2.250', to: self.v4, proto: PROTO.udp }, udp(67, 68));
  return {
    'GRE of a tunnel of its own': own(GRE, `0000${num(TYPE.ip, 2)}${quoted}`),
    'a bridge through GRE': own(GRE, `00006558${inner}`),
    'IPv4 in IPv4': own(4, quoted),
    ESP: own(ESP, `00000001${zeros(28)}`),
    'authenticated TCP': own(AH, `06040000${zeros(20)}${zeros(20)}`),
    SCTP: own(SCTP, zeros(28)),
    'UDP-Lite': own(UDP_LITE, udp(67, 68)),
    'L2TP without UDP': own(L2TP, zeros(20)),
    VXLAN: own(PROTO.udp, udp(5000, VXLAN, `0800000000000100${inner}`)),
    'TCP with a timestamp on its way': own(PROTO.tcp, zeros(20), `440c0500${zeros(8)}`),
    'TCP with a route of its own choice': own(PROTO.tcp, zeros(20), '830704c0000201' + '00'),
    'UDP with forty bytes of options': own(PROTO.udp, udp(5000, 53), '01'.repeat(40)),
    'an error about a packet of a DHCP server': own(PROTO.icmp, icmp(3, 3) + quoted),
    'a question for the time': own(PROTO.icmp, icmp(13) + zeros(12)),
    'a full frame': own(PROTO.udp, udp(5000, 5001, zeros(1460))),
    'a DHCP inform': ipv4Frame(
      self,
      { from: self.v4, to: '255.255.255.255', proto: PROTO.udp },
      udp(68, 67, bootp(1, self.mac, { is: self.v4 })),
    ),
    'a DHCP request with padding': dhcp(self, '0.0.0.0', self.mac) + zeros(60),
  };
}

function rareHonest6(self: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const own = (next: number, payload: Hex) => ipv6Frame(self, { from: self.v6, next }, payload);
  const quoted = ipv6({ from: '2001:db8::250', to: self.v6, next: PROTO.udp }, udp(547, 546));
  return {
    'ESP over IPv6': own(ESP, `00000001${zeros(28)}`),
    'authenticated TCP over IPv6': own(AH, `06040000${zeros(20)}${zeros(20)}`),
    'IPv4 in IPv6': own(4, ipv4({ from: '203.0.113.9', proto: PROTO.tcp }, zeros(20))),
    'GRE over IPv6': own(GRE, `000086dd${quoted}`),
    'SCTP over IPv6': own(SCTP, zeros(28)),
    'TCP behind a route of segments': own(PROTO.routing, `06020401${zeros(4)}${zeros(16)}${zeros(20)}`),
    'TCP behind options for each hop, options and a fragment header': own(
      PROTO.hopByHop,
      extension(OPTIONS) + extension(PROTO.fragment) + fragment(PROTO.tcp, 0, false) + zeros(20),
    ),
    'a packet that was too big': own(ICMP6, icmp6(2, num(1280, 4) + quoted)),
    'an error about a packet of a DHCPv6 server': own(ICMP6, icmp6(1, zeros(4) + quoted)),
    'an old report of multicast listening': ipv6Frame(
      self,
      { from: local, to: 'ff02::fb', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(131, zeros(20)),
    ),
    'the end of multicast listening': ipv6Frame(
      self,
      { from: local, to: 'ff02::2', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(132, zeros(20)),
    ),
    'an advertisement to one neighbour': message(
      self,
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, self.mac), 0x60000000),
      '2001:db8::250',
    ),
  };
}

/**
 * What no guest may send and hardly anybody does, by name.
 * @param self the guest
 * @param other whom it would like to be
 */
export function rareForged(self: Identity, other: Identity): Record<string, Hex> {
  const packet = ipv4({ from: self.v4, proto: PROTO.tcp }, zeros(20));
  const frame = (type: number, payload: Hex, to?: string) =>
    ether(self.mac, type, payload, to === undefined ? {} : { to });
  const own6 = (next: number, payload: Hex) => ipv6Frame(self, { from: self.v6, next }, payload);
  const advert = icmp6(NDP.advert, neighbour(self.v6, lladdr(2, self.mac), 0x20000000));
  const discovery = udp(67, 68, bootp(2, self.mac));
  return {
    MACsec: frame(0x88e5, `2c00${zeros(8)}${packet}`),
    TRILL: frame(0x22f3, `0001${zeros(4)}${packet}`),
    'a service header': frame(0x894f, `0fc60103${zeros(20)}${packet}`),
    'a redundant ring': frame(0x892f, `000000010800${packet}`),
    'provider backbone bridging': frame(0x88e7, `00000001${ether(other.mac, TYPE.ip, packet)}`),
    'Ethernet in Ethernet': frame(0x6558, ether(other.mac, TYPE.ip, packet)),
    'Fibre Channel': frame(0x8906, zeros(40)),
    'a remote disk': frame(0x88a2, zeros(40)),
    'a multicast MPLS packet': frame(0x8848, `000101ff${packet}`),
    'a session of PPPoE with its own address': frame(
      0x8864,
      `11000001${num(packet.length / 2 + 2, 2)}0021${packet}`,
    ),
    'LLDP for customers': frame(TYPE.lldp, zeros(30), '01:80:c2:00:00:00'),
    'LLDP to a card': frame(TYPE.lldp, zeros(30), '02:00:00:00:00:fa'),
    'EAPOL to a card': frame(0x888e, '01010000', '02:00:00:00:00:fa'),
    'a length that is too long for one': frame(0x05ff, `aaaa030000000800${packet}`),
    'a length of nothing': frame(0, `aaaa030000000800${packet}`),
    'IPX as such': frame(60, `ffff${zeros(58)}`),
    'its own ARP by SNAP': frame(36, `aaaa030000000806${arpFrame(self, { is: self.v4 }).slice(28)}`),
    'a refused ARP': arpFrame(self, { op: 10, is: self.v4 }),
    'an ARP request of twelve bytes a card': arpFrame(self, { is: self.v4, head: '00010800' + '0c04' }),
    'ARP for a card of InfiniBand': arpFrame(self, { is: self.v4, head: '002008001404' }),
    'a DHCP server through UDP of no length': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp },
      `${num(67, 2)}${num(68, 2)}${zeros(4)}${discovery.slice(16)}`,
    ),
    'a DHCP server with all options': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.udp, options: '01'.repeat(40) },
      discovery,
    ),
    'an ICMP redirect with all options': ipv4Frame(
      self,
      { from: self.v4, proto: PROTO.icmp, options: '01'.repeat(40) },
      icmp(5, 1),
    ),
    'a certificate of a router': own6(ICMP6, icmp6(149, zeros(12))),
    'the end of a multicast router': own6(ICMP6, icmp6(153, zeros(4))),
    'its own advertisement behind a route of segments': own6(
      PROTO.routing,
      `3a020401${zeros(4)}${zeros(16)}${advert}`,
    ),
    'its own advertisement in two headers for fragments': own6(
      PROTO.fragment,
      fragment(PROTO.fragment, 0, true) + fragment(ICMP6, 0, true) + advert,
    ),
    'its own advertisement behind authentication and options': own6(
      AH,
      extension(OPTIONS, '000000000000') + extension(ICMP6) + advert,
    ),
    'a DHCPv6 server behind a route of segments': own6(
      PROTO.routing,
      `11020401${zeros(4)}${zeros(16)}${udp(547, 546, zeros(16))}`,
    ),
    'a DHCPv6 server behind authentication and options': own6(
      AH,
      extension(OPTIONS, '000000000000') + extension(PROTO.udp) + udp(547, 546, zeros(16)),
    ),
  };
}

/**
 * What a guest sends for another's addresses in rare ways, by name.
 * @param self the guest
 * @param other whom it would like to be
 */
export function rareBorrowed(self: Identity, other: Identity): Record<string, Hex> {
  const local = linkLocal(other.mac) ?? '';
  const from4 = (from: string, proto: number, payload: Hex, options = '') =>
    ipv4Frame(self, { from, proto, options }, payload);
  return {
    "another's gratuitous ARP, as an answer": arpFrame(self, {
      op: 2,
      is: other.v4,
      target: 'ff:ff:ff:ff:ff:ff',
    }),
    "an ARP request from another's address for its own": arpFrame(self, { is: other.v4, asks: self.v4 }),
    "another's ARP with padding": arpFrame(self, { is: other.v4 }) + zeros(18),
    "ARP of another's address to its owner": arpFrame(
      self,
      { op: 2, is: '192.0.2.250', asks: other.v4, target: other.mac },
      { to: '02:00:00:00:00:fa' },
    ),
    "GRE from another's address": from4(other.v4, GRE, `0000${num(TYPE.ip, 2)}${zeros(20)}`),
    "ESP from another's address": from4(other.v4, ESP, zeros(32)),
    "authenticated TCP from another's address": from4(other.v4, AH, `06040000${zeros(40)}`),
    "a packet by its own address with another's source": from4(
      other.v4,
      PROTO.tcp,
      zeros(20),
      '830704c000020100',
    ),
    "an error from another's address": from4(other.v4, PROTO.icmp, icmp(3, 3) + zeros(28)),
    "a full frame from another's address": from4(other.v4, PROTO.udp, udp(5000, 5001, zeros(1460))),
    'the broadcast address of its network as source': from4('192.0.2.255', PROTO.udp, udp(5000, 53)),
    'a source of no network': from4('0.0.0.1', PROTO.udp, udp(5000, 53)),
    'a source of tomorrow': from4('240.0.0.1', PROTO.udp, udp(5000, 53)),
    "a DHCP inform from another's address": ipv4Frame(
      self,
      { from: other.v4, to: '255.255.255.255', proto: PROTO.udp },
      udp(68, 67, bootp(1, self.mac, { is: other.v4 })),
    ),
    "ESP from another's IPv6 address": ipv6Frame(self, { from: other.v6, next: ESP }, zeros(32)),
    "TCP of another's address behind a fragment header": ipv6Frame(
      self,
      { from: other.v6, next: PROTO.fragment },
      fragment(PROTO.tcp, 0, false) + zeros(20),
    ),
    "duplicate address detection of another's address with a nonce": message(
      self,
      '::',
      NDP.solicit,
      neighbour(other.v6, NONCE),
    ),
    "duplicate address detection of another's link-local address": message(
      self,
      '::',
      NDP.solicit,
      neighbour(local),
    ),
    "a solicitation of routers from another's link-local address": message(
      self,
      local,
      NDP.solicitRouter,
      zeros(4) + lladdr(1, self.mac),
    ),
    "an advertisement of another's link-local address": message(
      self,
      self.v6,
      NDP.advert,
      neighbour(local, lladdr(2, self.mac), 0x20000000),
    ),
    'a DHCPv6 request from an address of its own making': ipv6Frame(
      self,
      { from: 'fe80::2', to: 'ff02::1:2', next: PROTO.udp },
      udp(546, 547, '01abcdef'),
    ),
  };
}
