// Reads the kernel's lists of a table's chains, rules and elements (linux/netfilter/nf_tables.h).

import { ipv6Text } from '../../request/addresses.ts';
import { NAME_LENGTH, NetlinkWriter } from '../netlink-writer.ts';
import { CHAIN, DATA, ELEMENT, ELEMENTS, FLAG, HOOK, ITEM, MESSAGE, NLMSG, RULE } from './messages.ts';
import { attributesIn, messagesIn, type Span, textIn } from './rules-listing.ts';
import { readVerdict } from './verdict.ts';

const TYPE = 0x3fff;

/** The type of a set, or of a map of verdicts. */
export interface SetType {
  /** The types of the key's parts, in nft's words: "ifname", "ether_addr", "@th,160,32". */
  readonly key: readonly string[];
  readonly isMap: boolean;
}

/** A chain in the kernel's list. */
export interface ListedChain {
  readonly name: string;
  /** The number of its hook; undefined where no packets come to it but by jumps. */
  readonly hook: number | undefined;
  /** The one device to which it belongs. */
  readonly device: string | undefined;
}

/** An element of a set or map in the kernel's list. */
export interface ListedElement {
  /** The parts of its key as nft lists them, a device's name without its quotes. */
  readonly key: readonly string[];
  /** The verdict of an element of a map: "jump guest". */
  readonly verdict: string | undefined;
}

/**
 * The request for all elements of a set.
 * @param family NFPROTO_BRIDGE or NFPROTO_NETDEV
 * @param table the table's name
 * @param set the set's name
 */
export function elementsQuestion(family: number, table: string, set: string): Uint8Array {
  const out = new NetlinkWriter(128);
  out.begin(MESSAGE.getElement, FLAG.request | FLAG.dump, family);
  out.text(ELEMENTS.table, table);
  out.text(ELEMENTS.set, set);
  out.end();
  return out.from(0);
}

/** What came of a part of a list: more parts follow, it was the last one, or the list is not whole. */
export type ListPart = 'more' | 'last' | 'torn';

/** Reads a part of a list, given what to do with each message of a type. */
function readPart(
  datagram: Uint8Array,
  wanted: number,
  take: (view: DataView, attributes: Span) => void,
): ListPart {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (const { type, flags, at, end } of messagesIn(view)) {
    if ((flags & FLAG.torn) !== 0 || type === NLMSG.error) return 'torn';
    if (type === NLMSG.done) return 'last';
    if (type === wanted) take(view, { at, end });
  }
  return 'more';
}

/**
 * Reads a part of the answer to chainsQuestion.
 * @param datagram the part
 * @param table the table whose chains are wanted
 * @param found the list to which the function adds them
 */
export function readChains(datagram: Uint8Array, table: string, found: ListedChain[]): ListPart {
  return readPart(datagram, MESSAGE.newChain, (view, { at, end }) => {
    const parts = attributesIn(view, at, end);
    if (textIn(datagram, parts.get(CHAIN.table)) !== table) return;
    const hook = parts.get(CHAIN.hook);
    const inside = hook === undefined ? undefined : attributesIn(view, hook.at, hook.end);
    const number = inside?.get(HOOK.number);
    const device = inside?.get(HOOK.device);
    found.push({
      name: textIn(datagram, parts.get(CHAIN.name)),
      hook: number === undefined ? undefined : view.getUint32(number.at),
      device: device === undefined ? undefined : textIn(datagram, device),
    });
  });
}

/**
 * Counts the rules of each chain in a part of the answer to rulesQuestion.
 * @param datagram the part
 * @param table the table whose rules are wanted
 * @param counts the number of rules by the chains' names, which the function raises
 */
export function countRules(datagram: Uint8Array, table: string, counts: Map<string, number>): ListPart {
  return readPart(datagram, MESSAGE.newRule, (view, { at, end }) => {
    // The names come first; what follows is long.
    const second = at + ((view.getUint16(at, true) + 3) & ~3);
    const names = attributesIn(view, at, Math.min(end, second + view.getUint16(second, true)));
    if (textIn(datagram, names.get(RULE.table)) !== table) return;
    const chain = textIn(datagram, names.get(RULE.chain));
    counts.set(chain, (counts.get(chain) ?? 0) + 1);
  });
}

/**
 * Reads a part of the answer to elementsQuestion.
 * @param datagram the part
 * @param type the set's type
 * @param found the list to which the function adds the elements
 * @throws Error where an element is not as expected
 */
export function readElements(
  datagram: Uint8Array,
  { key, isMap }: SetType,
  found: ListedElement[],
): ListPart {
  const parts = key.map(partOf);
  return readPart(datagram, MESSAGE.newElement, (view, { at, end }) => {
    const list = attributesIn(view, at, end).get(ELEMENTS.list);
    for (let item = list?.at ?? end; item + 4 <= (list?.end ?? 0); ) {
      const length = view.getUint16(item, true);
      if (length < 4 || typeAt(view, item) !== ITEM)
        throw new Error('The list of elements has another form.');
      found.push(elementAt(datagram, view, { at: item + 4, end: item + length }, parts, isMap));
      item += (length + 3) & ~3;
    }
  });
}

