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
import { BASES, BASES_ON_DEMAND, CHAINS, CUSTOM_CHAIN, SETS, STRICT_TABLE } from './strict-rules.ts';

/** A guest's port in the strict filter. */
export interface StrictGuest {
  /** The port's name, vif or tap. */
  readonly port: string;
  /** In lower case, from xenstore. */
  readonly mac: string;
  /** The guest's addresses and ranges; without any only its MAC address is checked. */
  readonly addresses: readonly Prefix[];
  readonly mode: LockingMode;
  /**
   * Set where the guest's frames bypass connection tracking: the host's MAC addresses, to which frames stay tracked.
   */
  readonly untrackedBut?: readonly string[] | undefined;
}

/**
 * The commands that make the strict table or restore its rules. Guests' elements stay, and the administrator's chain
 * `xen-network-custom`, through which everything that a guest may send goes, is made where it is missing and never
 * changed.
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
 * The commands for the base chains that only some elements need.
 * @param elements the elements that will be in the sets
 * @returns lines for `nft -f -`; empty for most guests
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

/** Replaces the rules of a chain, within the one transaction. */
function chainRules(name: string, rules: readonly string[]): string[] {
  return [
    `flush chain ${STRICT_TABLE} ${name}`,
    ...rules.map((rule) => `add rule ${STRICT_TABLE} ${name} ${rule}`),
  ];
}

/**
 * The elements of a guest, which are all of its rights.
 * @param guest the port, its MAC address, its addresses and its mode
 * @returns elements such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`
 */
export function strictElements(guest: StrictGuest): string[] {
  return [...rightsOf(guest), ...trackingOf(guest)];
}

function trackingOf({ port, mac, mode, untrackedBut }: StrictGuest): string[] {
  if (untrackedBut === undefined || mode === 'disabled') return [];
  const own = [element('untracked', port), ...untrackedBut.map((host) => element('host_macs', port, host))];
  // A tap has the same MAC address as its vif and comes and goes beside it, so only the vif has this element.
  return port.endsWith(TAP_SUFFIX) ? own : [...own, `untracked_macs { ${mac} }`];
}

/**
 * The element that logs a port's dropped packets.
 * @param port the port's name
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
  // A set of ranges accepts none that lies within another.
  const nets = addresses.filter(
    (net) => !isWhole(net) && !addresses.some((other) => other !== net && isWithin(other, net)),
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
