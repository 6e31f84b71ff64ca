// Encodes lines of nft that change elements of sets, and base chains with one rule (linux/netfilter/nf_tables.h). nft reads
// a line several times as slowly as the kernel carries it out.

import { ipv4Octets, ipv6Groups } from '../../request/addresses.ts';
import { NESTED, type NetlinkWriter } from '../netlink-writer.ts';
import {
  compare,
  immediate,
  keepBits,
  loadFrame,
  loadMeta,
  lookUp,
  META,
  notrack,
  writeVerdict,
} from './expressions.ts';
import {
  beginBatch,
  CHAIN,
  CODE,
  DATA,
  ELEMENT,
  ELEMENTS,
  endBatch,
  FLAG,
  ITEM,
  MESSAGE,
  NFPROTO,
  type NfBatch,
  RULE,
  writeBaseChain,
} from './messages.ts';

/** More than a message takes that has one element, or makes a chain or a rule. */
const MOST_OF_A_MESSAGE = 1024;
/** More than a further element takes. */
const MOST_OF_AN_ELEMENT = 128;
/** For so many lines there is room from the start. */
const USUAL_LINES = 32;

/**
 * Encodes lines of nft as one transaction. Their elements have a device's name, or a MAC address, as the first part of the
 * key, so that no set of ranges is among them.
 * @param lines such as `add element bridge TABLE own4 { "vif1.0" . 192.0.2.11 }`; commands in a line are separated by "; "
 * @returns undefined when a line has another command
 */
export function encodeChanges(lines: readonly string[]): NfBatch | undefined {
  const out = beginBatch(MOST_OF_A_MESSAGE * Math.min(lines.length, USUAL_LINES));
  return lines.every((line) => encodeAll(out, line, COMMANDS)) ? endBatch(out) : undefined;
}

/**
 * How many lines come before the first of those at the end that may all be such lines, judged by their first words: they make
 * the tables and sets of the others.
 * @param lines the lines
 */
export function linesBefore(lines: readonly string[]): number {
  let at = lines.length;
  while (at > 0 && /^(?:add|delete|flush) (?:element|chain|rule) /.test(lines[at - 1] ?? '')) at--;
  return at;
}

/** @returns false where it cannot write the part */
type Encode = (out: NetlinkWriter, found: RegExpExecArray) => unknown;

/** Parts of a text by their forms, each with how it is written; what is behind a part is another one. */
type Forms = readonly (readonly [form: RegExp, encode: Encode])[];

const COMMANDS: Forms = [
  [/(add|delete) element (\w+) (\S+) (\w+) \{ ([^{}]+) \}(?:; |$)/y, changeElements],
  [
    /add chain (\w+) (\S+) (\S+) \{ type filter hook (\w+) (?:device "([^"]{1,15})" )?priority (-?\d+); policy accept; \}(?:; |$)/y,
    makeBaseChain,
  ],
  [/(add|flush|delete) chain (\w+) (\S+) ([^\s;]+)(?:; |$)/y, changeChain],
  [/add rule (\w+) (\S+) (\S+) ([^;{}]+)(?:; |$)/y, addRule],
];

/** @returns whether all parts of the text have such forms */
function encodeAll(out: NetlinkWriter, text: string, forms: Forms): boolean {
  for (let at = 0; at < text.length; ) {
    const next = encodePart(out, text, at, forms);
    if (next === undefined) return false;
    at = next;
  }
  return true;
}

/** @returns where the next part begins */
function encodePart(out: NetlinkWriter, text: string, at: number, forms: Forms): number | undefined {
  for (const [form, encode] of forms) {
    form.lastIndex = at;
    const found = form.exec(text);
    if (found !== null) return encode(out, found) === false ? undefined : at + found[0].length;
  }
  return undefined;
}

function begin(out: NetlinkWriter, type: number, flags: number, family = ''): boolean {
  const number = NFPROTO[family];
  if (number === undefined) return false;
  out.reserve(MOST_OF_A_MESSAGE);
  out.begin(type, FLAG.request | flags, number);
  return true;
}

function changeElements(
  out: NetlinkWriter,
  [, verb, family, table = '', set = '', list = '']: RegExpExecArray,
): boolean {
  const isAdded = verb === 'add';
  const started = begin(
    out,
    isAdded ? MESSAGE.newElement : MESSAGE.delElement,
    isAdded ? FLAG.create : 0,
    family,
  );
  if (!started) return false;
  out.text(ELEMENTS.table, table);
  out.text(ELEMENTS.set, set);
  out.nest(ELEMENTS.list | NESTED);
  for (const element of list.split(', ')) {
    out.reserve(MOST_OF_AN_ELEMENT + MOST_OF_A_MESSAGE);
    if (!writeElement(out, element, isAdded)) return false;
  }
  out.close(0);
  out.end();
  return true;
}

/** A key, and the verdict of an element of a map. */
const ELEMENT_FORM =
  /^(?:"([^"\s]{1,15})"|((?:[0-9a-f]{2}:){5}[0-9a-f]{2}))((?: \. [^\s"]+)*)(?: : (jump|goto) (\S+))?$/;

