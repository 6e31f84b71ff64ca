import { messageOf } from '../errors.ts';
import type { System } from '../system/system.ts';
import { undoJournal } from './apply.ts';
import { closeJournal, damagedJournals, putAside, readJournal } from './journal.ts';

/**
 * Takes back what an interrupted run with this key left, if anything (docs/contract.md, "Exit status": a failure leaves
 * nothing half-done).
 * @param system the way to the host
 * @param key the run's key; its lock must be held
 * @returns sentences for the log; none when there was nothing to do
 */
export async function recoverRun(system: System, key: string): Promise<string[]> {
  const journal = readJournal(system, key);
  if (typeof journal === 'string') return [putAside(system, key, journal)];
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
 * The same, for who has other runs to see to as well: one that cannot be taken back keeps none of them.
 * @param system the way to the host
 * @param key the run's key; its lock must be held
 * @returns sentences for the log
 */
export async function recoverInWords(system: System, key: string): Promise<string[]> {
  try {
    return await recoverRun(system, key);
  } catch (thrown) {
    return [`The interrupted run of ${key} could not be taken back: ${messageOf(thrown)}`];
  }
}
