import type { Hex } from '../frames/packets.ts';
import type { NftPacket } from './nft-packet.ts';

/** Numbers for the names that rules use, by the number's bytes. */
export const NAMES: Readonly<Record<string, number>> = {
  'ether type arp': 0x0806,
  'ether type 8021q': 0x8100,
  'meta protocol arp': 0x0806,
  'meta protocol ip': 0x0800,
  'meta protocol ip6': 0x86dd,
  'arp operation request': 1,
  'ether type ip': 0x0800,
  'ether type ip6': 0x86dd,
  'meta l4proto icmp': 1,
  'meta l4proto igmp': 2,
  'meta l4proto udp': 17,
  'meta l4proto icmpv6': 58,
  'meta l4proto ah': 51,
  'ip6 nexthdr icmpv6': 58,
  'ip6 nexthdr udp': 17,
  'icmp type redirect': 5,
  'icmp type router-advertisement': 9,
  'igmp type membership-query': 0x11,
  'igmp type membership-report-v1': 0x12,
  'igmp type membership-report-v2': 0x16,
  'igmp type membership-report-v3': 0x22,
  'icmpv6 type mld-listener-query': 130,
  'icmpv6 type mld-listener-report': 131,
  'icmpv6 type mld-listener-done': 132,
  'icmpv6 type nd-router-solicit': 133,
  'icmpv6 type nd-router-advert': 134,
  'icmpv6 type nd-neighbor-solicit': 135,
  'icmpv6 type nd-neighbor-advert': 136,
  'icmpv6 type nd-redirect': 137,
  'icmpv6 type router-renumbering': 138,
  'icmpv6 type mld2-listener-report': 143,
};

const isLink = (type: Hex) => (packet: NftPacket) => packet.link(12, 2) === type;
const isProtocol = (type: Hex) => (packet: NftPacket) => packet.protocol === type;
const isL4 = (proto: Hex) => (packet: NftPacket) => packet.l4proto === proto;

/** A field of a frame, as rules name it. */
export interface Field {
  readonly bytes: number;
  /**
   * What nft asks for by itself before it loads the field (nft --debug=netlink shows it). For ARP, ICMP and fragment
   * headers that would be `ether type`, had the rule not asked for `meta protocol` before.
   */
  readonly needs: readonly ((packet: NftPacket) => boolean)[];
  readonly load: (packet: NftPacket) => Hex | undefined;
}

const field = (bytes: number, load: Field['load'], ...needs: Field['needs']): Field => ({
  bytes,
  load,
  needs,
});
const IP = isProtocol('0800');
const IP6 = isProtocol('86dd');
const ARP = isProtocol('0806');
const FIELDS: Readonly<Record<string, Field>> = {
  'ether daddr': field(6, (packet) => packet.link(0, 6)),
  'ether saddr': field(6, (packet) => packet.link(6, 6)),
  'ether type': field(2, (packet) => packet.link(12, 2)),
  'meta protocol': field(2, (packet) => packet.protocol),
  'vlan id': field(2, (packet) => packet.vlanId, isLink('8100')),
  'arp operation': field(2, (packet) => packet.network(6, 2), ARP),
  'arp saddr ether': field(6, (packet) => packet.network(8, 6), ARP),
  'arp saddr ip': field(4, (packet) => packet.network(14, 4), ARP),
  'arp daddr ip': field(4, (packet) => packet.network(24, 4), ARP),
  'ip frag-off': field(2, (packet) => packet.network(6, 2), IP),
  'ip saddr': field(4, (packet) => packet.network(12, 4), IP),
  'ip daddr': field(4, (packet) => packet.network(16, 4), IP),
  'ip6 length': field(2, (packet) => packet.network(4, 2), IP6),
  'ip6 nexthdr': field(1, (packet) => packet.network(6, 1), IP6),
  'ip6 saddr': field(16, (packet) => packet.network(8, 16), IP6),
  'meta l4proto': field(1, (packet) => packet.l4proto),
  'udp sport': field(2, (packet) => packet.transport(0, 2), isL4('11')),
  'udp dport': field(2, (packet) => packet.transport(2, 2), isL4('11')),
  'icmp type': field(1, (packet) => packet.transport(0, 1), IP, isL4('01')),
  'igmp type': field(1, (packet) => packet.transport(0, 1), IP, isL4('02')),
  'icmpv6 type': field(1, (packet) => packet.transport(0, 1), IP6, isL4('3a')),
  'frag frag-off': field(2, (packet) => packet.fragment(2, 2, 0xfff8), IP6),
  'frag nexthdr': field(1, (packet) => packet.fragment(0, 1, 0xff), IP6),
};
const RAW = /^@(nh|th),(\d+),(\d+)$/;

/**
 * A field by its name.
 * @throws Error for one that the model does not know
 */
export function fieldOf(name: string): Field {
  const raw = RAW.exec(name);
  const known = FIELDS[name];
  if (known !== undefined) return known;
  if (raw === null) throw new Error(`The model knows no field ${name}.`);
  const [offset, bytes] = [Number(raw[2]) / 8, Number(raw[3]) / 8];
  return field(bytes, (packet) =>
    raw[1] === 'nh' ? packet.network(offset, bytes) : packet.transport(offset, bytes),
  );
}

/**
 * The name of the field with which a text begins.
 * @throws Error where it is none
 */
export function firstName(text: string): string {
  const name = /^([io]ifname|@(?:nh|th),\d+,\d+)(?= )/.exec(text)?.[0];
  const known = Object.keys(FIELDS).find((each) => text.startsWith(`${each} `));
  if (name === undefined && known === undefined) throw new Error(`The model knows no field in "${text}".`);
  return name ?? known ?? '';
}
