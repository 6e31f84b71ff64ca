import { messageOf } from '../../errors.ts';
import {
  AF,
  builtInChains,
  encodeRules,
  type FoundRules,
  NO_RULES_FOUND,
  rulesToFind,
  type TableLine,
} from '../../filter/nf-rules.ts';
import type { Family } from '../../request/addresses.ts';
import { encodeChanges } from '../../wire/nf/changes.ts';
import { elementQuestion, type FoundVerdict, verdictIn } from '../../wire/nf/elements.ts';
import { ERRNO_AT, NFPROTO, type NfBatch, NLMSG } from '../../wire/nf/messages.ts';
import {
  chainQuestion,
  chainsQuestion,
  type ForwardChain,
  findForwardChains,
  findRules,
  generationOf,
  generationQuestion,
  mayStop,
  rulesQuestion,
  type WantedRule,
} from '../../wire/nf/rules-listing.ts';
import type { NetlinkSocket } from './netlink.ts';

/**
 * The outcome of a transaction: without an error the kernel did all of it; with an error it is unknown what the kernel
 * did.
 */
export interface NfOutcome {
  readonly error?: string;
}

export type { FoundVerdict } from '../../wire/nf/elements.ts';

/** For tables of both families. */
const NFPROTO_INET = NFPROTO['inet'] ?? 0;
const SEQUENCE_AT = 8;
/** The rulesets have changed since the rules were looked up. */
const ERESTART = 85;
const ENOENT = 2;
/** How often something is tried that others change meanwhile, as they do while hundreds of guests come. */
const MOST_TRIES = 20;
/** More rules than those of a few guests are encoded once, when it is known which chains are missing. */
const FEW_RULES = 64;

/**
 * Does the work of `iptables-restore --noflush` of iptables-nft for these lines, without a child process, and for all
 * tables in one transaction.
 * @param open opens a socket
 * @param family 4 or 6
 * @param lines the lines, each for a table
 * @returns undefined, with nothing done, when a line cannot be encoded here, when a rule to delete is not found, or
 * when the kernel refuses. iptables then has to run: it explains errors.
 */
export function runNfTables(
  open: () => NetlinkSocket,
  family: Family,
  lines: readonly TableLine[],
): NfOutcome | undefined {
  const wanted = rulesToFind(family, lines);
  let makes = wanted?.length === 0 && lines.length > FEW_RULES;
  for (let tries = 0; wanted !== undefined && tries < MOST_TRIES; tries++) {
    const found = makes
      ? lookUpChains(open, family, lines)
      : wanted.length === 0
        ? NO_RULES_FOUND
        : lookUp(open, family, wanted);
    const batch = found === undefined ? undefined : encodeRules(family, lines, found);
    const outcome = batch === undefined ? undefined : attempt(open, (socket) => transact(socket, batch));
    // The chains of rules to delete are there.
    if (outcome === 'missing' && wanted.length === 0 && !makes) makes = true;
    else if (outcome !== 'again') return outcome === 'missing' ? undefined : outcome;
  }
  return undefined;
}

/**
 * Does the work of `nft -f -` for lines that change elements of sets and base chains, without a child process, in one
 * transaction.
 * @param open opens a socket
 * @param lines the lines, as `encodeChanges` takes them
 * @returns false when nothing is known to be done: for other lines, and where the kernel refuses. nft then has to run: it
 * explains errors, and what is there may be added again.
 */
export function changeTables(open: () => NetlinkSocket, lines: readonly string[]): boolean {
  const batch = encodeChanges(lines);
  const outcome = batch === undefined ? undefined : attempt(open, (socket) => transact(socket, batch));
  return typeof outcome === 'object' && outcome.error === undefined;
}

/** A chain for forwarded packets, and what is known of it without a full parse of its rules. */
export interface ForwardingChain {
  /** The table with its family, such as "inet firewalld". */
  readonly table: string;
  readonly name: string;
  readonly policy: 'accept' | 'drop';
  /** Whether it has rules that do something else than let packets pass. */
  readonly mayStop: boolean;
}

/**
 * The chains for forwarded packets: those of iptables-nft and of other programs.
 * @param open opens a socket
 * @param family the family of the packets
 * @returns undefined if the kernel does not answer
 */
export function forwardingChains(
  open: () => NetlinkSocket,
  family: Family,
): readonly ForwardingChain[] | undefined {
  const found = [AF[family], NFPROTO_INET].map((own) => {
    const word = own === NFPROTO_INET ? 'inet' : family === 4 ? 'ip' : 'ip6';
    return listForwardChains(open, own)?.map(({ table, name, policy, rules }) => ({
      table: `${word} ${table}`,
      name,
      policy,
      mayStop: rules > 0 && hasStop(open, own, table, name),
    }));
  });
  return found.every((chains) => chains !== undefined) ? found.flat() : undefined;
}

/**
 * Asks again while the answer is not whole.
 * @param ask asks once
 * @returns undefined where it never was whole
 */
