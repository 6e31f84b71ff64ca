import { ROUTED_TABLE } from './strict-hooks.ts';
import { INGRESS_TABLE, SETS, STRICT_TABLE } from './strict-rules.ts';

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
 * family; or one that stands for a base chain
 * @returns a line for `nft -f -`
 */
export function elementLine(verb: 'add' | 'delete', element: string): string {
  const made = chainOf(element);
  if (made === undefined) {
    const [table, prefix] = placeOf(element);
    return `${verb} element ${table} ${element.slice(prefix.length)}`;
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
