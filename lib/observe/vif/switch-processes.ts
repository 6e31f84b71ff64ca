import { askSwitch, type SwitchAnswer } from '../../system/openvswitch/ask.ts';
import type { System } from '../../system/system.ts';
import { DATABASE, type Operation, type Row, rowsIn } from '../../wire/ovsdb.ts';

const RUN_FOLDERS = ['/run/openvswitch', '/var/run/openvswitch', '/usr/local/var/run/openvswitch'];
/** A running switch answers between two rounds of its work, on a busy host as well. */
const ANSWER_MS = 5000;

/**
 * The folder with the sockets of Open vSwitch.
 * @param system the way to the folders
 * @returns undefined where it has none of the usual ones
 */
export function switchFolder(system: System): string | undefined {
  return RUN_FOLDERS.find((path) => system.exists(path));
}

/**
 * The socket of the switch's database.
 * @param folder the folder with the sockets
 */
export function databaseIn(folder: string): string {
  return `${folder}/db.sock`;
}

/**
 * Sends one request to a process of Open vSwitch and waits for its answer.
 * @param system the way to the socket
 * @param path the socket
 * @param method the request
 * @param params its parameters
 * @param longestMs how long the answer itself may take besides
 * @returns undefined where none comes
 */
export async function askProcess(
  system: System,
  path: string,
  method: string,
  params: readonly unknown[] = [],
  longestMs = 0,
): Promise<SwitchAnswer | undefined> {
  return askSwitch(await system.native(), path, method, params, ANSWER_MS + longestMs);
}

/** What the database said. */
export interface DatabaseAnswer {
  /** The rows that each operation found; undefined where one failed, or nobody answers. */
  readonly rows: readonly (readonly Row[])[] | undefined;
  /** The whole answer, for messages; undefined where nobody answers. */
  readonly text: string | undefined;
}

/**
 * Asks the switch's database.
 * @param system the way to its socket
 * @param folder the folder with the socket
 * @param operations the questions
 * @param longestMs how long they wait for something
 */
export async function askDatabase(
  system: System,
  folder: string,
  operations: readonly Operation[],
  longestMs = 0,
): Promise<DatabaseAnswer> {
  const params = [DATABASE, ...operations];
  const answer = await askProcess(system, databaseIn(folder), 'transact', params, longestMs);
  return { rows: rowsIn(answer?.result), text: answer?.text };
}
