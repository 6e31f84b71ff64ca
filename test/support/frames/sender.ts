import {
  type Arp,
  arp,
  type Bootp,
  bootp,
  ether,
  type Hex,
  type Ipv4,
  type Ipv6,
  icmp6,
  ipv4,
  ipv6,
  PROTO,
  PROTO6,
  TYPE,
  udp,
} from './packets.ts';

/** Who a guest is configured to be, or says that it is. */
export interface Identity {
  readonly mac: string;
  readonly v4: string;
  readonly v6: string;
}

type More = Parameters<typeof ether>[3];

/** A frame of ARP by a guest's card, which says that its address is the sender's unless told. */
export function arpFrame(self: Identity, fields: Partial<Arp> & Pick<Arp, 'is'>, more?: More): Hex {
  return ether(self.mac, TYPE.arp, arp({ from: self.mac, ...fields }), more);
}

/** A frame of IPv4 by a guest's card. */
export function ipv4Frame(self: Identity, head: Ipv4, payload: Hex, more?: More): Hex {
  return ether(self.mac, TYPE.ip, ipv4(head, payload), more);
}

/** A frame of IPv6 by a guest's card. */
export function ipv6Frame(self: Identity, head: Ipv6, payload: Hex, more?: More): Hex {
  return ether(self.mac, TYPE.ip6, ipv6(head, payload), more);
}

/** The group of all nodes, and the MAC address that it has. */
export const ALL_NODES = 'ff02::1';
export const MULTICAST = '33:33:00:00:00:01';

/** An ICMPv6 packet in a frame. */
export function message(self: Identity, from: string, type: number, body: Hex, to = ALL_NODES): Hex {
  return ipv6Frame(self, { from, to, next: PROTO6.icmp6 }, icmp6(type, body, { from, to }), {
    to: MULTICAST,
  });
}

/** A DHCP request in a frame. */
export const dhcp = (self: Identity, from: string, client: string, more: Bootp = {}): Hex =>
  ipv4Frame(self, { from, to: '255.255.255.255', proto: PROTO.udp }, udp(68, 67, bootp(1, client, more)));
