import {
  ipv4Octets,
  ipv6Groups,
  isWithin,
  linkLocal,
  type Prefix,
  prefixText,
} from '../request/addresses.ts';
import type { LockingMode } from '../request/arguments.ts';
import { TAP_SUFFIX } from '../request/names.ts';
import type { VlanRange } from '../request/vlan.ts';
import { INGRESS, placeOf, ROUTED, withRanged } from './strict-elements.ts';
import { BASES, BASES_ON_DEMAND, BRIDGE_SETS, ROUTED_SETS, ROUTED_TABLE, SETS } from './strict-hooks.ts';
import { CHAINS, CUSTOM_CHAIN, INGRESS_TABLE, STRICT_TABLE } from './strict-rules.ts';

/** How a guest's device is attached to the network: to a Linux bridge, by routes, or to the kernel's Open vSwitch. */
export type StrictPlace = 'bridged' | 'routed' | 'switched';

/** A guest's port in the strict filter. */
export interface StrictGuest {
  /** The port's name, vif or tap. */
  readonly port: string;
  readonly place: StrictPlace;
  /** In lower case, from xenstore. */
  readonly mac: string;
  /** The guest's addresses and ranges; without any a guest's MAC address alone is checked, unless it is routed. */
  readonly addresses: readonly Prefix[];
  readonly mode: LockingMode;
  /** The VLANs whose tag the guest may use; frames with any other tag are dropped. */
  readonly vlans?: readonly Pick<VlanRange, 'from' | 'to'>[];
  /**
   * Set where the guest's frames bypass connection tracking: the host's MAC addresses, to which frames stay tracked.
   */
  readonly untrackedBut?: readonly string[] | undefined;
  /** Set where a routed guest's packets bypass connection tracking. */
  readonly untracked?: boolean;
  /** Whether a chain of its device keeps a disabled routed guest from receiving; otherwise a rule of IP does. */
  readonly isDeafByChain?: boolean;
}

/**
 * The commands that make the strict table or restore its rules. Guests' elements stay, and the administrator's chain
 * `xen-network-custom`, through which everything that a guest may send goes, is made where it is missing and never
 * changed.
 * @returns lines for `nft -f -`
 */
export function strictBase(): string[] {
  return [
    ...tableLines(STRICT_TABLE, SETS),
    ...BASES.flatMap((base) => baseChain(STRICT_TABLE, base)),
    ...tableLines(
      INGRESS_TABLE,
      SETS.filter((set) => !BRIDGE_SETS.some((name) => set.startsWith(`set ${name} `))),
    ),
    `add table ${ROUTED_TABLE}`,
    ...setLines(ROUTED_TABLE, ROUTED_SETS),
  ];
}

function tableLines(table: string, sets: readonly string[]): string[] {
  return [
    `add table ${table}`,
    ...setLines(table, sets),
    `add chain ${table} ${CUSTOM_CHAIN}`,
    ...CHAINS.map(([name]) => `add chain ${table} ${name}`),
    ...CHAINS.flatMap(([name, rules]) => chainRules(table, name, rules)),
  ];
}

function setLines(table: string, sets: readonly string[]): string[] {
  return sets.map((set) => set.replace(/^(set|map) /, `add $1 ${table} `));
}

/**
 * The commands for the base chains that only some elements need.
 * @param elements the elements that will be in the sets
 * @returns lines for `nft -f -`; empty for most guests
 */
export function strictExtras(elements: readonly string[]): string[] {
  const used = Object.entries(BASES_ON_DEMAND).filter(([set]) =>
    elements.some((element) => element.startsWith(`${set} `)),
  );
  return used.flatMap(([set, chain]) => baseChain(placeOf(set)[0], chain));
}

function baseChain(
  table: string,
  [name, hook, rules]: readonly [string, string, readonly string[]],
): string[] {
  return [
    `add chain ${table} ${name} { type filter hook ${hook}; policy accept; }`,
    ...chainRules(table, name, rules),
  ];
}

/** Replaces the rules of a chain, within the one transaction. */
function chainRules(table: string, name: string, rules: readonly string[]): string[] {
  return [`flush chain ${table} ${name}`, ...rules.map((rule) => `add rule ${table} ${name} ${rule}`)];
}

/**
 * The elements of a guest, which are all of its rights.
 * @param guest the port, its MAC address, its addresses and its mode
 * @returns elements such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`, as `elementLine` takes them
 */
export function strictElements(guest: StrictGuest): string[] {
  if (guest.place === 'bridged') return [...rightsOf(guest), ...trackingOf(guest), ...linkLocalOf(guest)];
  return [
    ...rightsOf(guest).map((each) => `${INGRESS}${each}`),
    ...deafnessOf(guest),
    ...(guest.mode === 'unlocked' ? [] : moreOf(guest)),
    ...routedTrackingOf(guest).map((each) => `${ROUTED}${each}`),
    `${INGRESS}${element('from', guest.port)}`,
  ];
}

function deafnessOf({ port, mode, isDeafByChain = true }: StrictGuest): string[] {
  if (mode !== 'disabled') return [];
  return [isDeafByChain ? `${INGRESS}${element('to', port)}` : `${ROUTED}${element('disabled', port)}`];
}

