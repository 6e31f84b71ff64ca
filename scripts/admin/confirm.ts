import { confirmRun, expireRuns, pendingRuns, remainingMs } from '../../lib/apply/confirm.ts';
import type { Context } from '../../lib/hook/context.ts';
import { withLock } from '../../lib/hook/locks.ts';
import { dropTables } from '../../lib/hook/tables.ts';

const POLL_MS = 500;
/** Whatever waits for a confirmation was started by a network hook, and these share one lock. */
const ANY_NETWORK_HOOK = 'network-bridge';

/**
 * Lets every start that waits for its confirmation stand.
 * @param context the call
 */
export function confirm(context: Context): Promise<number> {
  const { system, print } = context;
  return withLock(system, ANY_NETWORK_HOOK, async () => {
    const runs = pendingRuns(system);
    for (const { id } of runs) {
      confirmRun(system, id);
      print(`${id} is confirmed and stays.\n`);
    }
    if (runs.length === 0) print('Nothing waits for a confirmation.\n');
    return 0;
  });
}

/**
 * The clock of one start: waits until its time is over and undoes it, unless it was confirmed.
 * @param context the call
 * @param id the start's name while it waits
 */
export async function expire(context: Context, id: string): Promise<number> {
  const { system, log } = context;
  for (let left = remainingMs(system, id); left > 0; left = remainingMs(system, id)) {
    await system.sleep(Math.min(POLL_MS, left));
  }
  return withLock(system, ANY_NETWORK_HOOK, async () => {
    for (const sentence of await expireRuns(system)) log.warn(sentence);
    dropTables(system);
    return 0;
  });
}
