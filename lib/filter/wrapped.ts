import type { Claim } from '../record/shared-settings.ts';

/** How the names of the tables begin. */
const WRAPPED_TABLES = 'bridge xen_network_wrapped_';

/**
 * The table of a bridge under antispoof=yes: iptables sees what is behind one VLAN tag and in PPPoE, and nothing of what
 * this drops.
 * @param bridge the bridge's name
 * @returns family and name; "/" and two hex digits stand for what no name in nft may have
 */
export function wrappedTable(bridge: string): string {
  return WRAPPED_TABLES + bridge.replace(/[^A-Za-z0-9_.]/g, (char) => `/${char.charCodeAt(0).toString(16)}`);
}

/** The chain by which frames come, and the one that looks at those of guests. */
const HOOKED = 'incoming';
const GUESTS = 'from_guests';

/**
 * What else carries IP, by ethertype. The kernel has taken a first VLAN tag off by then: what is left of two is one, and
 * the same holds for all that stands behind a tag.
 */
const WRAPPERS: readonly string[] = [
  // A second tag: 802.1Q, 802.1ad and what came before it.
  ...['8021q', '8021ad', '0x9100', '0x9200', '0x9300'],
  // MPLS, provider backbone bridging, TRILL, NSH, Ethernet in Ethernet, the tags of switch chips and of 802.1BR.
  ...['0x8847', '0x8848', '0x88e7', '0x22f3', '0x894f', '0x6558'],
  ...['0xdada', '0xdadb', '0x893f', '0x8926', '0x8909'],
  // PPP as such, compressed TCP/IP, B.A.T.M.A.N., HSR, PRP, MACsec.
  ...['0x880b', '0x876b', '0x4305', '0x892f', '0x88fb', '0x88e5'],
];

/** The chains' rules, in the order in which nft has to read them; a look into a packet stands in a chain of its own, which nft before 1.0.7 needs to list it. */
const CHAINS: readonly (readonly [name: string, rules: readonly string[]])[] = [
  // Of PPP's protocols iptables sees IP and IPv6; those from 0x8000 on negotiate. The rest is compressed, or in pieces.
  ['pppoe', ['@nh,48,16 != { 0x0021, 0x0057, 0x8000-0xffff } drop']],
  // 802.3 with SNAP, RFC 1042's and 802.1H's, in which ethertypes stand, and LLC's own number of IP.
  ['llc', ['@nh,0,48 { 0xaaaa03000000, 0xaaaa030000f8 } drop', '@nh,0,16 0x0606 drop']],
  [
    GUESTS,
    [
      `meta protocol { ${WRAPPERS.join(', ')} } drop`,
      'meta protocol vmap { 0x8864 : goto pppoe, 0x0004 : goto llc }',
    ],
  ],
];

/** Before br_netfilter, at priority 0. */
const BASE = '{ type filter hook prerouting priority -290; policy accept; }';

/**
 * Makes a bridge's table, anew where it is there: it drops IP that comes from guests wrapped so that iptables does not see
 * it, and so may be anybody's. Where the kernel cannot tell a frame's bridge, only guests' ports are named: what comes by
 * another bridge's card is never dropped.
 * @param claim the bridge, its card and how its guests are told
 * @returns a line for `nft -f -`
 */
export function wrappedDrops({ bridge, card, byBridge }: Claim & { readonly kind: 'wrapped' }): string {
  const table = wrappedTable(bridge);
  const set = byBridge ? 'outside' : 'guests';
  return [
    wrappedRemoval(bridge),
    `add table ${table}`,
    `add set ${table} ${set} { type ifname; }`,
    ...CHAINS.flatMap(([name, rules]) => [
      `add chain ${table} ${name}`,
      ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
    ]),
    `add chain ${table} ${HOOKED} ${BASE}`,
    ...(byBridge ? byBridgeRules(bridge) : BY_NAME).map((rule) => `add rule ${table} ${HOOKED} ${rule}`),
    ...(byBridge && card !== undefined ? [`add element ${table} ${set} { "${card}" }`] : []),
  ].join('; ');
}

/** The host's own port, in the classic topology. */
const OWN = 'iifname "vif0.*" return';

/** All of its ports but the host's own, and cards. */
function byBridgeRules(bridge: string): string[] {
  return [`meta ibrname != "${bridge}" return`, OWN, 'iifname @outside return', `goto ${GUESTS}`];
}

const BY_NAME: readonly string[] = [
  OWN,
  ...['"vif*"', '"tap*"', '@guests'].map((name) => `iifname ${name} goto ${GUESTS}`),
];

/**
 * Takes a bridge's table away, where somebody has not done so already.
 * @param bridge the bridge's name
 * @returns a line for `nft -f -`
 */
export function wrappedRemoval(bridge: string): string {
  return `add table ${wrappedTable(bridge)}; delete table ${wrappedTable(bridge)}`;
}
