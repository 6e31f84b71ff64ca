import { confirmRun, isPending, pendingIds, remainingMs } from '../../lib/apply/confirm.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { withLock } from '../../lib/hook/locks.ts';
import { recoverNetworks } from '../../lib/hook/network/recovery.ts';
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
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const { words, waits } = await tryOnce(context, id);
    if (words !== said && words !== '') context.log.warn(words);
    said = words;
    if (!waits) return 0;
    if (context.interrupted()) return 1;
    await system.sleep(pause);
  }
}

/**
 * Only who holds the lock knows that a run waits no more: a stop that is under way may still fail, or have been killed,
 * and then it waits again.
 */
async function tryOnce(
  context: Context,
  id: string,
): Promise<{ readonly words: string; readonly waits: boolean }> {
  const { system } = context;
  const sentences: string[] = [];
  try {
    return await withLock(system, ANY_NETWORK_HOOK, async () => {
      await recoverNetworks(context, (sentence) => void sentences.push(sentence));
      dropTables(system);
      return { words: sentences.join(' '), waits: isPending(system, id) };
    });
  } catch (thrown) {
    const words = `What was not confirmed is not taken back yet: ${messageOf(thrown)}`;
    return { words: [...sentences, words].join(' '), waits: true };
  }
}
