// Reads the kernel's lists of rules of nf_tables (linux/netfilter/nf_tables.h).
import { NetlinkWriter } from '../netlink-writer.ts';
import { CHAIN, CODE, FLAG, HEADERS, HOOK, MESSAGE, NLMSG, RULE } from './messages.ts';
import type { NfExpressions } from './rules.ts';

/** A rule to look for. */
export interface WantedRule extends NfExpressions {
  readonly table: string;
  readonly chain: string;
  /**
   * The end of its last match, such as the end of a comment: other guests' rules most likely differ there, so the
   * comparison begins there.
   */
  readonly telling: number;
}

/** NF_INET_FORWARD. */
const FORWARD = 2;
/** The data, the verdict and its code, 1, with which a rule ends that accepts; a TCP reset ends with the last two as well. */
const ACCEPT_TAIL = [0x2_0010, 0x2_000c, 0x1_0008, 0x100_0000] as const;
const GENERATION = 1;
/** -EINVAL, -EOPNOTSUPP: the answers of a kernel without nf_tables, or without it for a family. */
const NO_TABLES: readonly number[] = [-22, -95];

/** The request for the generation number of all rulesets. */
export function generationQuestion(): Uint8Array {
  const out = new NetlinkWriter(HEADERS);
  out.begin(MESSAGE.getGeneration, FLAG.request, 0);
  out.end();
  return out.from(0);
}

/**
 * The generation number.
 * @param datagram the answer to generationQuestion
 * @returns 0 when the datagram is no such answer
 */
export function generationOf(datagram: Uint8Array): number {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  if (view.getUint16(4, true) !== MESSAGE.newGeneration) return 0;
  for (let at = HEADERS; at + 8 <= datagram.length; at += (view.getUint16(at, true) + 3) & ~3)
    if (view.getUint16(at + 2, true) === GENERATION) return view.getUint32(at + 4);
  return 0;
}

/**
 * The request for all chains in the tables of a family.
 * @param family AF_INET, AF_INET6, NFPROTO_INET or another
 */
export function chainsQuestion(family: number): Uint8Array {
  const out = new NetlinkWriter(HEADERS);
  out.begin(MESSAGE.getChain, FLAG.request | FLAG.dump, family);
  out.end();
  return out.from(0);
}

/**
 * The request for one chain; the answer is the chain, or the error ENOENT.
 * @param family AF_INET or AF_INET6
 * @param table such as filter
 * @param name such as FORWARD
 */
export function chainQuestion(family: number, table: string, name: string): Uint8Array {
  const out = new NetlinkWriter(128);
  out.begin(MESSAGE.getChain, FLAG.request, family);
  out.text(CHAIN.table, table);
  out.text(CHAIN.name, name);
  out.end();
  return out.from(0);
}

/** A chain for forwarded packets. */
export interface ForwardChain {
  /** Its table's name, without the family. */
  readonly table: string;
  readonly name: string;
  readonly policy: 'accept' | 'drop';
  /** The number of its rules. */
  readonly rules: number;
}

/**
 * Finds the chains on the hook forward in a part of the answer to chainsQuestion.
 * @param datagram the part
 * @param found the list to which the function adds them
 * @returns whether more parts of the answer follow; 'torn' where the list is not whole, since it changed meanwhile or the
 * kernel refused the rest
 */
export function findForwardChains(datagram: Uint8Array, found: ForwardChain[]): boolean | 'torn' {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (const { type, flags, at, end } of messagesIn(view)) {
    if ((flags & FLAG.torn) !== 0) return 'torn';
    if (type === NLMSG.error) return NO_TABLES.includes(view.getInt32(at - 4, true)) ? false : 'torn';
    if (type !== MESSAGE.newChain) return false;
    const parts = attributesIn(view, at, end);
    const hook = parts.get(CHAIN.hook);
    if (hook === undefined) continue;
    const number = attributesIn(view, hook.at, hook.end).get(HOOK.number);
    if (number === undefined || view.getUint32(number.at) !== FORWARD) continue;
    const value = (type: number) => view.getUint32(parts.get(type)?.at ?? 0);
    found.push({
      table: textIn(datagram, parts.get(CHAIN.table)),
      name: textIn(datagram, parts.get(CHAIN.name)),
      policy: parts.has(CHAIN.policy) && value(CHAIN.policy) === CODE.drop ? 'drop' : 'accept',
      rules: parts.has(CHAIN.use) ? value(CHAIN.use) : 1,
    });
  }
  return true;
}

/**
 * Whether a part of the answer to rulesQuestion has a rule that may do anything else than let packets pass, judged by
 * the last words of the rule tell.
 * @param datagram the part
 * @returns 'torn' if it has none but the list is not whole, since it changed meanwhile; undefined if it has none and more
 * parts of the answer follow
 */
