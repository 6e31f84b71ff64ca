import {
  BLOCKS_4,
  BLOCKS_6,
  blockMasks,
  LEASE_BLOCKS,
  TARGET_BLOCKS,
  VLAN_BLOCKS,
} from '../request/blocks.ts';

/** The strict table. Everything in it is ours, except one chain that is reserved for the administrator. */
export const STRICT_TABLE = 'bridge xen_network';

/** The same for guests on no Linux bridge: its chains see a device's frames before IP and Open vSwitch do. */
export const INGRESS_TABLE = 'netdev xen_network';

/** The administrator's own chain. Everything that guests may send goes through it, and we never change it. */
export const CUSTOM_CHAIN = 'xen-network-custom';

/** A chain's name and its rules. */
export type Chain = readonly [name: string, rules: readonly string[]];

/**
 * Later fragments pass: without the first one, which is checked, they are useless, and some kernels would read their
 * data as a header.
 */
const LATER = 'ip frag-off & 0x1fff != 0 return';

/** Options of secure neighbour discovery (RFC 3971): CGA, RSA signature, timestamp and nonce, none without a length. */
const SECURE = '{ 0x0b01-0x0bff, 0x0c01-0x0cff, 0x0d02, 0x0e01-0x0eff }';

/** One tag of 802.1Q, with a VLAN that the guest has. Ranges have chains of their own: only guests with them take the time. */
const OWN_TAG: readonly string[] = [
  'ether type 8021q iifname . vlan id @tags',
  ...blockMasks(VLAN_BLOCKS).map((mask) => `ether type 8021q iifname . vlan id ${mask} @tag_blocks`),
];
const inBlocks4 = blockMasks(BLOCKS_4).map((mask) => `${mask} @blocks4`);
const inBlocks6 = blockMasks(BLOCKS_6).map((mask) => `${mask} @blocks6`);

/**
 * The chains in the order in which nft must read them: a chain comes before those that jump to it. Behind `guest_guard` and
 * `mac_guard` a frame may have a tag, which `ether type` would tell of, and nft adds `ether type` by itself where a rule
 * is about ARP, ICMP or a fragment header; so such rules begin with `meta protocol`.
 */
