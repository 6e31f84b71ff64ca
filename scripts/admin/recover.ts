import { recoverRun } from '../../lib/apply/apply.ts';
import { expireRun, pendingRuns } from '../../lib/apply/confirm.ts';
import { journalKeys } from '../../lib/apply/journal.ts';
import type { Context } from '../../lib/hook/context.ts';
import { withLock } from '../../lib/hook/locks.ts';

/**
 * Takes back whatever interrupted runs left, and starts whose confirmation did not come in time.
 * @param context the call
 */
export async function recover(context: Context): Promise<number> {
  const { system, print } = context;
  const overdue = pendingRuns(system).filter(({ deadline }) => deadline < Date.now());
  const sentences: string[] = [];
  for (const key of journalKeys(system)) {
    sentences.push(...(await withLock(system, key, () => recoverRun(system, key))));
  }
  for (const run of overdue) {
    const failures = await withLock(system, run.key, () => expireRun(system, run));
    sentences.push(`${run.key} was not confirmed in time and is taken back.`, ...failures);
  }
  if (sentences.length === 0) sentences.push('No run was interrupted; nothing to take back.');
  print(`${sentences.join('\n')}\n`);
  return 0;
}