const typeAt = (view: DataView, at: number): number => view.getUint16(at + 2, true) & TYPE;

/** The kernel puts the key first, and behind it the end of a range. */
function elementAt(
  bytes: Uint8Array,
  view: DataView,
  { at, end }: Span,
  parts: readonly KeyPart[],
  isMap: boolean,
): ListedElement {
  const next = at + ((view.getUint16(at, true) + 3) & ~3);
  if (typeAt(view, at) !== ELEMENT.key || typeAt(view, at + 4) !== DATA.value)
    throw new Error('An element has no key.');
  const isRange = next + 8 <= end && typeAt(view, next) === ELEMENT.keyEnd;
  let [from, to] = [at + 8, isRange ? next + 8 : at + 8];
  const key = parts.map(({ size, text }) => {
    const own = text(bytes, from, to);
    from += (size + 3) & ~3;
    to += (size + 3) & ~3;
    return own;
  });
  if (from > next) throw new Error('The key of an element is shorter than expected.');
  return { key, verdict: isMap ? verdictOf(bytes, view, next, end) : undefined };
}

function verdictOf(bytes: Uint8Array, view: DataView, start: number, end: number): string | undefined {
  const data = attributesIn(view, start, end).get(ELEMENT.data);
  const verdict = data && readVerdict(bytes, data);
  return verdict?.word === undefined ? undefined : `${verdict.word} ${verdict.chain}`;
}

/** A part of a key: its length in bytes, which is rounded up to four, and its text, given where a range begins and ends. */
interface KeyPart {
  readonly size: number;
  text(bytes: Uint8Array, from: number, to: number): string;
}

/** @throws Error for an unknown type */
function partOf(type: string): KeyPart {
  const bits = /^@th,\d+,(\d+)$/.exec(type)?.[1];
  const part = bits === undefined ? PARTS[type] : rawPart(Number(bits) / 8);
  if (part === undefined) throw new Error(`Elements of the type ${type} cannot be read.`);
  return part;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hexAt = (bytes: Uint8Array, at: number): string => HEX[bytes[at] ?? 0] ?? '';

const NAME: KeyPart = {
  size: NAME_LENGTH,
  text(bytes, from) {
    const name = String.fromCharCode(
      ...bytes.subarray(from, Math.min(bytes.indexOf(0, from), from + NAME_LENGTH)),
    );
    if (/[^ -~]/.test(name)) throw new Error('A name has letters of which nft knows the encoding.');
    return name;
  },
};

const MAC: KeyPart = {
  size: 6,
  text: (bytes, at) =>
    `${hexAt(bytes, at)}:${hexAt(bytes, at + 1)}:${hexAt(bytes, at + 2)}:${hexAt(bytes, at + 3)}:${hexAt(bytes, at + 4)}:${hexAt(bytes, at + 5)}`,
};

const ipv4At = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

const ipv6At = (bytes: Uint8Array, at: number): string =>
  ipv6Text(
    Array.from({ length: 8 }, (_, i) => ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0)),
  );

const PARTS: Readonly<Record<string, KeyPart>> = {
  ifname: NAME,
  iifname: NAME,
  ether_addr: MAC,
  ipv4_addr: addressPart(4, ipv4At),
  ipv6_addr: addressPart(16, ipv6At),
  'vlan id': ranged(2, (bytes, at) => `${((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)}`),
};

function ranged(size: number, textAt: (bytes: Uint8Array, at: number) => string): KeyPart {
  return {
    size,
    text(bytes, from, to) {
      const first = textAt(bytes, from);
      const last = from === to ? first : textAt(bytes, to);
      return first === last ? first : `${first}-${last}`;
    },
  };
}

/** A number as nft writes one of which it knows nothing: without leading zeros. */
function rawPart(size: number): KeyPart {
  return ranged(size, (bytes, at) => {
    let text = '';
    for (let i = 0; i < size; i++) text += hexAt(bytes, at + i);
    return `0x${text.replace(/^0+(?=.)/, '')}`;
  });
}

/** An address, or a range, which has a length where it is the network of one. */
function addressPart(size: number, textAt: (bytes: Uint8Array, at: number) => string): KeyPart {
  return {
    size,
    text(bytes, from, to) {
      const first = textAt(bytes, from);
      if (from === to) return first;
      const length = prefixLength(bytes, from, to, size);
      if (length === 8 * size) return first;
      return length === undefined ? `${first}-${textAt(bytes, to)}` : `${first}/${length}`;
    },
  };
}

/** @returns undefined where the range is no network */
function prefixLength(bytes: Uint8Array, from: number, to: number, size: number): number | undefined {
  let length = 0;
  while (length < 8 * size && bitAt(bytes, from, length) === bitAt(bytes, to, length)) length++;
  for (let bit = length; bit < 8 * size; bit++)
    if (bitAt(bytes, from, bit) !== 0 || bitAt(bytes, to, bit) !== 1) return undefined;
  return length;
}

const bitAt = (bytes: Uint8Array, at: number, bit: number): number =>
  ((bytes[at + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1;
