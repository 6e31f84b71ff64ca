import {
  BLOCKS_4,
  BLOCKS_6,
  type BlockKind,
  blocksOf,
  boundsOf,
  LEASE_BLOCKS,
  TARGET_BLOCKS,
  VLAN_BLOCKS,
} from '../request/blocks.ts';
import { ROUTED_TABLE, SETS } from './strict-hooks.ts';
import { INGRESS_TABLE, STRICT_TABLE } from './strict-rules.ts';

/** Before the elements of the table of the netdev family; those of the bridge family have none. */
export const INGRESS = 'netdev ';

/** Before the elements of the table for routed guests. */
export const ROUTED = 'inet ';

/** A base chain of one device. */
interface DeviceChain {
  readonly hook: 'ingress' | 'egress';
  readonly rule: string;
}

/**
 * The base chains that a device has in the netdev family, by the word that stands for them in an element such as
 * `netdev from { "vif1.0" }`, and before the device's name in the chain's own.
 */
const DEVICE_CHAINS: Readonly<Record<string, DeviceChain>> = {
  from: { hook: 'ingress', rule: 'iifname vmap @guests' },
  // Of a guest on a bridge or a switch: spanning tree, LLDP and their like, of which a bridge's own filter sees nothing.
  groups: {
    hook: 'ingress',
    rule: 'ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse',
  },
  // Of a port of a switch: before Linux 6.16 a device that somebody renames keeps its chains, which do not know its name.
  named: { hook: 'ingress', rule: 'iifname != @refused drop' },
  // Of a guest that may not receive either (Linux 5.16).
  to: { hook: 'egress', rule: 'drop' },
};

/** A set of ranges, as records name it, and the sets in which the kernel has the ranges as blocks and single values. */
interface RangeSet {
  readonly kind: BlockKind;
  readonly blocks: string;
  readonly singles?: string;
}

const RANGE_SETS: Readonly<Record<string, RangeSet>> = {
  net4: { kind: BLOCKS_4, blocks: 'blocks4' },
  net6: { kind: BLOCKS_6, blocks: 'blocks6' },
  lease_nets: { kind: LEASE_BLOCKS, blocks: 'lease_blocks' },
  target_nets: { kind: TARGET_BLOCKS, blocks: 'target_blocks' },
  vlans: { kind: VLAN_BLOCKS, blocks: 'tag_blocks', singles: 'tags' },
};

const RANGE_ELEMENT = /^(netdev )?(net[46]|lease_nets|target_nets|vlans) \{ "([^"]+)" \. (\S+) \}$/;

/** The sets and keys of the blocks that an element stands for; undefined for one that is no range. */
function blockKeys(
  element: string,
): readonly { readonly set: string; readonly keys: readonly string[] }[] | undefined {
  const [, family = '', name = '', port = '', value = ''] = RANGE_ELEMENT.exec(element) ?? [];
  const range = RANGE_SETS[name];
  if (range === undefined) return undefined;
  const { blocks, singles } = blocksOf(range.kind, ...boundsOf(value));
  return [
    { set: `${family}${range.blocks}`, keys: blocks.map((key) => `"${port}" . ${key}`) },
    { set: `${family}${range.singles ?? ''}`, keys: singles.map((key) => `"${port}" . ${key}`) },
  ].filter(({ keys }) => keys.length > 0);
}

/**
 * The elements of the kernel's sets that an element of a record stands for: blocks for a range, and otherwise itself.
 * @param element such as `net4 { "vif1.0" . 10.0.0.0/24 }`
 */
export function kernelElements(element: string): string[] {
  return blockKeys(element)?.flatMap(({ set, keys }) => keys.map((key) => `${set} { ${key} }`)) ?? [element];
}

const NET_ELEMENT = /^(netdev )?net([46]) /;
const RANGED_ELEMENT = /^(netdev )?ranged[46] /;

/**
 * A port's elements with those that name it as a guest with ranges. These follow from its ranges, and records are without.
 * @param port the port's name
 * @param elements its elements, with or without
 */
export function withRanged(port: string, elements: readonly string[]): string[] {
  const named = new Set<string>();
  return withoutRanged(elements).flatMap((element) => {
    const [, family = '', version] = NET_ELEMENT.exec(element) ?? [];
    const ranged = `${family}ranged${version} { "${port}" }`;
    if (version === undefined || named.has(ranged)) return [element];
    named.add(ranged);
    return [ranged, element];
  });
}

/**
 * A port's elements without those that name it as a guest with ranges.
 * @param elements its elements
 */
export function withoutRanged(elements: readonly string[]): string[] {
  return elements.filter((element) => !RANGED_ELEMENT.test(element));
}

