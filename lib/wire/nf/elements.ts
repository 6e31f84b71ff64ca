// Asks for one element of a map of nf_tables, adds elements to sets, and deletes them (linux/netfilter/nf_tables.h).

import { ipv4Octets, ipv6Groups, type Prefix, parsePrefix } from '../../request/addresses.ts';
import { NESTED, NetlinkWriter } from '../netlink-writer.ts';
import { attributesIn } from '../nf-listing.ts';
import type { NfBatch } from '../nf-tables.ts';
import { readVerdict } from './verdict.ts';

const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NFT_MSG_NEWSETELEM = 0xa0c;
const NFT_MSG_GETSETELEM = 0xa0d;
/** NFTA_SET_ELEM_LIST_TABLE and so on. */
const LIST = { table: 1, set: 2, elements: 3 } as const;
/** NFTA_SET_ELEM_KEY and so on. */
const ELEMENT = { key: 1, data: 2 } as const;
/** NFTA_LIST_ELEM; NFTA_DATA_VALUE. */
const [ITEM, VALUE] = [1, 1];
/** IFNAMSIZ: a device's name in a set or map is that long. */
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
  for (const inner of [LIST.elements, ITEM]) {
    const { at, end } = parts.get(inner) ?? { at: 0, end: 0 };
    parts = attributesIn(view, at, end);
  }
  const data = parts.get(ELEMENT.data);
  const found = data && readVerdict(datagram, data);
  return found && { verdict: `${found.word ?? 'another verdict than'} ${found.chain}` };
}

const [NFNL_BATCH_BEGIN, NFNL_BATCH_END] = [16, 17];
const NFNL_SUBSYS_NFTABLES = 10;
const MESSAGES = { add: (NFNL_SUBSYS_NFTABLES << 8) | 12, delete: (NFNL_SUBSYS_NFTABLES << 8) | 14 } as const;
const [NLM_F_ACK, NLM_F_CREATE] = [4, 0x400];
const NFPROTO_BRIDGE = 7;
/** No message is longer. */
const MOST_OF_A_MESSAGE = 512;

const LINE = /^(add|delete) element bridge (\S+) (\w+) \{ "([^"]{1,15})"(?: \. ([^\s"/]+))? \}$/;

/**
 * Encodes lines of nft that add elements to sets of the bridge family, or delete them. Their key is a device's name, or a
 * name and an address.
 * @param lines such as `add element bridge TABLE own4 { "vif1.0" . 192.0.2.11 }`
 * @returns undefined when a line is another one
 */
export function encodeSetChanges(lines: readonly string[]): NfBatch | undefined {
  const out = new NetlinkWriter((lines.length + 2) * MOST_OF_A_MESSAGE);
  out.begin(NFNL_BATCH_BEGIN, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
  out.end();
  for (const line of lines) {
    const [, verb, table = '', set = '', device = '', value] = LINE.exec(line) ?? [];
    const prefix = value === undefined ? undefined : parsePrefix(value);
    if (verb === undefined || (value !== undefined && prefix === undefined)) return undefined;
    const isAdded = verb === 'add';
    const flags = NLM_F_REQUEST | (isAdded ? NLM_F_CREATE : 0);
    out.begin(isAdded ? MESSAGES.add : MESSAGES.delete, flags, NFPROTO_BRIDGE);
    out.text(LIST.table, table);
    out.text(LIST.set, set);
    for (const type of [LIST.elements, ITEM]) out.nest(type | NESTED);
    writeKey(out, device, prefix === undefined ? [] : bytesOf(prefix));
    out.close(0);
    out.end();
  }
  const last = out.sequence;
  out.flag(NLM_F_ACK);
  out.begin(NFNL_BATCH_END, NLM_F_REQUEST, 0, NFNL_SUBSYS_NFTABLES);
  out.end();
  return { bytes: out.from(0), last };
}

function writeKey(out: NetlinkWriter, device: string, address: readonly number[]): void {
  out.nest(ELEMENT.key | NESTED);
  out.nest(VALUE);
  const key = out.room(NAME_LENGTH + address.length);
  for (let i = 0; i < device.length; i++) key.setUint8(i, device.charCodeAt(i));
  for (const [i, byte] of address.entries()) key.setUint8(NAME_LENGTH + i, byte);
  out.close(2);
}

function bytesOf({ family, address }: Prefix): number[] {
  return family === 4
    ? (ipv4Octets(address) ?? [])
    : (ipv6Groups(address) ?? []).flatMap((group) => [group >> 8, group & 0xff]);
}
