// Asks for one element of a map of nf_tables (linux/netfilter/nf_tables.h).

import { NESTED, NetlinkWriter } from '../netlink-writer.ts';
import { DATA, ELEMENT, ELEMENTS, ERRNO_AT, FLAG, HEADERS, ITEM, MESSAGE, NLMSG } from './messages.ts';
import { attributesIn } from './rules-listing.ts';
import { readVerdict } from './verdict.ts';

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
  out.begin(MESSAGE.getElement, FLAG.request, family);
  out.text(ELEMENTS.table, table);
  out.text(ELEMENTS.set, map);
  for (const type of [ELEMENTS.list, ITEM, ELEMENT.key]) out.nest(type | NESTED);
  out.nest(DATA.value);
  out.name(device);
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
  if (type === NLMSG.error)
    return view.getInt32(ERRNO_AT, true) === -ENOENT ? { verdict: undefined } : undefined;
  if (type !== MESSAGE.newElement) return undefined;
  let parts = attributesIn(view, HEADERS, view.getUint32(0, true));
  for (const inner of [ELEMENTS.list, ITEM]) {
    const { at, end } = parts.get(inner) ?? { at: 0, end: 0 };
    parts = attributesIn(view, at, end);
  }
  const data = parts.get(ELEMENT.data);
  const found = data && readVerdict(datagram, data);
  return found && { verdict: `${found.word ?? 'another verdict than'} ${found.chain}` };
}
