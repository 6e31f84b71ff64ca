import type { Family } from '../contract/addresses.ts';
import { messageOf } from '../errors.ts';
import { encodeRules, type TableLine } from '../filter/nf-rules.ts';
import { type NetlinkSocket, NLMSG_ERROR } from './netlink.ts';

/** What became of a transaction: all of it was done, or nobody knows, for the reason told. */
export interface NfOutcome {
  readonly error?: string;
}

const ERRNO_AT = 16;
const SEQUENCE_AT = 8;

/**
 * Does what `iptables-restore --noflush` of iptables-nft would do for these lines, without the child process, and all
 * tables in one transaction.
 * @param open makes the socket
 * @param family iptables' or ip6tables'
 * @param lines lines for tables
 * @returns undefined, with nothing done, when a line is beyond what is encoded here, or when the kernel refuses:
 * iptables knows what to do about a chain that is missing, and how to say what else is wrong
 */
export function runNfTables(
  open: () => NetlinkSocket,
  family: Family,
  lines: readonly TableLine[],
): NfOutcome | undefined {
  const batch = encodeRules(family, lines);
  if (batch === undefined) return undefined;
  let socket: NetlinkSocket;
  try {
    socket = open();
  } catch {
    return undefined;
  }
  try {
    return sent(socket, batch.bytes) ? answer(socket, batch.last) : undefined;
  } finally {
    socket.close();
  }
}

/** @returns whether the kernel took it; what it does not take has no effect */
function sent(socket: NetlinkSocket, bytes: Uint8Array): boolean {
  try {
    socket.send(bytes);
    return true;
  } catch {
    return false;
  }
}

/**
 * The kernel answers before send(2) is over. Of a batch it reports every error, in order, and then the message that asked
 * for it: when that is the first answer there was no error, and the transaction is committed.
 */
function answer(socket: NetlinkSocket, last: number): NfOutcome | undefined {
  try {
    const reply = socket.receive();
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    if (view.getUint16(4, true) === NLMSG_ERROR) {
      if (view.getInt32(ERRNO_AT, true) !== 0) return undefined;
      if (view.getUint32(SEQUENCE_AT, true) === last) return {};
    }
    return { error: 'nf_tables gave no answer to the last of the rules' };
  } catch (thrown) {
    return { error: `nf_tables gave no answer: ${messageOf(thrown)}` };
  }
}
