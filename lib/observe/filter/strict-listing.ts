import { deviceChainElement, INGRESS, ROUTED, SET_TYPES } from '../../filter/strict-elements.ts';
import { BRIDGE_SETS, FORMER_SETS, ROUTED_TABLE } from '../../filter/strict-hooks.ts';
import { CUSTOM_CHAIN, INGRESS_TABLE, STRICT_TABLE } from '../../filter/strict-rules.ts';
import { parsePrefix, prefixText } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import { listTable } from './nft-table.ts';

/** The content of the strict table, as nft lists it. */
export interface StrictListing {
  /**
   * The number of rules of each chain, one more for base chains; without the administrator's own chain and those of
   * devices. Names in the tables of the families netdev and inet have the family before them.
   */
  readonly chains: ReadonlyMap<string, number>;
  /**
   * The elements of sets and maps, by the port in their key, as `elementLine` takes them; those of ranges as the kernel has
   * them, in blocks.
   */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** The elements of sets that several ports share, as their records have them: `untracked_macs { 00:16:3e:00:00:01 }`. */
  readonly common: readonly string[];
  /** The sets of a version before, with the family before their names: nothing else is said of them. */
  readonly former: readonly string[];
  /** The verdict for each port's frames, from the map of all guests: "jump guest". */
  readonly verdicts: ReadonlyMap<string, string>;
}

/**
 * Lists the strict table, in all families.
 * @param system the way to nft
 * @returns undefined where there is none
 */
export function listStrictTable(system: System): StrictListing | undefined {
  const found: Found = {
    chains: new Map(),
    elements: new Map(),
    common: [],
    former: [],
    verdicts: new Map(),
  };
  if (!addListing(system, STRICT_TABLE, '', found)) return undefined;
  addListing(system, INGRESS_TABLE, INGRESS, found);
  addListing(system, ROUTED_TABLE, ROUTED, found);
  return found;
}

/** What is found, before it is only read. */
interface Found {
  readonly chains: Map<string, number>;
  readonly elements: Map<string, string[]>;
  readonly common: string[];
  readonly former: string[];
  readonly verdicts: Map<string, string>;
}

function addElement(found: Found, port: string, element: string): void {
  const own = found.elements.get(port);
  if (own === undefined) found.elements.set(port, [element]);
  else own.push(element);
}

/** The sets whose elements name no port: a guest's cards, and a card's names before and after, share them. */
const COMMON_SETS: ReadonlySet<string> = new Set(['untracked_macs', 'untracked4', 'untracked6']);

/** The sets whose elements tell of guests, by the prefix of their table; nft lists those of the family inet. */
const GUESTS_SETS: Readonly<Record<string, typeof SET_TYPES>> = {
  '': guestsSets([]),
  [INGRESS]: guestsSets(BRIDGE_SETS),
};

function guestsSets(but: readonly string[]): typeof SET_TYPES {
  const all = Object.entries(SET_TYPES).filter(
    ([name, { key }]) =>
      !but.includes(name) && (COMMON_SETS.has(name) || key[0]?.endsWith('ifname') === true),
  );
  return Object.fromEntries(all);
}

/** A chain that tables have since ranges are blocks. */
const TODAYS_CHAIN = 'ip_range_guard';

/** @returns whether the table is there */
function addListing(system: System, table: string, prefix: string, found: Found): boolean {
  const sets = GUESTS_SETS[prefix];
  const listed = sets === undefined ? undefined : system.listTable?.(table, sets);
  // Only nft tells of the sets of a version before, whose table lacks this chain.
  const isOfToday = listed?.chains.some(({ name }) => name === TODAYS_CHAIN) === true;
  if (listed === undefined || !isOfToday) return addByNft(system, table, prefix, found);
  for (const { name, hook, device = '' } of listed.chains) {
    const rules = listed.rules.get(name) ?? 0;
    if (name.includes('/')) addDeviceChain(found, name, { hook: DEVICE_HOOKS[hook ?? -1], device, rules });
    else if (name !== CUSTOM_CHAIN)
      found.chains.set(`${prefix}${name}`, rules + (hook === undefined ? 0 : 1));
  }
  for (const [set, elements] of listed.elements)
    for (const { key, verdict } of elements) {
      const [port = '', ...rest] = key;
      if (COMMON_SETS.has(set)) found.common.push(`${prefix}${set} { ${port} }`);
      else addElement(found, port, `${prefix}${set} { ${[`"${port}"`, ...rest].join(' . ')} }`);
      if (verdict !== undefined) found.verdicts.set(port, verdict);
    }
  return true;
}

