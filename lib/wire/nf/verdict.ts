// Reads the verdict of an element of a map of nf_tables (linux/netfilter/nf_tables.h).

import { CODE, DATA, VERDICT } from './messages.ts';
import { attributesIn, type Span, textIn } from './rules-listing.ts';

const WORDS: Readonly<Record<number, string>> = { [CODE.jump]: 'jump', [CODE.goto]: 'goto' };

/** A verdict with a chain. */
export interface MapVerdict {
  /** As nft lists it, "jump" or "goto"; undefined for any other verdict. */
  readonly word: string | undefined;
  /** The chain's name; empty where the verdict has none. */
  readonly chain: string;
}

/**
 * Reads a verdict.
 * @param datagram the message
 * @param data where NFTA_SET_ELEM_DATA of an element is in it
 * @returns undefined where it has no verdict
 */
export function readVerdict(datagram: Uint8Array, data: Span): MapVerdict | undefined {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const verdict = attributesIn(view, data.at, data.end).get(DATA.verdict);
  if (verdict === undefined) return undefined;
  const parts = attributesIn(view, verdict.at, verdict.end);
  const code = parts.get(VERDICT.code);
  return code && { word: WORDS[view.getInt32(code.at)], chain: textIn(datagram, parts.get(VERDICT.chain)) };
}