export function askedWhole<T>(ask: () => T | 'torn'): T | undefined {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const answer = ask();
    if (answer !== 'torn') return answer;
  }
  return undefined;
}

function listForwardChains(open: () => NetlinkSocket, family: number): readonly ForwardChain[] | undefined {
  return askedWhole(() =>
    attempt(open, (socket) => {
      const found: ForwardChain[] = [];
      socket.send(chainsQuestion(family));
      for (;;) {
        const goesOn = findForwardChains(socket.receive(), found);
        if (goesOn !== true) return goesOn === 'torn' ? goesOn : found;
      }
    }),
  );
}

/** Reads up to the first such rule; where nobody can tell, there may be one. */
function hasStop(open: () => NetlinkSocket, family: number, table: string, chain: string): boolean {
  const found = askedWhole(() =>
    attempt(open, (socket) => {
      socket.send(rulesQuestion(family, table, chain));
      for (;;) {
        const stops = mayStop(socket.receive());
        if (stops !== undefined) return stops;
      }
    }),
  );
  return found ?? true;
}

/**
 * The verdict that a map has for a device.
 * @param open opens a socket
 * @param table the table of the map, with its family, such as "bridge xen_network"
 * @param map the map's name
 * @param device the device's name
 * @returns undefined if the kernel cannot tell
 */
export function mapVerdict(
  open: () => NetlinkSocket,
  table: string,
  map: string,
  device: string,
): FoundVerdict | undefined {
  const [family = '', name = ''] = table.split(' ');
  return attempt(open, (socket) => {
    socket.send(elementQuestion(NFPROTO[family] ?? NFPROTO_INET, name, map, device));
    return verdictIn(socket.receive());
  });
}

/**
 * Asks the kernel something.
 * @param open opens a socket
 * @param ask asks it
 * @returns also undefined when there is no socket, or the socket fails before anything is done
 */
export function attempt<T>(open: () => NetlinkSocket, ask: (socket: NetlinkSocket) => T): T | undefined {
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

/**
 * The generation of all rulesets, which each transaction that changes something raises by one.
 * @param open opens a socket
 * @returns undefined if the kernel does not answer
 */
export function lookUpGeneration(open: () => NetlinkSocket): number | undefined {
  return attempt(open, (socket) => {
    socket.send(generationQuestion());
    return generationOf(socket.receive());
  });
}

/** @returns undefined where iptables would not make one of the lines' chains */
function lookUpChains(
  open: () => NetlinkSocket,
  family: Family,
  lines: readonly TableLine[],
): FoundRules | undefined {
  const generation = lookUpGeneration(open);
  const isMissing = (table: string, name: string) =>
    attempt(open, (socket) => {
      socket.send(chainQuestion(AF[family], table, name));
      return errorIn(socket.receive()) === ENOENT;
    });
  const missing = builtInChains(lines)?.filter(({ table, name }) => isMissing(table, name) === true);
  if (missing === undefined || generation === undefined) return undefined;
  return missing.length === 0 ? NO_RULES_FOUND : { handles: [], missing, generation };
}

/** @returns undefined unless every rule was found */
function lookUp(
  open: () => NetlinkSocket,
  family: Family,
  wanted: readonly WantedRule[],
): FoundRules | undefined {
  const generation = lookUpGeneration(open);
  const handles = new Map<WantedRule, Uint8Array>();
  for (const first of wanted) {
    if (handles.has(first)) continue;
    const sameChain = wanted.filter(({ table, chain }) => table === first.table && chain === first.chain);
    attempt(open, (socket) => lookInChain(socket, family, sameChain, handles));
    if (!handles.has(first)) return undefined;
  }
  return generation === undefined
    ? undefined
    : { generation, missing: [], handles: [...wanted].flatMap((one) => handles.get(one) ?? []) };
}

/**
 * The kernel lists a chain from its top, where the rules of the youngest guests are; the listing is read only as far as
 * needed.
 */
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
 * The kernel answers before send(2) returns. It reports every error of a batch in order, and then acknowledges the
 * message that asked for it. If the acknowledgement is the first answer, there was no error and the transaction is
 * committed.
 */
function transact(
  socket: NetlinkSocket,
  { bytes, last }: NfBatch,
): NfOutcome | 'again' | 'missing' | undefined {
  socket.send(bytes);
  try {
    const reply = socket.receive();
    const errno = errorIn(reply);
    if (errno === ERESTART) return 'again';
    if (errno === ENOENT) return 'missing';
    if (errno !== undefined && errno !== 0) return undefined;
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    if (errno === 0 && view.getUint32(SEQUENCE_AT, true) === last) return {};
    return { error: 'nf_tables gave no answer to the last of the rules' };
  } catch (thrown) {
    return { error: `nf_tables gave no answer: ${messageOf(thrown)}` };
  }
}

/** @returns 0 for an acknowledgement; undefined for an answer that is neither */
function errorIn(reply: Uint8Array): number | undefined {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  return view.getUint16(4, true) === NLMSG.error ? -view.getInt32(ERRNO_AT, true) : undefined;
}
