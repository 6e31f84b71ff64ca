import { RUN_FOLDER } from '../contract/paths.ts';
import { HostError } from '../errors.ts';
import { startDetached } from '../system/exec.ts';
import type { System } from '../system/system.ts';
import { undoJournal } from './apply.ts';
import { journalPath, readJournal } from './journal.ts';

const PENDING = `${RUN_FOLDER}/pending`;

/** A run that is undone unless it is confirmed. */
export interface PendingRun {
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly deadline: number;
}

/**
 * Keeps what a run could be undone by, and starts the clock: a process of its own session, so that it outlives the
 * terminal and the connection that start was typed in. To be called before the run's journal is closed.
 * @param system the way to the files
 * @param key the run's key
 * @param seconds how long to wait for the confirmation
 */
export function deferUndo(system: System, key: string, seconds: number): void {
  const journal = system.readText(journalPath(key));
  if (journal === undefined) return;
  system.replaceFile(journalOf(key), `${journal}\n`);
  system.replaceFile(deadlineOf(key), `${Date.now() + seconds * 1000}\n`);
  startDetached([process.execPath, 'expire', key]);
}

/**
 * The runs that wait for a confirmation.
 * @param system the way to the files
 */
export function pendingRuns(system: System): PendingRun[] {
  return system
    .list(PENDING)
    .filter((name) => name.endsWith('.deadline'))
    .map((name) => name.replace(/\.deadline$/, ''))
    .map((key) => ({ key, deadline: Number(system.readText(deadlineOf(key))) }));
}

/**
 * Lets a run stand.
 * @param system the way to the files
 * @param key the run's key
 */
export function confirmRun(system: System, key: string): void {
  system.remove(deadlineOf(key));
  system.remove(journalOf(key));
}

/**
 * Undoes a run whose time is over; the lock of its hook must be held.
 * @param system the way to the host
 * @param run the run
 * @returns what went wrong, if anything
 * @throws HostError when what it did is not known any more
 */
export async function expireRun(system: System, run: PendingRun): Promise<string[]> {
  const journal = readJournal(system, run.key, journalOf(run.key));
  if (journal === undefined) throw new HostError(`What ${run.key} did is not known any more, so it stays.`);
  const failures = await undoJournal(system, { ...journal, begun: journal.steps.length });
  confirmRun(system, run.key);
  return failures;
}

const journalOf = (key: string): string => `${PENDING}/${key}.journal`;
const deadlineOf = (key: string): string => `${PENDING}/${key}.deadline`;