/** The hooks of the family netdev (NF_NETDEV_INGRESS and NF_NETDEV_EGRESS). */
const DEVICE_HOOKS: Readonly<Record<number, string>> = { 0: 'ingress', 1: 'egress' };

function addDeviceChain(found: Found, name: string, chain: Parameters<typeof deviceChainElement>[1]): void {
  const made = deviceChainElement(name, chain);
  if (made !== undefined) addElement(found, chain.device, made);
}

/** @returns whether the table is there */
function addByNft(system: System, table: string, prefix: string, found: Found): boolean {
  const listing = listTable(system, table);
  if (listing.status !== 0) return false;
  for (const [, kind, name = '', body = ''] of listing.stdout.matchAll(
    /^\t(\w+) (\S+) \{\n([\s\S]*?)^\t\}/gm,
  )) {
    const lines = body
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    if (kind === 'chain' && name.includes('/')) {
      const [, hook, device = ''] = /^type filter hook (\w+) device "([^"]+)"/.exec(lines[0] ?? '') ?? [];
      addDeviceChain(found, name, { hook, device, rules: lines.length - 1 });
      continue;
    }
    if (kind === 'chain') {
      if (name !== CUSTOM_CHAIN) found.chains.set(`${prefix}${name}`, lines.length);
      continue;
    }
    if (FORMER_SETS.has(name)) {
      found.former.push(`${prefix}${name}`);
      continue;
    }
    const [, inside = ''] = /elements = \{([\s\S]*)\}/.exec(body) ?? [];
    if (COMMON_SETS.has(name))
      found.common.push(...keysIn(inside).map((key) => `${prefix}${name} { ${key} }`));
    for (const { port, element } of portElementsIn(`${prefix}${name}`, inside))
      addElement(found, port, element);
    for (const [, port = '', verdict = ''] of inside.matchAll(/"([^"]+)" : (\w+ [\w-]+)/g))
      found.verdicts.set(port, verdict);
  }
  return true;
}

/**
 * The elements of a set that name a port, as records have them.
 * @param set the set's name
 * @param inside what nft lists between the braces
 */
export function portElementsIn(
  set: string,
  inside: string,
): { readonly port: string; readonly element: string }[] {
  return [...inside.matchAll(/"([^"]+)"((?: \. [^\s,]+)*)/g)].map(([, port = '', rest = '']) => ({
    port,
    element: `${set} { "${port}"${rest} }`,
  }));
}

/** MAC addresses as they are, addresses with their length, which nft leaves out for a single one. */
function keysIn(inside: string): string[] {
  const words = inside.split(/[\s,]+/).filter(Boolean);
  return words.flatMap((word) => {
    if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(word)) return [word];
    const prefix = parsePrefix(word);
    return prefix === undefined ? [] : [prefixText(prefix)];
  });
}

/** How many packets of a guest were dropped. */
export interface Drops {
  readonly packets: number;
  readonly bytes: number;
}

/**
 * How many packets of each guest the strict filter dropped, by the port's name.
 * @param system the way to nft
 */
export function readDrops(system: System): ReadonlyMap<string, Drops> {
  const drops = new Map<string, Drops>();
  for (const table of [STRICT_TABLE, INGRESS_TABLE]) {
    const listing = system.run(['nft', 'list', 'set', ...table.split(' '), 'refused'], { isListing: true });
    for (const [, port = '', packets, bytes] of listing.stdout.matchAll(
      /"([^"]+)" counter packets (\d+) bytes (\d+)/g,
    )) {
      const { packets: before, bytes: length } = drops.get(port) ?? { packets: 0, bytes: 0 };
      drops.set(port, { packets: before + Number(packets), bytes: length + Number(bytes) });
    }
  }
  return drops;
}