export function mayStop(datagram: Uint8Array): boolean | 'torn' | undefined {
  // Messages and attributes are aligned to 4 bytes, so whole words are compared: there may be thousands of rules.
  const words = new Uint32Array(datagram.buffer, datagram.byteOffset, datagram.length >> 2);
  const [data, verdict, code, accept] = ACCEPT_TAIL;
  for (let at = 0; at + 1 < words.length; ) {
    const [type, flags] = [(words[at + 1] ?? 0) & 0xffff, (words[at + 1] ?? 0) >>> 16];
    if (type === NLMSG.error) return true;
    if ((flags & FLAG.torn) !== 0) return 'torn';
    if (type !== MESSAGE.newRule) return false;
    at += ((words[at] ?? 0) + 3) >> 2;
    if (words[at - 1] !== accept || words[at - 2] !== code) return true;
    if (words[at - 3] !== verdict || words[at - 4] !== data) return true;
  }
  return undefined;
}

/**
 * The request for a chain's rules.
 * @param family AF_INET or another
 * @param table such as filter
 * @param chain such as FORWARD; the rules of all chains unless told
 */
export function rulesQuestion(family: number, table: string, chain?: string): Uint8Array {
  const out = new NetlinkWriter(128);
  out.begin(MESSAGE.getRule, FLAG.request | FLAG.dump, family);
  out.text(RULE.table, table);
  if (chain !== undefined) out.text(RULE.chain, chain);
  out.end();
  return out.from(0);
}

/**
 * Looks for rules in one datagram of the answer to rulesQuestion. The first equal rule counts; each found rule answers
 * one wanted rule.
 * @param datagram the datagram
 * @param wanted the rules to look for
 * @param handles the handles of the found rules, eight bytes each, filled in here
 * @returns whether more datagrams of the answer follow
 */
export function findRules(
  datagram: Uint8Array,
  wanted: readonly WantedRule[],
  handles: Map<WantedRule, Uint8Array>,
): boolean {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  for (let at = 0; at + HEADERS <= datagram.length; ) {
    const type = view.getUint16(at + 4, true);
    if (type === NLMSG.done || type === NLMSG.error) return false;
    const end = at + view.getUint32(at, true);
    if (type === MESSAGE.newRule) matchRule(datagram, view, at + HEADERS, end, wanted, handles);
    at = (end + 3) & ~3;
  }
  return true;
}

/** A part of a datagram, by its first byte and the one after its last. */
export interface Span {
  readonly at: number;
  readonly end: number;
}

/** A message of a datagram; the span is that of its attributes. */
export interface Message extends Span {
  readonly type: number;
  readonly flags: number;
}

/**
 * The messages of a datagram.
 * @param view the datagram
 */
export function messagesIn(view: DataView): Message[] {
  const found: Message[] = [];
  for (let at = 0; at + HEADERS <= view.byteLength; ) {
    const end = at + view.getUint32(at, true);
    found.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      at: at + HEADERS,
      end,
    });
    at = (end + 3) & ~3;
  }
  return found;
}

/**
 * The content of each attribute, by the attribute's type.
 * @param view the datagram
 * @param start the first attribute
 * @param stop the end of the last
 */
export function attributesIn(view: DataView, start: number, stop: number): Map<number, Span> {
  const found = new Map<number, Span>();
  for (let at = start; at + 4 <= stop; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    found.set(view.getUint16(at + 2, true) & 0x3fff, { at: at + 4, end: at + length });
    at += (length + 3) & ~3;
  }
  return found;
}

/**
 * The text of an attribute, without its NUL.
 * @param bytes the datagram
 * @param span the attribute's content; empty where there is none
 */
export function textIn(bytes: Uint8Array, span: Span | undefined): string {
  return String.fromCharCode(...bytes.subarray(span?.at ?? 0, (span?.end ?? 1) - 1));
}

function matchRule(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  wanted: readonly WantedRule[],
  handles: Map<WantedRule, Uint8Array>,
): void {
  let handle = 0;
  for (let at = start; at < end; at += (view.getUint16(at, true) + 3) & ~3) {
    const type = view.getUint16(at + 2, true) & 0x3fff;
    if (type === RULE.handle) handle = at + 4;
    if (type !== RULE.expressions) continue;
    const length = view.getUint16(at, true) - 4;
    for (const one of wanted) {
      if (one.bytes.length !== length || !isAlike(bytes, at + 4, one) || handles.has(one)) continue;
      handles.set(one, bytes.slice(handle, handle + 8));
      return;
    }
    return;
  }
}

function isAlike(listed: Uint8Array, start: number, { bytes, counter, telling }: WantedRule): boolean {
  for (let i = telling; i >= 0; i--) if (listed[start + i] !== bytes[i]) return false;
  for (let i = telling + 1; i < counter[0]; i++) if (listed[start + i] !== bytes[i]) return false;
  for (let i = counter[1]; i < bytes.length; i++) if (listed[start + i] !== bytes[i]) return false;
  return true;
}
