// The numbers of nf_tables' messages and attributes (linux/netfilter/nf_tables.h), and transactions of them.

import { NESTED, NetlinkWriter } from '../netlink-writer.ts';

/** Headers of netlink(7) and nfnetlink before a message's attributes, in bytes. */
export const HEADERS = 20;
/** Where an error number is in a message of the type ERROR, in bytes. */
export const ERRNO_AT = 16;

/** The types of messages, of netlink itself (linux/netlink.h) and of nf_tables. */
export const NLMSG = { error: 2, done: 3 } as const;
export const MESSAGE = {
  newTable: 0xa00,
  getTable: 0xa01,
  newChain: 0xa03,
  getChain: 0xa04,
  delChain: 0xa05,
  newRule: 0xa06,
  getRule: 0xa07,
  delRule: 0xa08,
  newElement: 0xa0c,
  getElement: 0xa0d,
  delElement: 0xa0e,
  newGeneration: 0xa0f,
  getGeneration: 0xa10,
  newObject: 0xa12,
  getObject: 0xa13,
  delObject: 0xa14,
} as const;

/** NLM_F_REQUEST and so on; torn: what is listed changed while the kernel sent it. */
export const FLAG = { request: 1, ack: 4, torn: 0x10, dump: 0x300, create: 0x400, append: 0x800 } as const;

/** NFPROTO_INET and so on (linux/netfilter.h), by nft's words. */
export const NFPROTO: Readonly<Record<string, number>> = { inet: 1, ip: 2, netdev: 5, bridge: 7, ip6: 10 };

/** NFTA_CHAIN_TABLE and so on. */
export const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, use: 6, type: 7 } as const;
export const HOOK = { number: 1, priority: 2, device: 3 } as const;
export const RULE = { table: 1, chain: 2, handle: 3, expressions: 4, compatible: 5 } as const;
/** NFTA_SET_ELEM_LIST_TABLE and so on. */
export const ELEMENTS = { table: 1, set: 2, list: 3 } as const;
export const ELEMENT = { key: 1, data: 2, keyEnd: 10 } as const;
/** NFTA_LIST_ELEM. */
export const ITEM = 1;
/** NFTA_DATA_VALUE, NFTA_DATA_VERDICT; NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN. */
export const DATA = { value: 1, verdict: 2 } as const;
export const VERDICT = { code: 1, chain: 2 } as const;
/** NF_DROP and so on, and NFT_JUMP, NFT_GOTO and NFT_RETURN. */
export const CODE = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

/** Messages that the kernel carries out as one transaction. */
export interface NfBatch {
  readonly bytes: Uint8Array;
  /** The sequence number of the one message that the kernel acknowledges: the last that changes something. */
  readonly last: number;
}

const [BATCH_BEGIN, BATCH_END] = [16, 17];
const SUBSYSTEM = 10;
const BATCH_GENERATION = 1;
/** For the message that ends a batch. */
const END_ROOM = 64;

/**
 * Begins a transaction.
 * @param size in bytes, enough for its messages, or for those until the next call of `reserve`
 * @param options the generation of all rulesets in which the kernel may carry it out, 0 for any; and whether attributes
 * that contain attributes are marked, as the kernel's own lists have them not
 */
export function beginBatch(size: number, { generation = 0, isMarked = true } = {}): NetlinkWriter {
  const out = new NetlinkWriter(size + END_ROOM, isMarked);
  out.begin(BATCH_BEGIN, FLAG.request, 0, SUBSYSTEM);
  if (generation !== 0) out.number(BATCH_GENERATION, generation);
  out.end();
  return out;
}

/** Where packets come to a base chain: the numbers of the hook and of the priority there, and the device in the netdev family. */
export interface ChainPlace {
  readonly hook: number;
  readonly priority: number;
  readonly device?: string | undefined;
}

/**
 * Writes the message that makes a base chain, whose packets are accepted unless a rule drops them.
 * @param out a transaction
 * @param family one of NFPROTO
 * @param table the table's name
 * @param name the chain's; a chain of that name must not exist elsewhere, or its policy becomes "accept"
 * @param place where packets come to it
 */
export function writeBaseChain(
  out: NetlinkWriter,
  family: number,
  table: string,
  name: string,
  { hook, priority, device }: ChainPlace,
): void {
  out.begin(MESSAGE.newChain, FLAG.request | FLAG.create, family);
  out.text(CHAIN.table, table);
  out.text(CHAIN.name, name);
  out.nest(CHAIN.hook | NESTED);
  out.number(HOOK.number, hook);
  out.number(HOOK.priority, priority);
  if (device !== undefined) out.text(HOOK.device, device);
  out.close(0);
  out.number(CHAIN.policy, CODE.accept);
  out.text(CHAIN.type, 'filter');
  out.end();
}

/**
 * Ends a transaction; the kernel acknowledges the last message that changes something.
 * @param out with at least one message; nothing may be written to it afterwards
 */
export function endBatch(out: NetlinkWriter): NfBatch {
  const last = out.sequence;
  out.reserve(END_ROOM);
  out.flag(FLAG.ack);
  out.begin(BATCH_END, FLAG.request, 0, SUBSYSTEM);
  out.end();
  return { bytes: out.from(0), last };
}
