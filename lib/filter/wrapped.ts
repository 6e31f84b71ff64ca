import type { SharedSetting } from '../record/shared-settings.ts';
import { type GuestPort, LIMITED_CHAINS, LIMITED_SETS, limitedElements, TO_HOST } from './limited.ts';

/** The shared setting that stands for a bridge's table. */
export type TableSetting = SharedSetting & { readonly kind: 'wrapped' };

/** The beginning of the tables' names. */
const WRAPPED_TABLES = 'bridge xen_network_wrapped_';

/**
 * The table of a bridge under antispoof=yes. It drops what FORWARD does not see: packets that are wrapped otherwise than
 * in one VLAN tag or PPPoE, and packets to the host, from addresses that are not the guest's.
 * @param bridge the bridge's name
 * @returns family and name; "/" and two hex digits replace each character that nft allows in no name
 */
export function wrappedTable(bridge: string): string {
  return WRAPPED_TABLES + bridge.replace(/[^A-Za-z0-9_.]/g, (char) => `/${char.charCodeAt(0).toString(16)}`);
}

/** The base chain, and the chain that checks guests' frames. */
const HOOKED = 'incoming';
const GUESTS = 'from_guests';

/**
 * Other ethertypes that carry IP. By then the kernel has removed a first VLAN tag, so of two tags one is left, and a
 * wrapper behind one tag is visible.
 */
const WRAPPERS: readonly string[] = [
  // A second tag: 802.1Q, 802.1ad and their predecessors.
  ...['0x8100', '0x88a8', '0x9100', '0x9200', '0x9300'],
  // MPLS, provider backbone bridging, TRILL, NSH, Ethernet in Ethernet, the tags of switch chips and of 802.1BR.
  ...['0x8847', '0x8848', '0x88e7', '0x22f3', '0x894f', '0x6558'],
  ...['0xdada', '0xdadb', '0x893f', '0x8926', '0x8909'],
  // PPP as such, compressed TCP/IP, B.A.T.M.A.N., HSR, PRP, MACsec.
  ...['0x880b', '0x876b', '0x4305', '0x892f', '0x88fb', '0x88e5'],
];

/**
 * The chains' rules, in the order in which nft must read them. Rules that match a packet's payload are in chains of
 * their own, since nft before 1.0.7 could not list them otherwise.
 */
const CHAINS: readonly (readonly [name: string, rules: readonly string[]])[] = [
  // Of PPP's protocols iptables sees IP and IPv6, and those from 0x8000 on only negotiate. The rest is compressed or
  // fragmented.
  ['pppoe', ['@nh,48,16 != { 0x0021, 0x0057, 0x8000-0xffff } drop']],
  // 802.3 frames with SNAP (RFC 1042 and 802.1H), which contain an ethertype, and LLC's own number for IP.
  ['llc', ['@nh,0,48 { 0xaaaa03000000, 0xaaaa030000f8 } drop', '@nh,0,16 0x0606 drop']],
  [
    GUESTS,
    [
      `meta protocol { ${WRAPPERS.join(', ')} } drop`,
      'meta protocol vmap { 0x8864 : goto pppoe, 0x0004 : goto llc }',
    ],
  ],
];

/** Runs before br_netfilter, which has priority 0. */
const BASE = '{ type filter hook prerouting priority -290; policy accept; }';

/**
 * Makes a bridge's table, or completes it: it drops guests' IP packets that are wrapped so that iptables does not see
 * them, and so might have any source address, and those to the host that are forged. Elements that are there stay, since
 * a hook may be adding its guest. Where the kernel cannot match a frame's bridge, the rules match guests' ports by name,
 * so that nothing from another bridge's card is dropped.
 * @param setting the bridge, its card and what the kernel can do
 * @param guests the ports of the bridge's guests
 * @returns a line for `nft -f -`
 */
export function wrappedDrops(setting: TableSetting, guests: readonly GuestPort[] = []): string {
  const { bridge, card, byBridge } = setting;
  const table = wrappedTable(bridge);
  const chains = [
    ...CHAINS.map(([name, rules]) => [name, '', rules] as const),
    [HOOKED, BASE, byBridge ? byBridgeRules(bridge) : BY_NAME] as const,
    ...LIMITED_CHAINS,
  ];
  return [
    `add table ${table}`,
    ...[`${byBridge ? OUTSIDE : NAMED} { type ifname; }`, ...LIMITED_SETS].map(
      (set) => `add set ${table} ${set}`,
    ),
    ...chains.flatMap(([name, hook, rules]) => [
      `add chain ${table} ${name}${hook === '' ? '' : ` ${hook}`}`,
      `flush chain ${table} ${name}`,
      ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
    ]),
    ...(byBridge && card !== undefined ? [portLine('add', bridge, `${OUTSIDE} { "${card}" }`)] : []),
    ...guests
      .flatMap((guest) => portElements(setting, guest))
      .map((element) => portLine('add', bridge, element)),
  ].join('; ');
}

/** The set of ports that are no guest's, and that of guests whose name alone does not tell that they are. */
const [OUTSIDE, NAMED] = ['outside', 'guests'];

/**
 * The elements of a guest's port in the table of its bridge.
 * @param setting the table
 * @param guest the port
 * @returns such as `own4 { "vif1.0" . 192.0.2.11 }`
 */
export function portElements(setting: TableSetting, guest: GuestPort): string[] {
  const isNamed = !setting.byBridge && !/^(vif|tap)/.test(guest.name);
  return [...(isNamed ? [`${NAMED} { "${guest.name}" }`] : []), ...limitedElements(guest)];
}

/**
 * The nft command that adds an element to the table of a bridge, or deletes it there.
 * @param verb what to do
 * @param bridge the bridge's name
 * @param element one of `portElements`
 */
export function portLine(verb: 'add' | 'delete', bridge: string, element: string): string {
  return `${verb} element ${wrappedTable(bridge)} ${element}`;
}

/** The host's own port, in the classic topology. */
const OWN = 'iifname "vif0.*" return';

/** Checks all ports of the bridge except the host's own and cards. */
function byBridgeRules(bridge: string): string[] {
  return [`meta ibrname != "${bridge}" return`, OWN, 'iifname @outside return', `goto ${GUESTS}`];
}

const BY_NAME: readonly string[] = [
  OWN,
  ...['"vif*"', '"tap*"', '@guests'].map((name) => `iifname ${name} goto ${GUESTS}`),
];

/**
 * Removes a bridge's table, if it still exists.
 * @param bridge the bridge's name
 * @returns a line for `nft -f -`
 */
export function wrappedRemoval(bridge: string): string {
  return `add table ${wrappedTable(bridge)}; delete table ${wrappedTable(bridge)}`;
}

/**
 * Whether a table has all its chains and sets: an earlier version made fewer, and others.
 * @param listing what `nft list table` prints of it
 */
export function isWholeTable(listing: string): boolean {
  const hasChains = [HOOKED, TO_HOST].every((name) =>
    listing.includes(`\tchain ${name} {\n\t\ttype filter hook `),
  );
  return hasChains && LIMITED_SETS.every((set) => listing.includes(`\tset ${set.replace(/\{.*/, '{')}\n`));
}
