import { isWithin, type Prefix, parsePrefix, prefixText } from '../request/addresses.ts';
import { BLOCKS_4, BLOCKS_6, blockMasks, blocksOf, boundsOf } from '../request/blocks.ts';
import type { RuleSet } from './forward.ts';

/** A guest's port of a bridge. */
export interface GuestPort {
  readonly name: string;
  /** The addresses and ranges from which FORWARD lets it send; undefined where it does not restrict them. */
  readonly sources: readonly Prefix[] | undefined;
}

/** Link-local addresses, which FORWARD accepts from each guest with IPv6 addresses and the kernel never routes. */
const LINK_LOCAL = 'fe80::/10';

/**
 * A guest's port, as its rules in FORWARD describe it.
 * @param name the port's name
 * @param rules its rules, as `vifForwardRules` makes them
 */
export function guestPort(name: string, rules: RuleSet): GuestPort {
  const accepted = [
    ...rules[4].map((rule) => [4, rule] as const),
    ...rules[6].map((rule) => [6, rule] as const),
  ]
    .map(([family, rule]) => ({ family, match: ACCEPTED.exec(rule) }))
    .filter(({ match }) => match?.[2] === name);
  const sources = accepted.flatMap(({ family, match }): Prefix[] => {
    const any: Prefix = { family, address: family === 4 ? '0.0.0.0' : '::', length: 0 };
    const prefix = match?.[1] === undefined ? any : parsePrefix(match[1]);
    return prefix === undefined || prefixText(prefix) === LINK_LOCAL ? [] : [prefix];
  });
  return { name, sources: sources.every(({ length }) => length === 0) ? undefined : sources };
}

/** A rule that accepts everything from an address or range, or from any, by a port. */
const ACCEPTED =
  /^FORWARD (?:-s (\S+) )?-m physdev --physdev-in (\S+) --physdev-is-bridged (?:-m comment .*)?-j ACCEPT$/;

/** The guests that may not send to the host from other addresses than theirs; theirs are in the other sets. */
const LIMITED = 'checked';
/** The chain that sees what a bridge hands to the host. */
export const TO_HOST = 'to_host';
const CHECKED = 'sources';
/** Frames that a bridge hands to the host: those to one of its MAC addresses, and copies of what goes to all. */
const BASE = '{ type filter hook input priority -290; policy accept; }';

/**
 * Sets of a version before, which stay in its table, unasked. Without the set of guests an online finds that the table is
 * one of these and makes the sets of today.
 */
export const FORMER_LIMITED_SETS: ReadonlySet<string> = new Set(['limited', 'net4', 'net6']);

/** The chains for guests with ranges. */
const [RANGES_4, RANGES_6] = ['ranges4', 'ranges6'];

/**
 * The sets by which packets to the host are checked, keyed by port, so that the time for a packet does not grow with the
 * number of guests. Ranges are kept as blocks.
 */
export const LIMITED_SETS: readonly string[] = [
  `${LIMITED} { type ifname; }`,
  'own4 { type ifname . ipv4_addr; }',
  'own6 { type ifname . ipv6_addr; }',
  'ranged4 { type ifname; }',
  'ranged6 { type ifname; }',
  'blocks4 { type ifname . ipv4_addr; }',
  'blocks6 { type ifname . ipv6_addr; }',
];

/**
 * The chains that drop a guest's forged packets to the host, which routes them on or receives them itself. What has no
 * address of the guest yet (DHCP, duplicate address detection) and link-local packets pass; the kernel routes neither.
 * Name, hook and rules of each, in the order in which nft must read them.
 */
export const LIMITED_CHAINS: readonly (readonly [name: string, hook: string, rules: readonly string[]])[] = [
  [
    RANGES_4,
    '',
    [...blockMasks(BLOCKS_4).map((mask) => `iifname . ip saddr ${mask} @blocks4 return`), 'drop'],
  ],
  [
    RANGES_6,
    '',
    [...blockMasks(BLOCKS_6).map((mask) => `iifname . ip6 saddr ${mask} @blocks6 return`), 'drop'],
  ],
  [
    CHECKED,
    '',
    [
      'iifname . ip saddr @own4 return',
      'ip saddr 0.0.0.0 udp sport 68 udp dport 67 return',
      'iifname . ip6 saddr @own6 return',
      `ip6 saddr ${LINK_LOCAL} return`,
      'ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report } return',
      `meta protocol ip iifname @ranged4 goto ${RANGES_4}`,
      `meta protocol ip6 iifname @ranged6 goto ${RANGES_6}`,
      'meta protocol { ip, ip6 } drop',
    ],
  ],
  [TO_HOST, BASE, [`iifname @${LIMITED} goto ${CHECKED}`]],
];

/**
 * The elements of a guest's port in these sets; none where it may send from any address.
 * @param guest the port
 */
export function limitedElements({ name, sources }: GuestPort): string[] {
  if (sources === undefined) return [];
  const isWhole = ({ family, length }: Prefix) => length === (family === 4 ? 32 : 128);
  const nets = sources.filter((prefix) => !isWhole(prefix));
  // A range within another would take blocks of it along when it goes.
  const widest = nets.filter((net) => !nets.some((other) => other !== net && isWithin(other, net)));
  const ranged = ([4, 6] as const).filter((family) => widest.some((net) => net.family === family));
  return [
    `${LIMITED} { "${name}" }`,
    ...sources.filter(isWhole).map(({ family, address }) => `own${family} { "${name}" . ${address} }`),
    ...ranged.map((family) => `ranged${family} { "${name}" }`),
    ...widest.flatMap((net) => {
      const { blocks } = blocksOf(net.family === 4 ? BLOCKS_4 : BLOCKS_6, ...boundsOf(prefixText(net)));
      return blocks.map((block) => `blocks${net.family} { "${name}" . ${block} }`);
    }),
  ];
}
