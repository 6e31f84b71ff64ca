import { linkLocal } from '../../../lib/request/addresses.ts';
import { oddFrames } from './odd.ts';
import {
  arp,
  bootp,
  ether,
  extension,
  fragment,
  type Hex,
  icmp,
  icmp6,
  ip6,
  ipv4,
  ipv6,
  lladdr,
  mac,
  NDP,
  neighbour,
  num,
  PROTO,
  PROTO6,
  TYPE,
  udp,
  zeros,
} from './packets.ts';
import { rareForged } from './rare.ts';
import { ALL_NODES, arpFrame, dhcp, type Identity, ipv4Frame, ipv6Frame, message } from './sender.ts';

const ICMP6 = PROTO6.icmp6;
const OPTIONS = PROTO6.options;
const AH = PROTO6.ah;

/** Those that the bridge itself passes on to nobody, without asking any filter. */
export const UNFILTERED = ['a multicast MAC address as source', 'no MAC address as source'];

/**
 * What no guest may send, whatever addresses it may use, by name: as another card, as a router or a server, hidden.
 * @param self the guest
 * @param other whom it would like to be
 */
export function forgedFrames(self: Identity, other: Identity): Record<string, Hex> {
  return {
    ...forgedLink(self, other),
    ...forgedIpv4(self, other),
    ...forgedIpv6(self, other),
    ...forgedNdp(self, other),
    ...oddFrames(self, other),
    ...rareForged(self, other),
  };
}

function forgedLink(self: Identity, other: Identity): Record<string, Hex> {
  const own = ipv4({ from: self.v4, proto: PROTO.tcp }, zeros(20));
  const head = (text: Hex) => arpFrame(self, { is: self.v4, head: text });
  return {
    "another's MAC address": ether(other.mac, TYPE.ip, own),
    "another's MAC address, IPv6": ether(
      other.mac,
      TYPE.ip6,
      ipv6({ from: self.v6, next: PROTO.tcp }, zeros(20)),
    ),
    'a multicast MAC address as source': ether('01:00:5e:00:00:01', TYPE.ip, own),
    'no MAC address as source': ether('00:00:00:00:00:00', TYPE.ip, own),
    'the MAC address of bridges': ether('fe:ff:ff:ff:ff:ff', TYPE.ip, own),
    'ARP with another sender MAC': ether(self.mac, TYPE.arp, arp({ from: other.mac, is: self.v4 })),
    'ARP with long hardware addresses': head('000108000804'),
    'ARP with long protocol addresses': head('000108000610'),
    'ARP of another kind of hardware': head('000608000604'),
    'ARP for another protocol': head('000186dd0604'),
    'a VLAN-tagged frame': ether(self.mac, TYPE.ip, own, { tags: [[TYPE.vlan, 5]] }),
    'a priority-tagged frame': ether(self.mac, TYPE.ip, own, { tags: [[TYPE.vlan, 0xe000]] }),
    'a VLAN-tagged forged frame': arpFrame(
      self,
      { is: other.v4 },
      {
        tags: [[TYPE.vlan, 5]],
      },
    ),
    'a VLAN-tagged IPv6 frame': ipv6Frame(self, { from: self.v6, next: PROTO.tcp }, zeros(20), {
      tags: [[TYPE.vlan, 5]],
    }),
    'a frame with two tags': ether(self.mac, TYPE.ip, own, {
      tags: [
        [TYPE.vlan, 5],
        [TYPE.vlan, 6],
      ],
    }),
    'a frame with a provider tag': ether(self.mac, TYPE.ip, own, {
      tags: [
        [TYPE.qinq, 5],
        [TYPE.vlan, 6],
      ],
    }),
    'a frame with an old provider tag': ether(self.mac, TYPE.ip, own, { tags: [[0x9100, 5]] }),
    'an 802.3 frame with IPv4 by SNAP': ether(self.mac, own.length / 2 + 8, `aaaa030000000800${own}`),
    'a spanning tree frame': ether(self.mac, 38, `424203${zeros(35)}`, { to: '01:80:c2:00:00:00' }),
    LLDP: ether(self.mac, TYPE.lldp, zeros(30), { to: '01:80:c2:00:00:0e' }),
    RARP: ether(self.mac, 0x8035, arp({ op: 3, from: self.mac, is: self.v4 })),
    PPPoE: ether(self.mac, 0x8863, zeros(20)),
    'an ethertype of nothing': ether(self.mac, 0xffff, zeros(40)),
    'no payload at all': ether(self.mac, TYPE.ip, ''),
  };
}

