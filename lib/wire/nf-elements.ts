// Asks for one element of a map of nf_tables (linux/netfilter/nf_tables.h).

import { NESTED, NetlinkWriter } from './netlink-writer.ts';
import { attributesIn, textIn } from './nf-listing.ts';

const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NFT_MSG_NEWSETELEM = 0xa0c;
const NFT_MSG_GETSETELEM = 0xa0d;
/** NFTA_SET_ELEM_LIST_TABLE and so on. */
const LIST = { table: 1, set: 2, elements: 3 } as const;
/** NFTA_SET_ELEM_KEY and NFTA_SET_ELEM_DATA. */
const ELEMENT = { key: 1, data: 2 } as const;
/** NFTA_LIST_ELEM; NFTA_DATA_VALUE and NFTA_DATA_VERDICT; NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN. */
const [ITEM, VALUE, VERDICT, CODE, CHAIN] = [1, 1, 2, 1, 2];
/** NFT_JUMP and NFT_GOTO. */
const WORDS: Readonly<Record<number, string>> = { [-3]: 'jump', [-4]: 'goto' };
/** IFNAMSIZ: a device's name in a map is that long. */
const NAME_LENGTH = 16;
/** Length of the netlink header plus the nfnetlink header. */
const HEADERS = 20;
const ERRNO_AT = 16;
const ENOENT = 2;

/**
 * The request for the element of a device.
 * @param family NFPROTO_BRIDGE or NFPROTO_NETDEV
 * @param table the table's name
 * @param map a map of verdicts by devices' names
 * @param device the device's name
 */
export function elementQuestion(family: number, table: string, map: string, device: string): Uint8Array {
  const out = new NetlinkWriter(256);
  out.begin(NFT_MSG_GETSETELEM, NLM_F_REQUEST, family);
  out.text(LIST.table, table);
  out.text(LIST.set, map);
  for (const type of [LIST.elements, ITEM, ELEMENT.key]) out.nest(type | NESTED);
  out.nest(VALUE);
  const name = out.room(NAME_LENGTH);
  for (let i = 0; i < device.length; i++) name.setUint8(i, device.charCodeAt(i));
  out.close(0);
  out.end();
  return out.from(0);
}

/** What the kernel says of an element. */
export interface FoundVerdict {
  /** As nft lists it, "jump guest"; undefined where the element, its map or its table is missing. */
  readonly verdict: string | undefined;
}

/**
 * Reads the answer to elementQuestion.
 * @param datagram the answer
 * @returns undefined where the kernel cannot tell, as one before Linux 4.15
 */
export function verdictIn(datagram: Uint8Array): FoundVerdict | undefined {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  const type = view.getUint16(4, true);
  if (type === NLMSG_ERROR)
    return view.getInt32(ERRNO_AT, true) === -ENOENT ? { verdict: undefined } : undefined;
  if (type !== NFT_MSG_NEWSETELEM) return undefined;
  let parts = attributesIn(view, HEADERS, view.getUint32(0, true));
  for (const inner of [LIST.elements, ITEM, ELEMENT.data, VERDICT]) {
    const { at, end } = parts.get(inner) ?? { at: 0, end: 0 };
    parts = attributesIn(view, at, end);
  }
  const code = parts.get(CODE);
  if (code === undefined) return undefined;
  const word = WORDS[view.getInt32(code.at)] ?? 'another verdict than';
  return { verdict: `${word} ${textIn(datagram, parts.get(CHAIN))}` };
}