function writeElement(out: NetlinkWriter, text: string, isAdded: boolean): boolean {
  const found = ELEMENT_FORM.exec(text);
  if (found === null) return false;
  const [, name, mac, rest = '', verb, chain] = found;
  out.nest(ITEM | NESTED);
  out.nest(ELEMENT.key | NESTED);
  out.nest(DATA.value);
  if (name !== undefined) out.name(name);
  const parts = rest.split(' . ').slice(1);
  if (!(mac === undefined ? parts : [mac, ...parts]).every((part) => writePart(out, part))) return false;
  // A key that is no concatenation is not filled up to whole words.
  if (name === undefined && parts.length === 0) out.at -= 2;
  out.close(2);
  if (isAdded && verb !== undefined) {
    out.nest(ELEMENT.data | NESTED);
    writeVerdict(out, verb === 'jump' ? CODE.jump : CODE.goto, chain);
  }
  out.close(1);
  return true;
}

/** Each part of a key takes whole words. */
function writePart(out: NetlinkWriter, text: string): boolean {
  const bytes = bytesOf(text);
  if (bytes === undefined) return false;
  for (const byte of bytes) out.byte(byte);
  out.at += -bytes.length & 3;
  return true;
}

const HEX = /^0x((?:[0-9a-f]{2})+)$/;
const MAC = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const VLAN = /^\d{1,4}$/;

/** A MAC address, an IP address, the number of a VLAN, or a number in all its hexadecimal digits. */
function bytesOf(text: string): readonly number[] | undefined {
  const digits = HEX.exec(text)?.[1] ?? (MAC.test(text) ? text.replaceAll(':', '') : undefined);
  if (digits !== undefined)
    return Array.from({ length: digits.length / 2 }, (_, i) =>
      Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
    );
  if (VLAN.test(text)) return [Number(text) >> 8, Number(text) & 0xff];
  if (!text.includes(':')) return ipv4Octets(text);
  return ipv6Groups(text)?.flatMap((group) => [group >> 8, group & 0xff]);
}

/** NF_NETDEV_INGRESS, NF_NETDEV_EGRESS, NF_INET_PRE_ROUTING and NF_INET_POST_ROUTING. */
const HOOKS: Readonly<Record<string, number>> = { ingress: 0, egress: 1, prerouting: 0, postrouting: 4 };

function makeBaseChain(
  out: NetlinkWriter,
  [, family = '', table = '', name = '', hook = '', device, priority]: RegExpExecArray,
): boolean {
  const number = HOOKS[hook];
  const protocol = NFPROTO[family];
  if (number === undefined || protocol === undefined) return false;
  out.reserve(MOST_OF_A_MESSAGE);
  writeBaseChain(out, protocol, table, name, { hook: number, priority: Number(priority), device });
  return true;
}

function changeChain(out: NetlinkWriter, [, verb, family, table = '', name = '']: RegExpExecArray): boolean {
  const [type, flags] =
    verb === 'add'
      ? [MESSAGE.newChain, FLAG.create]
      : [verb === 'flush' ? MESSAGE.delRule : MESSAGE.delChain, 0];
  if (!begin(out, type, flags, family)) return false;
  out.text(CHAIN.table, table);
  out.text(verb === 'flush' ? RULE.chain : CHAIN.name, name);
  out.end();
  return true;
}

function addRule(
  out: NetlinkWriter,
  [, family, table = '', chain = '', text = '']: RegExpExecArray,
): boolean {
  if (!begin(out, MESSAGE.newRule, FLAG.create | FLAG.append, family)) return false;
  out.text(RULE.table, table);
  out.text(RULE.chain, chain);
  out.nest(RULE.expressions | NESTED);
  if (!encodeAll(out, text, STATEMENTS)) return false;
  out.close(0);
  out.end();
  return true;
}

const MAC_BYTES = '((?:[0-9a-f]{2}:){5}[0-9a-f]{2})';
/** The type of Ethernet (linux/if_arp.h), in the machine's byte order. */
const ETHERNET = [1, 0];
const MAC_LENGTH = 6;

/** What a rule matches, and what becomes of the packet, each with how it is written. */
const STATEMENTS: Forms = [
  [/(i|o)ifname (?:(vmap|!=) )?@(\w+)(?: |$)/y, lookUpName],
  [/(iifname \. )?ether daddr @(\w+)(?: |$)/y, lookUpAddress],
  [
    /iifgroup (\d+)(?: |$)/y,
    (out, [, group]) => {
      loadMeta(out, META.inputGroup);
      compare(out, inMachineOrder(Number(group)));
    },
  ],
  [
    new RegExp(`ether daddr & ${MAC_BYTES} == ${MAC_BYTES}(?: |$)`, 'y'),
    (out, [, mask = '', value = '']) => {
      loadMeta(out, META.inputType);
      compare(out, ETHERNET);
      loadFrame(out, MAC_LENGTH);
      keepBits(out, bytesOf(mask) ?? []);
      compare(out, bytesOf(value) ?? []);
    },
  ],
  [/(drop|return)$/y, (out, [, word]) => immediate(out, word === 'drop' ? CODE.drop : CODE.return)],
  [/goto (\S+)$/y, (out, [, chain]) => immediate(out, CODE.goto, chain)],
  [/notrack$/y, notrack],
];

function lookUpName(out: NetlinkWriter, [, way, how, set = '']: RegExpExecArray): void {
  loadMeta(out, way === 'i' ? META.inputName : META.outputName);
  lookUp(out, set, how === 'vmap' ? 'verdict' : how === undefined ? 'member' : 'other');
}

function lookUpAddress(out: NetlinkWriter, [, name, set = '']: RegExpExecArray): void {
  if (name !== undefined) loadMeta(out, META.inputName);
  loadFrame(out, MAC_LENGTH, name === undefined ? 1 : 2);
  lookUp(out, set, 'member');
}

const inMachineOrder = (number: number): number[] => [0, 8, 16, 24].map((bits) => (number >>> bits) & 0xff);