export const CHAINS: readonly Chain[] = [
  ['refuse', ['iifname @logged log prefix "xen-network drops: "', 'iifname @refused drop', 'drop']],
  // A DHCP request must be about the guest's own card and address, so that nobody takes or releases another's lease.
  [
    'lease_range_guard',
    [
      ...blockMasks(LEASE_BLOCKS).map((mask) => `iifname . @th,160,32 ${mask} @lease_blocks return`),
      'goto refuse',
    ],
  ],
  [
    'lease_guard',
    [
      '@th,160,32 0 return',
      'iifname . @th,160,32 @leases return',
      'iifname @anyaddress return',
      'iifname @ranged4 goto lease_range_guard',
      'goto refuse',
    ],
  ],
  [
    'dhcp_guard',
    [
      // In a fragmented request the filter might read the card's address from the frame's padding.
      'ip frag-off & 0x3fff != 0 goto refuse',
      // A request from an Ethernet card that no relay has passed on.
      '@th,64,24 0x010106 @th,256,32 0 iifname . @th,288,48 @hw goto lease_guard',
      'goto refuse',
    ],
  ],
  [
    'udp_guard',
    [
      LATER,
      'udp dport 67 goto dhcp_guard',
      // Only a DHCP server sends to port 68.
      'udp dport != 68 return',
      'goto refuse',
    ],
  ],
  // Messages that only a router sends.
  [
    'icmp_guard',
    [LATER, 'meta protocol ip icmp type { redirect, router-advertisement } goto refuse', 'return'],
  ],
  ['igmp_guard', [LATER, 'meta protocol ip igmp type { membership-query, 48, 50 } goto refuse', 'return']],
  [
    'ip_service_guard',
    [
      // A PIM hello (103) makes snooping bridges take a guest for a multicast router and send it the packets of all
      // groups.
      'meta l4proto vmap { icmp : goto icmp_guard, igmp : goto igmp_guard, udp : goto udp_guard, 103 : goto refuse }',
      // A header that cannot be read has no protocol, and no comparison with it is true.
      'meta l4proto != 255 return',
      'goto refuse',
    ],
  ],
  [
    'ip_range_guard',
    [...inBlocks4.map((blocks) => `iifname . ip saddr ${blocks} goto ip_service_guard`), 'goto refuse'],
  ],
  [
    'ip_guard',
    [
      // Before a guest has an address it may ask for one, and join groups.
      'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 goto dhcp_guard',
      'ip saddr 0.0.0.0 ip frag-off & 0x3fff == 0 igmp type { membership-report-v1, membership-report-v2, membership-report-v3 } return',
      'iifname @ranged4 goto ip_range_guard',
      'goto refuse',
    ],
  ],
  [
    'arp_range_guard',
    [
      ...inBlocks4.map((blocks) => `meta protocol arp iifname . arp saddr ip ${blocks} return`),
      'meta protocol arp arp operation != request goto refuse',
      'meta protocol arp arp saddr ip != 0.0.0.0 goto refuse',
      ...inBlocks4.map((blocks) => `meta protocol arp iifname . arp daddr ip ${blocks} return`),
      'goto refuse',
    ],
  ],
  [
    'arp_guard',
    [
      // Only Ethernet and IPv4 with addresses of 6 and 4 bytes, since otherwise the offsets below are wrong; only
      // requests and replies.
      'meta protocol arp @nh,0,64 != { 0x0001080006040001, 0x0001080006040002 } goto refuse',
      'meta protocol arp iifname . arp saddr ether . arp saddr ip @own4 return',
      'iifname @anyaddress meta protocol arp iifname . arp saddr ether @macs return',
      'meta protocol arp iifname . arp saddr ether != @macs goto refuse',
      // Duplicate address detection (RFC 5227) asks for an address before the guest uses it.
      'meta protocol arp arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @own4 return',
      'iifname @ranged4 goto arp_range_guard',
      'goto refuse',
    ],
  ],
  [
    'target_range_guard',
    [
      ...blockMasks(TARGET_BLOCKS).map((mask) => `iifname . @th,64,128 ${mask} @target_blocks return`),
      'goto refuse',
    ],
  ],
  [
    'target_guard',
    [
      'iifname . @th,64,128 @targets return',
      'iifname @anyaddress return',
      'iifname @ranged6 goto target_range_guard',
      'goto refuse',
    ],
  ],
  // Neighbour discovery must have exactly the form that honest guests use. No extension header may come before it,
  // behind which it would be hidden from filters (RFC 6980). There is one option at most, so that all readers see the
  // same. The options of secure neighbour discovery may follow the card's address: of two such addresses readers take
  // the first.
  [
    'router_solicit_guard',
    [
      'ip6 nexthdr != icmpv6 goto refuse',
      'ip6 length 8 return',
      'ip6 length 16 @th,64,16 0x0101 iifname . @th,80,48 @hw return',
      `@th,64,16 0x0101 iifname . @th,80,48 @hw @th,128,16 ${SECURE} return`,
      'goto refuse',
    ],
  ],
  [
    'solicit_guard',
    [
      'ip6 nexthdr != icmpv6 goto refuse',
      // Duplicate address detection has no source address, so it may only ask for the guest's own address; a nonce (RFC
      // 7527) is its only option.
      'ip6 saddr :: ip6 length 24 goto target_guard',
      'ip6 saddr :: ip6 length 32 @th,192,16 0x0e01 goto target_guard',
      // Without a source address nobody uses a card's address in an option (RFC 4861, 7.1.1).
      'ip6 saddr :: @th,192,16 0x0b01-0x0bff goto target_guard',
      'ip6 saddr :: goto refuse',
      'ip6 length 24 return',
      'ip6 length 32 @th,192,16 0x0101 iifname . @th,208,48 @hw return',
      `@th,192,16 0x0101 iifname . @th,208,48 @hw @th,256,16 ${SECURE} return`,
      'goto refuse',
    ],
  ],
  [
    'advert_guard',
    [
      'ip6 nexthdr != icmpv6 goto refuse',
      'ip6 length 24 goto target_guard',
      'ip6 length 32 @th,192,16 0x0201 iifname . @th,208,48 @hw goto target_guard',
      `@th,192,16 0x0201 iifname . @th,208,48 @hw @th,256,16 ${SECURE} goto target_guard`,
      'goto refuse',
    ],
  ],
  [
    'icmp6_guard',
    [
      // Options in a first fragment can push what follows out of it and so out of the filter's sight (RFC 7113).
      'ip6 nexthdr != icmpv6 frag nexthdr { 0, 43, 44, 51, 60 } goto refuse',
      'meta protocol ip6 icmpv6 type vmap { nd-router-solicit : goto router_solicit_guard, nd-neighbor-solicit : goto solicit_guard, nd-neighbor-advert : goto advert_guard }',
      // Messages that only a router sends: queries, advertisements, redirects, renumbering, certification, multicast
      // routers.
      'meta protocol ip6 icmpv6 type { mld-listener-query, nd-router-advert, nd-redirect, router-renumbering, 149, 151, 153 } goto refuse',
      'meta protocol ip6 icmpv6 type != 255 return',
      // A later fragment has no type, and is useless without the first one, which has been checked.
      'meta protocol ip6 frag frag-off > 0 return',
      'goto refuse',
    ],
  ],
  // Messages of a client to a DHCPv6 server (RFC 8415; RFC 7341, 20; RFC 9686, 36), not those between relays and
  // servers.
  [
    'dhcp6_guard',
    ['ip6 nexthdr != udp goto refuse', '@th,64,8 { 1, 3, 4, 5, 6, 8, 9, 11, 20, 36 } return', 'goto refuse'],
  ],
  // Only a DHCPv6 server sends to port 546.
  [
    'udp6_guard',
    [
      'ip6 nexthdr != udp frag nexthdr { 0, 43, 44, 51, 60 } goto refuse',
      'udp dport 547 goto dhcp6_guard',
      'udp dport != 546 return',
      'meta protocol ip6 frag frag-off > 0 return',
      'goto refuse',
    ],
  ],
  // Some kernels follow a chain of headers only up to the authentication header.
  ['ah_guard', ['@th,0,8 { 0, 43, 44, 51, 58, 60, 135, 139, 140, 253, 254 } goto refuse', 'return']],
  // No kernel follows it beyond mobility (135), HIP (139), Shim6 (140) and the experimental headers (253, 254); a
  // reader may go on to what is behind them, which the filter has not seen.
  ['header_guard', ['@th,0,8 { 0, 17, 43, 44, 51, 58, 60, 135, 139, 140, 253, 254 } goto refuse', 'return']],
  [
    'ip6_service_guard',
    [
      'meta l4proto vmap { icmpv6 : goto icmp6_guard, udp : goto udp6_guard, ah : goto ah_guard, 103 : goto refuse }',
      'meta l4proto { 135, 139, 140, 253, 254 } goto header_guard',
      // A chain of headers that cannot be followed to its end has no protocol, and no comparison with it is true.
      'meta l4proto != 59 return',
      'goto refuse',
    ],
  ],
  [
    'ip6_range_guard',
    [...inBlocks6.map((blocks) => `iifname . ip6 saddr ${blocks} goto ip6_service_guard`), 'goto refuse'],
  ],
  [
    'ip6_guard',
    [
      'ip6 saddr :: icmpv6 type { nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld2-listener-report, mld-listener-done } goto icmp6_guard',
      'iifname @ranged6 goto ip6_range_guard',
      'goto refuse',
    ],
  ],
  // A frame with one tag of 802.1Q, whose VLAN is one of the guest's own, is checked like one without. By now the kernel
  // has taken the tag out of the frame: `meta protocol` is what follows it, and so a second tag is no known protocol.
  [
    'inner_guard',
    [
      'meta protocol ip iifname . ether saddr . ip saddr @own4 goto ip_service_guard',
      'meta protocol ip6 iifname . ether saddr . ip6 saddr @own6 goto ip6_service_guard',
      'meta protocol vmap { arp : goto arp_guard, ip : goto ip_guard, ip6 : goto ip6_guard }',
      'meta protocol @ethertypes return',
      'goto refuse',
    ],
  ],
  ['tagged_guard', [...OWN_TAG.map((own) => `${own} goto inner_guard`), 'goto refuse']],
  [
    'any_inner_guard',
    [
      'meta protocol vmap { arp : goto arp_guard, ip : goto ip_service_guard, ip6 : goto ip6_service_guard }',
      'meta protocol @ethertypes return',
      'goto refuse',
    ],
  ],
  ['any_tagged_guard', [...OWN_TAG.map((own) => `${own} goto any_inner_guard`), 'goto refuse']],
  [
    'guest_guard',
    [
      'ether type ip iifname . ether saddr . ip saddr @own4 goto ip_service_guard',
      'ether type ip6 iifname . ether saddr . ip6 saddr @own6 goto ip6_service_guard',
      'iifname . ether saddr != @macs goto refuse',
      'ether type vmap { arp : goto arp_guard, ip : goto ip_guard, ip6 : goto ip6_guard, 8021q : goto tagged_guard }',
      'ether type @ethertypes return',
      'goto refuse',
    ],
  ],
  [
    'mac_guard',
    [
      'iifname . ether saddr != @macs goto refuse',
      'ether type vmap { arp : goto arp_guard, ip : goto ip_service_guard, ip6 : goto ip6_service_guard, 8021q : goto any_tagged_guard }',
      'ether type @ethertypes return',
      'goto refuse',
    ],
  ],
  ['guest', ['jump guest_guard', `jump ${CUSTOM_CHAIN}`]],
  ['anyguest', ['jump mac_guard', `jump ${CUSTOM_CHAIN}`]],
];