/**
 * Whether one of these elements is a range.
 * @param elements those of a record
 */
export function hasRange(elements: readonly string[]): boolean {
  return elements.some((element) => RANGE_ELEMENT.test(element));
}

const CHAIN_ELEMENT = /^netdev (\w+) \{ "([^"]+)" \}$/;

/** The chain that an element stands for; undefined for an element of a set. */
function chainOf(
  element: string,
): { readonly name: string; readonly port: string; readonly chain: DeviceChain } | undefined {
  const [, word = '', port = ''] = CHAIN_ELEMENT.exec(element) ?? [];
  const chain = Object.hasOwn(DEVICE_CHAINS, word) ? DEVICE_CHAINS[word] : undefined;
  return chain === undefined ? undefined : { name: `${word}/${escaped(port)}`, port, chain };
}

/** "/" and two hexadecimal digits stand for each character that a name in nft cannot contain. */
function escaped(port: string): string {
  return port.replace(/[^A-Za-z0-9_.]/g, (char) => `/${char.charCodeAt(0).toString(16)}`);
}

/**
 * Whether an element stands for a base chain of a device, which older kernels only make where the device exists.
 * @param element such as `netdev from { "vif1.0" }`
 */
export function isDeviceChain(element: string): boolean {
  return chainOf(element) !== undefined;
}

/**
 * The element that a base chain of a device stands for.
 * @param name the chain's name in the table of the netdev family
 * @param listed its hook, its device and the number of its rules
 * @returns undefined where it is another chain, or not as it was made
 */
export function deviceChainElement(
  name: string,
  listed: { readonly hook: string | undefined; readonly device: string; readonly rules: number },
): string | undefined {
  const element = `${INGRESS}${name.slice(0, Math.max(name.indexOf('/'), 0))} { "${listed.device}" }`;
  const made = chainOf(element);
  const isAsMade = made?.name === name && made.chain.hook === listed.hook && listed.rules === 1;
  return isAsMade ? element : undefined;
}

/**
 * The nft command that adds an element, or removes it.
 * @param verb what to do
 * @param element such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`, after `netdev ` or `inet ` for the table of that
 * family; or one that stands for a base chain, or for the blocks of a range
 * @returns a line for `nft -f -`
 */
export function elementLine(verb: 'add' | 'delete', element: string): string {
  const made = chainOf(element);
  if (made === undefined) {
    const whole = blockKeys(element)?.map(({ set, keys }) => `${set} { ${keys.join(', ')} }`) ?? [element];
    return whole
      .map((each) => {
        const [table, prefix] = placeOf(each);
        return `${verb} element ${table} ${each.slice(prefix.length)}`;
      })
      .join('; ');
  }
  const { name, port, chain } = made;
  const id = `${INGRESS_TABLE} ${name}`;
  // Older kernels have removed the chain with its device.
  if (verb === 'delete') return `add chain ${id}; flush chain ${id}; delete chain ${id}`;
  const base = `{ type filter hook ${chain.hook} device "${port}" priority -500; policy accept; }`;
  return `add chain ${id} ${base}; flush chain ${id}; add rule ${id} ${chain.rule}`;
}

/**
 * The table of an element, or of the set by which a base chain is made.
 * @param element such as `netdev macs { "vif1.0" . 00:16:3e:00:00:01 }`
 * @returns family and name, and what stands before the set's name
 */
export function placeOf(element: string): readonly [table: string, prefix: string] {
  if (element.startsWith(INGRESS)) return [INGRESS_TABLE, INGRESS];
  return element.startsWith(ROUTED) ? [ROUTED_TABLE, ROUTED] : [STRICT_TABLE, ''];
}

/**
 * Whether a port is one of a switch, which must not have another name.
 * @param elements the elements of the port
 */
export function isNamed(elements: readonly string[]): boolean {
  return elements.some((element) => element.startsWith(`${INGRESS}named `));
}

/**
 * Whether the device of a routed guest is in the group whose packets are dropped under another name.
 * @param elements the elements of its port
 */
export function isKept(elements: readonly string[]): boolean {
  return elements.some((element) => element.startsWith(`${ROUTED}held `));
}

/** The types of the sets by their names, as nft writes them: what is before "type" and behind the key is left out. */
export const SET_TYPES: Readonly<
  Record<string, { readonly key: readonly string[]; readonly isMap: boolean }>
> = Object.fromEntries(
  SETS.map((set) => {
    const [, name = '', type = ''] = /^\w+ (\w+) \{ type(?:of)? ([^;]+);/.exec(set) ?? [];
    const [key = '', verdict] = type.split(' : ');
    return [name, { key: key.split(' . '), isMap: verdict !== undefined }];
  }),
);
