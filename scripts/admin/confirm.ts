import { confirmRun, isPending, pendingIds, remainingMs } from '../../lib/apply/confirm.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { withLock } from '../../lib/hook/locks.ts';
import { expireRuns } from '../../lib/hook/network/expiry.ts';
import { dropTables } from '../../lib/hook/network/tables.ts';

const POLL_MS = 500;
/** The pauses between two attempts to undo a run. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** Only network hooks start runs that wait for confirmation, and all of them share one lock. */
const ANY_NETWORK_HOOK = 'network-bridge';

/**
 * Confirms every start that waits for confirmation.
 * @param context the call
 */
export function confirm(context: Context): Promise<number> {
  const { system, print } = context;
  return withLock(system, ANY_NETWORK_HOOK, async () => {
    // By their ids alone, which every version can read.
    const ids = pendingIds(system);
    for (const id of ids) {
      confirmRun(system, id);
      print(`${id} is confirmed and stays.\n`);
    }
    if (ids.length === 0) print('Nothing waits for a confirmation.\n');
    return 0;
  });
}

/**
 * The clock of one start: waits until its time is over and then undoes it, unless it was confirmed. It does not give
 * up, since the host may have no network: what cannot be undone now is tried again.
 * @param context the call
 * @param id the start's id
 */
export async function expire(context: Context, id: string): Promise<number> {
  const { system } = context;
  for (let left = remainingMs(system, id); left > 0; left = remainingMs(system, id))
    await system.sleep(Math.min(POLL_MS, left));
  let said = '';
  for (let pause = FIRST_PAUSE_MS; isPending(system, id); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const words = await tryOnce(context);
    if (words !== said) context.log.warn(words);
    said = words;
    if (context.interrupted()) return 1;
    if (isPending(system, id)) await system.sleep(pause);
  }
  return 0;
}

async function tryOnce(context: Context): Promise<string> {
  try {
    return await withLock(context.system, ANY_NETWORK_HOOK, async () => {
      const sentences = await expireRuns(context);
      dropTables(context.system);
      return sentences.join(' ');
    });
  } catch (thrown) {
    return `What was not confirmed is not taken back yet: ${messageOf(thrown)}`;
  }
}