function routedTrackingOf({ port, mode, addresses, untracked }: StrictGuest): string[] {
  if (untracked !== true || mode === 'disabled') return [];
  const outer = addresses.filter((net) => !addresses.some((other) => other !== net && isWithin(other, net)));
  const own = outer.map((net) => `untracked${net.family} { ${prefixText(net)} }`);
  // A tap has the same addresses as its vif and comes and goes beside it, so only the vif has these elements.
  return port.endsWith(TAP_SUFFIX) ? [element('untracked', port)] : [element('untracked', port), ...own];
}

/** What keeps a bridged guest from the groups that bridges keep to themselves, and counts it. */
function linkLocalOf(guest: StrictGuest): string[] {
  if (guest.mode === 'unlocked') return [];
  return [`${INGRESS}${element('refused', guest.port)}`, groupsOfBridges(guest)];
}

/** What drops a guest's packets once its device has another name; a switch's port has its groups besides. */
function moreOf(guest: StrictGuest): string[] {
  if (guest.place === 'routed') return [`${ROUTED}${element('held', guest.port)}`];
  return [groupsOfBridges(guest), `${INGRESS}${element('named', guest.port)}`];
}

const groupsOfBridges = ({ port }: StrictGuest): string => `${INGRESS}${element('groups', port)}`;

function trackingOf({ port, mac, mode, untrackedBut }: StrictGuest): string[] {
  if (untrackedBut === undefined || mode === 'disabled') return [];
  const own = [element('untracked', port), ...untrackedBut.map((host) => element('host_macs', port, host))];
  // A tap has the same MAC address as its vif and comes and goes beside it, so only the vif has this element.
  return port.endsWith(TAP_SUFFIX) ? own : [...own, `untracked_macs { ${mac} }`];
}

/**
 * The element that logs a port's dropped packets.
 * @param port the port's name
 * @param elements the port's other elements, which tell the table
 */
export function loggedElement(port: string, elements: readonly string[]): string {
  const isIngress = elements.some((each) => each.startsWith(`${INGRESS}guests `));
  return `${isIngress ? INGRESS : ''}${element('logged', port)}`;
}

function rightsOf(guest: StrictGuest): string[] {
  const { port, mac, mode } = guest;
  const verdict = (text: string) => `guests { "${port}" : ${text} }`;
  if (mode === 'unlocked') return [verdict(`jump ${CUSTOM_CHAIN}`)];
  const refused = element('refused', port);
  if (mode === 'disabled')
    return [
      refused,
      ...(guest.place === 'bridged' ? [element('disabled', port)] : []),
      verdict('goto refuse'),
    ];
  // A packet is routed to a guest only by one of its addresses, so a routed guest without any has none.
  const any = guest.addresses.length === 0 && guest.place !== 'routed';
  return [
    refused,
    element('macs', port, mac),
    element('hw', port, `0x${mac.replaceAll(':', '')}`),
    ...(guest.vlans ?? []).map(({ from, to }) =>
      element('vlans', port, from === to ? `${from}` : `${from}-${to}`),
    ),
    ...(any ? [element('anyaddress', port)] : addressElements(guest)),
    verdict(any ? 'jump anyguest' : 'jump guest'),
  ];
}

function addressElements({ port, mac, addresses }: StrictGuest): string[] {
  const isWhole = ({ family, length }: Prefix) => length === (family === 4 ? 32 : 128);
  const hosts = addresses.filter(isWhole);
  // A range within another would take blocks of it along when it goes.
  const nets = addresses.filter(
    (net) => !isWhole(net) && !addresses.some((other) => other !== net && isWithin(other, net)),
  );
  const of = (list: readonly Prefix[], family: 4 | 6) => list.filter((prefix) => prefix.family === family);
  const local = linkLocal(mac);
  const own6 = new Set([
    ...of(hosts, 6).map((prefix) => prefix.address),
    ...(local === undefined ? [] : [local]),
  ]);
  return withRanged(port, [
    ...of(hosts, 4).flatMap((prefix) => [
      element('own4', port, mac, prefix.address),
      element('leases', port, number(groupsOf(prefix))),
    ]),
    ...of(nets, 4).flatMap((prefix) => [
      element('net4', port, prefixText(prefix)),
      element('lease_nets', port, rangeOf(prefix)),
    ]),
    ...[...own6].flatMap((address) => [
      element('own6', port, mac, address),
      element('targets', port, number(groupsOf({ family: 6, address }))),
    ]),
    ...of(nets, 6).flatMap((prefix) => [
      element('net6', port, prefixText(prefix)),
      element('target_nets', port, rangeOf(prefix)),
    ]),
  ]);
}

function element(set: string, port: string, ...rest: string[]): string {
  return `${set} { ${[`"${port}"`, ...rest].join(' . ')} }`;
}

/** An address as one hexadecimal number. */
function number(groups: readonly number[]): string {
  return `0x${groups.map((group) => group.toString(16).padStart(4, '0')).join('')}`;
}

function rangeOf(prefix: Prefix): string {
  const last = groupsOf(prefix).map(
    (group, i) => group | (0xffff >> Math.min(Math.max(prefix.length - i * 16, 0), 16)),
  );
  return `${number(groupsOf(prefix))}-${number(last)}`;
}

/** An address in groups of 16 bits. */
function groupsOf({ family, address }: Pick<Prefix, 'family' | 'address'>): number[] {
  if (family === 6) return ipv6Groups(address) ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = ipv4Octets(address) ?? [];
  return [a * 256 + b, c * 256 + d];
}
