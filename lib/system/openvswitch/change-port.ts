import {
  changeNumber,
  DATABASE,
  doneBy,
  foundBy,
  holderQuestion,
  type Operation,
  operationsFor,
  type PortChange,
  parsePortChange,
  questionsFor,
  type Row,
  rowsIn,
} from '../../wire/ovsdb.ts';
import type { Native } from '../kernel/native.ts';
import { waitText, within } from '../processes/deadline.ts';
import { askSwitch } from './ask.ts';

/** Less than the 40 s after which xl kills a hook. */
const LONGEST_MS = 30_000;
/** How often a change is begun again that met another one. */
const MOST_TRIES = 5;

type Sockets = Pick<Native, 'connectStream'>;

/** What came of a change. */
export interface PortOutcome {
  /** Why it was not done; undefined where it was. */
  readonly error?: string;
}

/**
 * Does what a command of ovs-vsctl would do with a port, by the switch's database itself. ovs-vsctl reads the whole database
 * first, which takes the longer the more guests there are, and all that changes meanwhile.
 * @param native the way to the socket
 * @param socket that of the database
 * @param argv the command
 * @returns undefined, with nothing done, where ovs-vsctl has to run: the database does not answer, or it would refuse, so
 * that ovs-vsctl says why
 */
export async function changePort(
  native: Sockets,
  socket: string,
  argv: readonly string[],
): Promise<PortOutcome | undefined> {
  const change = parsePortChange(argv);
  if (change === undefined) return undefined;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const found = await transact(native, socket, questionsFor(change));
    if (found === undefined) return undefined;
    const result = await attempt(native, socket, change, found);
    if (result !== 'met another') return result;
  }
  return undefined;
}

async function attempt(
  native: Sockets,
  socket: string,
  change: PortChange,
  rows: readonly (readonly Row[])[],
): Promise<PortOutcome | undefined | 'met another'> {
  const found = foundBy(rows);
  const { port } = found;
  if (port === undefined && change.added === undefined && !found.isBridge) return {};
  const holders = port === undefined ? [[]] : await transact(native, socket, [holderQuestion(port['_uuid'])]);
  const operations = operationsFor(change, found, holders?.[0] ?? []);
  if (operations === undefined) return undefined;
  const changed = await transact(native, socket, operations);
  if (changed === undefined) return 'met another';
  const number = changeNumber(changed);
  return change.isAwaited && number !== undefined ? awaitDone(native, socket, number) : {};
}

async function awaitDone(native: Sockets, socket: string, number: number): Promise<PortOutcome> {
  const waitMs = Math.floor(within(LONGEST_MS));
  const done = await transact(native, socket, [doneBy(number, waitMs)], LONGEST_MS + waitMs);
  if (done !== undefined) return {};
  return { error: `ovs-vswitchd did not do it within ${waitText(LONGEST_MS, waitMs)}` };
}

/** @returns the rows that each operation gave; undefined where none was done, or nobody answered */
async function transact(
  native: Sockets,
  socket: string,
  operations: readonly Operation[],
  timeoutMs = LONGEST_MS,
): Promise<Row[][] | undefined> {
  const answer = await askSwitch(native, socket, 'transact', [DATABASE, ...operations], timeoutMs);
  return rowsIn(answer?.result);
}
