import { messageOf } from '../../errors.ts';
import {
  AF,
  encodeRules,
  type FoundRules,
  NO_RULES_FOUND,
  rulesToFind,
  type TableLine,
} from '../../filter/nf-rules.ts';
import type { Family } from '../../request/addresses.ts';
import {
  chainQuestion,
  findRules,
  generationOf,
  generationQuestion,
  isDropping,
  rulesQuestion,
  type WantedRule,
} from '../../wire/nf-listing.ts';
import type { NfBatch } from '../../wire/nf-tables.ts';
import { type NetlinkSocket, NLMSG_ERROR } from './netlink.ts';

/** What became of a transaction: all of it was done, or nobody knows, for the reason told. */
export interface NfOutcome {
  readonly error?: string;
}

const ERRNO_AT = 16;
const SEQUENCE_AT = 8;
/** The rulesets have changed since rules were looked up. */
const ERESTART = 85;
const MOST_TRIES = 4;

/**
 * Does what `iptables-restore --noflush` of iptables-nft would do for these lines, without the child process, and all
 * tables in one transaction.
 * @param open makes a socket
 * @param family iptables' or ip6tables'
 * @param lines lines for tables
 * @returns undefined, with nothing done, when a line is beyond what is encoded here, when a rule is not found, or when
 * the kernel refuses: iptables knows what to do about a chain that is missing, and how to say what else is wrong
 */
export function runNfTables(
  open: () => NetlinkSocket,
  family: Family,
  lines: readonly TableLine[],
): NfOutcome | undefined {
  const wanted = rulesToFind(family, lines);
  for (let tries = 0; wanted !== undefined && tries < MOST_TRIES; tries++) {
    const found = wanted.length === 0 ? NO_RULES_FOUND : lookUp(open, family, wanted);
    const batch = found === undefined ? undefined : encodeRules(family, lines, found);
    const outcome = batch === undefined ? undefined : attempt(open, (socket) => transact(socket, batch));
    if (outcome !== 'again') return outcome;
  }
  return undefined;
}

/**
 * Whether FORWARD of iptables-nft drops what no rule lets pass.
 * @param open makes a socket
 * @param family iptables' or ip6tables'
 */
export function forwardDropsByNft(open: () => NetlinkSocket, family: Family): boolean {
  const dropping = attempt(open, (socket) => {
    socket.send(chainQuestion(AF[family], 'filter', 'FORWARD'));
    return isDropping(socket.receive());
  });
  return dropping === true;
}

/** @returns undefined as well when there is no socket, or it fails before anything is done */
function attempt<T>(open: () => NetlinkSocket, ask: (socket: NetlinkSocket) => T): T | undefined {
  let socket: NetlinkSocket | undefined;
  try {
    socket = open();
    return ask(socket);
  } catch {
    return undefined;
  } finally {
    socket?.close();
  }
}

/** @returns undefined unless all of them are there */
function lookUp(
  open: () => NetlinkSocket,
  family: Family,
  wanted: readonly WantedRule[],
): FoundRules | undefined {
  const generation = attempt(open, (socket) => {
    socket.send(generationQuestion());
    return generationOf(socket.receive());
  });
  const handles = new Map<WantedRule, Uint8Array>();
  for (const first of wanted) {
    if (handles.has(first)) continue;
    const sameChain = wanted.filter(({ table, chain }) => table === first.table && chain === first.chain);
    attempt(open, (socket) => lookInChain(socket, family, sameChain, handles));
    if (!handles.has(first)) return undefined;
  }
  return generation === undefined
    ? undefined
    : { generation, handles: [...wanted].flatMap((one) => handles.get(one) ?? []) };
}

/** A chain's rules come from its top, where those of the youngest guests are, and only as far as they are asked for. */
function lookInChain(
  socket: NetlinkSocket,
  family: Family,
  wanted: readonly WantedRule[],
  handles: Map<WantedRule, Uint8Array>,
): void {
  const { table = '', chain = '' } = wanted[0] ?? {};
  socket.send(rulesQuestion(AF[family], table, chain));
  for (let goesOn = true; goesOn && wanted.some((one) => !handles.has(one)); )
    goesOn = findRules(socket.receive(), wanted, handles);
}

/**
 * The kernel answers before send(2) is over. Of a batch it reports every error, in order, and then the message that asked
 * for it: when that is the first answer there was no error, and the transaction is committed.
 */
function transact(socket: NetlinkSocket, { bytes, last }: NfBatch): NfOutcome | 'again' | undefined {
  socket.send(bytes);
  try {
    const reply = socket.receive();
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    if (view.getUint16(4, true) === NLMSG_ERROR) {
      const errno = -view.getInt32(ERRNO_AT, true);
      if (errno !== 0) return errno === ERESTART ? 'again' : undefined;
      if (view.getUint32(SEQUENCE_AT, true) === last) return {};
    }
    return { error: 'nf_tables gave no answer to the last of the rules' };
  } catch (thrown) {
    return { error: `nf_tables gave no answer: ${messageOf(thrown)}` };
  }
}
