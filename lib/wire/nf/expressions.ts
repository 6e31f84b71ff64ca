// The expressions that rules of nf_tables consist of (linux/netfilter/nf_tables.h), written into the list of a rule.

import { NESTED, type NetlinkWriter } from '../netlink-writer.ts';
import { CODE, DATA, VERDICT } from './messages.ts';

/** NFT_META_IIFNAME and so on. */
export const META = {
  inputName: 6,
  outputName: 7,
  inputType: 8,
  protocol: 16,
  inputGroup: 21,
} as const;

/** NFTA_LIST_ELEM, NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
const [EXPRESSION, NAME, CONTENT] = [1, 1, 2];
/** NFT_REG_VERDICT and NFT_REG_1. */
const TO_VERDICT = 0;
const REGISTER: number = 1;
/** NFT_CMP_EQ, NFT_PAYLOAD_LL_HEADER, NFT_LOOKUP_F_INV. */
const [EQUAL, LINK_HEADER, INVERTED] = [0, 0, 1];

/** Opens an expression; its attributes follow. */
export function beginExpression(out: NetlinkWriter, name: string): void {
  out.nest(EXPRESSION | NESTED);
  out.text(NAME, name);
  out.nest(CONTENT | NESTED);
}

/** Closes all attributes except the list of expressions. */
export function endExpression(out: NetlinkWriter): void {
  out.close(1);
}

/** Loads something that is known of a packet beside its content. */
export function loadMeta(out: NetlinkWriter, key: number): void {
  beginExpression(out, 'meta');
  out.number(2, key);
  out.number(1, REGISTER);
  endExpression(out);
}

/** Begins the comparison of the loaded value with what is written next. */
export function beginCompare(out: NetlinkWriter): void {
  beginExpression(out, 'cmp');
  out.number(1, REGISTER);
  out.number(2, EQUAL);
  out.nest(3 | NESTED);
  out.nest(DATA.value);
}

/** Compares the loaded value with bytes. */
export function compare(out: NetlinkWriter, bytes: readonly number[]): void {
  beginCompare(out);
  for (const byte of bytes) out.byte(byte);
  endExpression(out);
}

/** Loads the first bytes of a frame into a register. */
export function loadFrame(out: NetlinkWriter, length: number, register = REGISTER): void {
  beginExpression(out, 'payload');
  out.number(1, register);
  out.number(2, LINK_HEADER);
  out.number(3, 0);
  out.number(4, length);
  endExpression(out);
}

/** Clears the bits of the loaded value that the mask has not. */
export function keepBits(out: NetlinkWriter, mask: readonly number[]): void {
  beginExpression(out, 'bitwise');
  out.number(1, REGISTER);
  out.number(2, REGISTER);
  out.number(3, mask.length);
  for (const [type, bytes] of [
    [4, mask],
    [5, mask.map(() => 0)],
  ] as const) {
    out.nest(type | NESTED);
    out.nest(DATA.value);
    for (const byte of bytes) out.byte(byte);
    out.close(3);
  }
  endExpression(out);
}

/** Looks up the loaded value: a map gives the verdict, a set lets the rule go on for members, or for all others. */
export function lookUp(out: NetlinkWriter, set: string, what: 'verdict' | 'member' | 'other'): void {
  beginExpression(out, 'lookup');
  out.text(1, set);
  out.number(2, REGISTER);
  if (what === 'verdict') out.number(3, TO_VERDICT);
  if (what === 'other') out.number(5, INVERTED);
  endExpression(out);
}

/** Keeps the packet from connection tracking. */
export function notrack(out: NetlinkWriter): void {
  beginExpression(out, 'notrack');
  endExpression(out);
}

/** Gives the verdict, with its chain where it jumps to one. */
export function immediate(out: NetlinkWriter, code: number, chain?: string): void {
  beginExpression(out, 'immediate');
  out.number(1, TO_VERDICT);
  out.nest(2 | NESTED);
  writeVerdict(out, code, chain);
  endExpression(out);
}

/** Writes a verdict as NFTA_DATA_VERDICT, and leaves it open. */
export function writeVerdict(out: NetlinkWriter, code: number, chain?: string): void {
  out.nest(DATA.verdict | NESTED);
  out.number(VERDICT.code, code);
  if (code === CODE.jump || code === CODE.goto) out.text(VERDICT.chain, chain ?? '');
}
