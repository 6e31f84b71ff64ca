import { damagedJournals, journalKeys } from '../../lib/apply/journal.ts';
import { recoverInWords } from '../../lib/apply/recover.ts';
import { LockError, XenNetworkError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { collect, goneDevices } from '../../lib/hook/guests/leftovers.ts';
import { listAllRules } from '../../lib/hook/guests/refilter/records.ts';
import { deviceKeys, withLock, withLocks } from '../../lib/hook/locks.ts';
import { mendBridges } from '../../lib/hook/network/mend.ts';
import { expireRuns, recoverNetworkRun } from '../../lib/hook/network/recovery.ts';
import { collectShared } from '../../lib/hook/network/shared-settings.ts';
import { dropTables } from '../../lib/hook/network/tables.ts';
import { refilterDue } from '../../lib/hook/network/transaction.ts';
import { damagedRecords } from '../../lib/observe/records.ts';

/**
 * Undoes interrupted runs and starts that were not confirmed in time; stops bridges from which somebody removed a part.
 * @param context the call
 */
export async function recover(context: Context): Promise<number> {
  const { system, print } = context;
  const sentences = [...damagedJournals(system), ...damagedRecords(system)];
  for (const key of journalKeys(system)) {
    sentences.push(...(await recovered(context, key)));
  }
  const parts: readonly (() => Promise<string[]>)[] = [
    () => withLock(system, 'network-bridge', () => expireRuns(context)),
    () =>
      withLock(system, 'network-bridge', async () => {
        const released = await collectShared(system);
        dropTables(system);
        return released;
      }),
    () => withLock(system, 'network-bridge', () => refilterDue(context)),
    async () => collect(context, goneDevices(system)),
    // Only the firewall tells of those whose records are lost.
    async () => collect(context, goneDevices(system, listAllRules(system))),
    () => mendBridges(context),
  ];
  // A part that cannot be done must not prevent the others.
  const failures = new Set<string>();
  for (const part of parts) {
    try {
      sentences.push(...(await part()));
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError)) throw thrown;
      failures.add(thrown.message);
    }
  }
  if (sentences.length + failures.size === 0) sentences.push('No run was interrupted; nothing to take back.');
  print(sentences.map((sentence) => `${sentence}\n`).join(''));
  for (const failure of failures) context.log.error(failure);
  return failures.size === 0 ? 0 : 1;
}

/** One run that is under way must not prevent the recovery of the others. */
async function recovered(context: Context, key: string): Promise<string[]> {
  const { system } = context;
  const take = () =>
    key.startsWith('network-') ? recoverNetworkRun(context, key) : recoverInWords(system, key);
  try {
    return await withLocks(system, deviceKeys(key), take);
  } catch (thrown) {
    if (!(thrown instanceof LockError)) throw thrown;
    return [`Nothing of ${key} was taken back: ${thrown.message}`];
  }
}
