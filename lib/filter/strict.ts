import {
  ipv4Octets,
  ipv6Groups,
  linkLocal,
  type Prefix,
  parsePrefix,
  prefixText,
} from '../request/addresses.ts';
import type { LockingMode } from '../request/arguments.ts';
import { TAP_SUFFIX } from '../request/names.ts';
import { BASES, BASES_ON_DEMAND, CHAINS, CUSTOM_CHAIN, SETS, STRICT_TABLE } from './strict-rules.ts';

/** A guest's port, as the strict filter knows it. */
export interface StrictGuest {
  /** The port's name, vif or tap. */
  readonly port: string;
  /** Lower-case, from xenstore. */
  readonly mac: string;
  /** Its addresses and ranges; none means that it is held to its MAC address only. */
  readonly addresses: readonly Prefix[];
  readonly mode: LockingMode;
  /** Set where its frames stay out of connection tracking, but for those to these MAC addresses: the host's. */
  readonly untrackedBut?: readonly string[] | undefined;
}

/**
 * The commands that make the table, or put its rules back: guests stay in the sets, and the administrator's own chain
 * `xen-network-custom`, through which all that a guest may send goes, is made if it is missing and never touched.
 * @returns lines for `nft -f -`
 */
export function strictBase(): string[] {
  return [
    `add table ${STRICT_TABLE}`,
    ...SETS.map((set) => set.replace(/^(set|map) /, `add $1 ${STRICT_TABLE} `)),
    `add chain ${STRICT_TABLE} ${CUSTOM_CHAIN}`,
    ...CHAINS.map(([name]) => `add chain ${STRICT_TABLE} ${name}`),
    ...CHAINS.flatMap(([name, rules]) => chainRules(name, rules)),
    ...BASES.flatMap(baseChain),
  ];
}

/**
 * The commands for those base chains that only some elements need.
 * @param elements what is to be in the sets
 * @returns lines for `nft -f -`; none for most guests
 */
export function strictExtras(elements: readonly string[]): string[] {
  const used = Object.entries(BASES_ON_DEMAND).filter(([set]) =>
    elements.some((element) => element.startsWith(`${set} `)),
  );
  return used.flatMap(([, chain]) => baseChain(chain));
}

function baseChain([name, hook, rules]: readonly [string, string, readonly string[]]): string[] {
  return [
    `add chain ${STRICT_TABLE} ${name} { type filter hook ${hook}; policy accept; }`,
    ...chainRules(name, rules),
  ];
}

/** The rules in place of those that are there, in the one transaction that all of this is. */
function chainRules(name: string, rules: readonly string[]): string[] {
  return [
    `flush chain ${STRICT_TABLE} ${name}`,
    ...rules.map((rule) => `add rule ${STRICT_TABLE} ${name} ${rule}`),
  ];
}

/**
 * What a guest adds to the sets: the whole of its rights.
 * @param guest the port and what it may be
 * @returns elements such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`
 */
export function strictElements(guest: StrictGuest): string[] {
  return [...rightsOf(guest), ...trackingOf(guest)];
}

function trackingOf({ port, mac, mode, untrackedBut }: StrictGuest): string[] {
  if (untrackedBut === undefined || mode === 'disabled') return [];
  const own = [element('untracked', port), ...untrackedBut.map((host) => element('host_macs', port, host))];
  // A tap has its vif's MAC address, and comes and goes beside it.
  return port.endsWith(TAP_SUFFIX) ? own : [...own, `untracked_macs { ${mac} }`];
}

/**
 * The element by which a port's drops are logged.
 * @param port its name
 */
export function loggedElement(port: string): string {
  return element('logged', port);
}

function rightsOf(guest: StrictGuest): string[] {
  const { port, mac, mode } = guest;
  const verdict = (text: string) => `guests { "${port}" : ${text} }`;
  if (mode === 'unlocked') return [verdict(`jump ${CUSTOM_CHAIN}`)];
  const refused = element('refused', port);
  if (mode === 'disabled') return [refused, element('disabled', port), verdict('goto refuse')];
  const any = guest.addresses.length === 0;
  return [
    refused,
    element('macs', port, mac),
    element('hw', port, `0x${mac.replaceAll(':', '')}`),
    ...(any ? [element('anyaddress', port)] : addressElements(guest)),
    verdict(any ? 'jump anyguest' : 'jump guest'),
  ];
}

function addressElements({ port, mac, addresses }: StrictGuest): string[] {
  const isWhole = ({ family, length }: Prefix) => length === (family === 4 ? 32 : 128);
  const hosts = addresses.filter(isWhole);
  // Sets of ranges take none that lies within another.
  const nets = addresses.filter(
    (net) => !isWhole(net) && !addresses.some((other) => other !== net && holds(other, net)),
  );
  const of = (list: readonly Prefix[], family: 4 | 6) => list.filter((prefix) => prefix.family === family);
  const local = linkLocal(mac);
  const own6 = new Set([
    ...of(hosts, 6).map((prefix) => prefix.address),
    ...(local === undefined ? [] : [local]),
  ]);
  return [
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
  ];
}

function element(set: string, port: string, ...rest: string[]): string {
  return `${set} { ${[`"${port}"`, ...rest].join(' . ')} }`;
}

/** Whether a range lies within another. */
function holds(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || outer.length >= inner.length) return false;
  return parsePrefix(`${inner.address}/${outer.length}`)?.address === outer.address;
}

/** An address as the number that it is. */
function number(groups: readonly number[]): string {
  return `0x${groups.map((group) => group.toString(16).padStart(4, '0')).join('')}`;
}

function rangeOf(prefix: Prefix): string {
  const last = groupsOf(prefix).map(
    (group, i) => group | (0xffff >> Math.min(Math.max(prefix.length - i * 16, 0), 16)),
  );
  return `${number(groupsOf(prefix))}-${number(last)}`;
}

/** An address by 16 bits. */
function groupsOf({ family, address }: Pick<Prefix, 'family' | 'address'>): number[] {
  if (family === 6) return ipv6Groups(address) ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = ipv4Octets(address) ?? [];
  return [a * 256 + b, c * 256 + d];
}