function forgedIpv4(self: Identity, other: Identity): Record<string, Hex> {
  const frame = (payload: Hex) => ether(self.mac, TYPE.ip, payload);
  const own = (
    proto: number,
    payload: Hex,
    more: { options?: Hex; more?: boolean; offset?: number; version?: number; length?: number } = {},
  ) => ipv4Frame(self, { from: self.v4, proto, ...more }, payload);
  return {
    'a DHCP server': own(PROTO.udp, udp(67, 68, bootp(2, other.mac))),
    'a DHCP server that hides its port': own(PROTO.udp, udp(4711, 68, bootp(2, other.mac))),
    'a DHCP server behind options': own(PROTO.udp, udp(67, 68, bootp(2, other.mac)), { options: '01010101' }),
    'a fragment of a DHCP server': own(PROTO.udp, udp(67, 68, zeros(8)), { more: true }),
    'a tiny fragment of a DHCP server': own(PROTO.udp, udp(67, 68, ''), { more: true }),
    "a DHCP request for another's card": dhcp(self, '0.0.0.0', other.mac),
    "a DHCP release of another's lease": dhcp(self, self.v4, other.mac),
    'a DHCP request that ends early': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '255.255.255.255', proto: PROTO.udp, more: true },
      udp(68, 67, zeros(8)),
    ),
    'another UDP packet from no address': ipv4Frame(
      self,
      { from: '0.0.0.0', to: '255.255.255.255', proto: PROTO.udp },
      udp(5000, 67),
    ),
    'an ICMP redirect': own(PROTO.icmp, icmp(5, 1)),
    'an ICMP redirect behind options': own(PROTO.icmp, icmp(5, 1), { options: '01010101' }),
    'a fragment of an ICMP redirect': own(PROTO.icmp, icmp(5, 1), { more: true }),
    'an ICMP router advertisement': own(PROTO.icmp, icmp(9)),
    // Bridges that snoop look neither at fragments nor at what follows.
    'a hello of PIM': own(103, `2000${zeros(2)}`),
    'a later fragment of PIM': ipv4Frame(self, { from: self.v4, proto: 103, offset: 8 }, `2000${zeros(6)}`),
    'a hello of PIM with a router alert': ipv4Frame(
      self,
      { from: self.v4, to: '224.0.0.13', proto: 103, options: '94040000' },
      `2000${zeros(2)}`,
    ),
    'an IGMP query': own(PROTO.igmp, `1100${zeros(6)}`),
    'an IGMP query from no address': ipv4Frame(
      self,
      { from: '0.0.0.0', proto: PROTO.igmp },
      `1100${zeros(6)}`,
    ),
    'IPv4 of another version': own(PROTO.tcp, zeros(20), { version: 6 }),
    'IPv4 that says it is longer': own(PROTO.tcp, zeros(20), { length: 1400 }),
    'IPv4 that ends in its header': ether(
      self.mac,
      TYPE.ip,
      ipv4({ from: self.v4, proto: PROTO.tcp }, '').slice(0, 30),
    ),
    'an IPv6 packet called IPv4': frame(ipv6({ from: self.v6, next: PROTO.tcp }, zeros(20))),
  };
}

function forgedIpv6(self: Identity, _other: Identity): Record<string, Hex> {
  const frame = (payload: Hex) => ether(self.mac, TYPE.ip6, payload);
  const own = (next: number, payload: Hex, more: { version?: number; length?: number } = {}) =>
    ipv6Frame(self, { from: self.v6, next, ...more }, payload);
  const server = udp(547, 546, zeros(16));
  return {
    'a DHCPv6 server': own(PROTO.udp, server),
    'a DHCPv6 server behind options': own(OPTIONS, extension(PROTO.udp) + server),
    'a fragment of a DHCPv6 server': own(PROTO.fragment, fragment(PROTO.udp, 0, true) + server),
    'a hello of PIM over IPv6': ipv6Frame(
      self,
      { from: self.v6, to: 'ff02::d', next: 103 },
      `2000${zeros(2)}`,
    ),
    'a multicast query': ipv6Frame(
      self,
      { from: linkLocal(self.mac) ?? '', next: PROTO.hopByHop },
      extension(ICMP6, '050200000100') + icmp6(130, zeros(20)),
    ),
    'IPv6 of another version': own(PROTO.tcp, zeros(20), { version: 4 }),
    'IPv6 that says it is longer': own(PROTO.tcp, zeros(20), { length: 1400 }),
    'IPv6 that ends in its header': frame(ipv6({ from: self.v6, next: PROTO.tcp }, '').slice(0, 60)),
    'headers that lead nowhere': own(PROTO.hopByHop, extension(OPTIONS)),
    'a header that is longer than the packet': own(OPTIONS, `${num(OPTIONS, 1)}20${zeros(6)}`),
    'no next header': own(PROTO6.none, zeros(8)),
    'an IPv4 packet called IPv6': frame(ipv4({ from: self.v4, proto: PROTO.tcp }, zeros(40))),
  };
}

