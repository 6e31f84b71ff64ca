// Reads the kernel's lists of rules of nf_tables (linux/netfilter/nf_tables.h).
import { NetlinkWriter } from './netlink-writer.ts';
import type { NfExpressions } from './nf-tables.ts';

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

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NFT_MSG_NEWCHAIN = 0xa03;
const NFT_MSG_GETCHAIN = 0xa04;
const NFT_MSG_NEWRULE = 0xa06;
const NFT_MSG_GETRULE = 0xa07;
const NFT_MSG_NEWGEN = 0xa0f;
const NFT_MSG_GETGEN = 0xa10;
const [TABLE, CHAIN, HANDLE, EXPRESSIONS] = [1, 2, 3, 4];
/** NFTA_CHAIN_NAME and NFTA_CHAIN_POLICY, and NF_DROP. */
const [CHAIN_NAME, POLICY, DROP] = [3, 5, 0];
const GENERATION = 1;
/** Length of the netlink header plus the nfnetlink header. */
const HEADERS = 20;

/** The request for the generation number of all rulesets. */
export function generationQuestion(): Uint8Array {
  const out = new NetlinkWriter(HEADERS);
  out.begin(NFT_MSG_GETGEN, NLM_F_REQUEST, 0);
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
  if (view.getUint16(4, true) !== NFT_MSG_NEWGEN) return 0;
  for (let at = HEADERS; at + 8 <= datagram.length; at += (view.getUint16(at, true) + 3) & ~3)
    if (view.getUint16(at + 2, true) === GENERATION) return view.getUint32(at + 4);
  return 0;
}

/**
 * The request for a chain itself, without its rules.
 * @param family AF_INET or AF_INET6
 * @param table such as filter
 * @param chain such as FORWARD
 */
export function chainQuestion(family: number, table: string, chain: string): Uint8Array {
  const out = new NetlinkWriter(128);
  out.begin(NFT_MSG_GETCHAIN, NLM_F_REQUEST, family);
  out.text(TABLE, table);
  out.text(CHAIN_NAME, chain);
  out.end();
  return out.from(0);
}

/**
 * Whether a chain's policy is DROP.
 * @param datagram the answer to chainQuestion
 * @returns also false for a chain that does not exist
 */
export function isDropping(datagram: Uint8Array): boolean {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  if (view.getUint16(4, true) !== NFT_MSG_NEWCHAIN) return false;
  for (let at = HEADERS; at + 8 <= datagram.length; at += (view.getUint16(at, true) + 3) & ~3)
    if (view.getUint16(at + 2, true) === POLICY) return view.getUint32(at + 4) === DROP;
  return false;
}

/**
 * The request for a chain's rules.
 * @param family AF_INET or AF_INET6
 * @param table such as filter
 * @param chain such as FORWARD
 */
export function rulesQuestion(family: number, table: string, chain: string): Uint8Array {
  const out = new NetlinkWriter(128);
  out.begin(NFT_MSG_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, family);
  out.text(TABLE, table);
  out.text(CHAIN, chain);
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
    if (type === NLMSG_DONE || type === NLMSG_ERROR) return false;
    const end = at + view.getUint32(at, true);
    if (type === NFT_MSG_NEWRULE) matchRule(datagram, view, at + HEADERS, end, wanted, handles);
    at = (end + 3) & ~3;
  }
  return true;
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
    if (type === HANDLE) handle = at + 4;
    if (type !== EXPRESSIONS) continue;
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
