import { confirmRun, expireRun, pendingRuns } from '../../lib/apply/confirm.ts';
import type { Context } from '../../lib/hook/context.ts';
import { withLock } from '../../lib/hook/locks.ts';

const POLL_MS = 500;

/**
 * Lets every start that waits for its confirmation stand.
 * @param context the call
 */
export async function confirm(context: Context): Promise<number> {
  const runs = pendingRuns(context.system);
  for (const run of runs) {
    confirmRun(context.system, run.key);
    context.print(`${run.key} is confirmed and stays.\n`);
  }
  if (runs.length === 0) context.print('Nothing waits for a confirmation.\n');
  return 0;
}

/**
 * The clock of one start: waits until its time is over and undoes it, unless it was confirmed.
 * @param context the call
 * @param key the run's key
 */
export async function expire(context: Context, key: string): Promise<number> {
  const { system, log } = context;
  const find = () => pendingRuns(system).find((run) => run.key === key);
  for (let run = find(); run !== undefined && Date.now() < run.deadline; run = find()) {
    await system.sleep(Math.min(POLL_MS, Math.max(1, run.deadline - Date.now())));
  }
  return withLock(system, key, async () => {
    const run = find();
    if (run === undefined || Date.now() < run.deadline) return 0;
    for (const failure of await expireRun(system, run)) log.error(`While ${key} was taken back: ${failure}.`);
    log.warn(`Nobody confirmed ${key} in time: it was taken back.`);
    return 0;
  });
}