function forgedNdp(self: Identity, other: Identity): Record<string, Hex> {
  const local = linkLocal(self.mac) ?? '';
  const ndp = (from: string, type: number, body: Hex) => message(self, from, type, body);
  const advert = icmp6(NDP.advert, neighbour(other.v6, lladdr(2, self.mac), 0x20000000));
  const router = icmp6(NDP.advertRouter, `40000708${zeros(8)}`);
  const hidden = (next: number, payload: Hex) => ipv6Frame(self, { from: self.v6, next }, payload);
  const own = neighbour(self.v6, '', 0x20000000);
  return {
    'a router advertisement': ipv6Frame(self, { from: local, to: ALL_NODES, next: ICMP6 }, router),
    'a router advertisement behind options': hidden(OPTIONS, extension(ICMP6) + router),
    'a router advertisement behind two headers': hidden(
      PROTO.hopByHop,
      extension(OPTIONS) + extension(ICMP6) + router,
    ),
    'a router advertisement in a fragment': hidden(PROTO.fragment, fragment(ICMP6, 0, true) + router),
    'a router advertisement in an atomic fragment': hidden(
      PROTO.fragment,
      fragment(ICMP6, 0, false) + router,
    ),
    'a redirect': ndp(local, NDP.redirect, zeros(36)),
    'a router renumbering': ndp(local, 138, zeros(12)),
    'a multicast router': ndp(local, 151, zeros(4)),
    "an advertisement with another's MAC address": ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, other.mac)),
    ),
    'an advertisement with two options': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(2, self.mac) + lladdr(2, other.mac)),
    ),
    'an advertisement with the wrong option': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, lladdr(1, self.mac)),
    ),
    'an advertisement with an option of no length': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, `0200${mac(self.mac)}`),
    ),
    'an advertisement with a long option': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, `0202${mac(self.mac)}${zeros(8)}`),
    ),
    'an advertisement with half an option': ndp(
      self.v6,
      NDP.advert,
      neighbour(self.v6, `0201${mac(self.mac).slice(0, 8)}`),
    ),
    'an advertisement that ends early': ipv6Frame(self, { from: self.v6, next: ICMP6 }, advert.slice(0, 30)),
    'an advertisement behind hop-by-hop options': hidden(PROTO.hopByHop, extension(ICMP6) + advert),
    'an advertisement behind destination options': hidden(OPTIONS, extension(ICMP6) + advert),
    'an advertisement behind a routing header': hidden(
      PROTO.routing,
      extension(ICMP6, '000000000000') + advert,
    ),
    'an advertisement behind authentication': hidden(AH, extension(ICMP6, '000000000000') + advert),
    ...Object.fromEntries(
      Object.entries({
        mobility: 135,
        HIP: 139,
        Shim6: 140,
        'an experiment': 253,
        'another experiment': 254,
      }).map(([what, next]) => [
        `an advertisement behind ${what}`,
        hidden(next, extension(ICMP6, '000000000000') + advert),
      ]),
    ),
    'an advertisement behind mobility behind authentication': hidden(
      AH,
      extension(135, '000000000000') + extension(ICMP6) + advert,
    ),
    'an advertisement of its own address behind options': hidden(
      OPTIONS,
      extension(ICMP6) + icmp6(NDP.advert, own),
    ),
    'an advertisement in a fragment': hidden(PROTO.fragment, fragment(ICMP6, 0, true) + advert),
    'an advertisement in an atomic fragment': hidden(PROTO.fragment, fragment(ICMP6, 0, false) + advert),
    'an advertisement in a fragment in a fragment': hidden(
      PROTO.fragment,
      fragment(PROTO.fragment, 0, false) + fragment(ICMP6, 0, false) + advert,
    ),
    'a first fragment with no more than options': hidden(
      PROTO.fragment,
      fragment(OPTIONS, 0, true) + extension(ICMP6),
    ),
    'a first fragment with the beginning of options': hidden(
      PROTO.fragment,
      `${fragment(OPTIONS, 0, true)}${num(ICMP6, 1)}01${zeros(6)}`,
    ),
    'a later fragment of options': hidden(PROTO.fragment, fragment(OPTIONS, 8, false) + advert),
    'a solicitation with another MAC address': ndp(
      self.v6,
      NDP.solicit,
      neighbour(other.v6, lladdr(1, other.mac)),
    ),
    'a solicitation with two options': ndp(
      self.v6,
      NDP.solicit,
      neighbour(other.v6, lladdr(1, self.mac) + lladdr(1, other.mac)),
    ),
    'duplicate address detection with a MAC address': ndp(
      '::',
      NDP.solicit,
      neighbour(self.v6, lladdr(1, self.mac)),
    ),
    'a solicitation of routers with another MAC address': ndp(
      local,
      NDP.solicitRouter,
      zeros(4) + lladdr(1, other.mac),
    ),
    'a solicitation of routers that is too long': ndp(
      local,
      NDP.solicitRouter,
      zeros(4) + lladdr(1, self.mac) + lladdr(1, other.mac),
    ),
    'a solicitation that says another length': ipv6Frame(
      self,
      { from: self.v6, next: ICMP6, length: 24 + 16 },
      `87000000${zeros(4)}${ip6(other.v6)}${lladdr(1, self.mac)}${zeros(8)}`,
    ),
  };
}
