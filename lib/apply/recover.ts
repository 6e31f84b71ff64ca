import { messageOf } from '../errors.ts';
import type { System } from '../system/system.ts';
import { closeJournal, damagedJournals, putAside, readJournal } from './journal.ts';
import { undoJournal } from './undo.ts';

/**
 * Undoes an interrupted run with this key, if there is one (docs/contract.md, "Exit status": a failure leaves nothing
 * half-done).
 * @param system the way to the host
 * @param key the run's key; the caller must hold its lock
 * @returns sentences for the log; empty when there was nothing to do
 * @throws HostError when a later version of this program wrote the journal
 */
export async function recoverRun(system: System, key: string): Promise<string[]> {
  const journal = readJournal(system, key);
  if (typeof journal === 'string') return [putAside(system, key)];
  if (journal === undefined) {
    closeJournal(system, key);
    return damagedJournals(system, (other) => other === key);
  }
  const failures = await undoJournal(system, journal);
  return [
    `An interrupted run of ${key} was found and taken back.`,
    ...failures.map((text) => `While taking it back: ${text}.`),
  ];
}

/**
 * The same for a caller that goes on with other runs: a failure becomes a sentence instead of an error.
 * @param system the way to the host
 * @param key the run's key; the caller must hold its lock
 * @returns sentences for the log
 */
export async function recoverInWords(system: System, key: string): Promise<string[]> {
  try {
    return await recoverRun(system, key);
  } catch (thrown) {
    return [`The interrupted run of ${key} could not be taken back: ${messageOf(thrown)}`];
  }
}
