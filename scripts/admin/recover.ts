import { damagedJournals, journalKeys } from '../../lib/apply/journal.ts';
import { recoverInWords } from '../../lib/apply/recover.ts';
import { LockError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { collect, goneDevices } from '../../lib/hook/guests/leftovers.ts';
import { deviceKeys, withLock, withLocks } from '../../lib/hook/locks.ts';
import { expireRuns } from '../../lib/hook/network/expiry.ts';
import { mendBridges } from '../../lib/hook/network/mend.ts';
import { collectShared } from '../../lib/hook/network/shared-settings.ts';
import { dropTables } from '../../lib/hook/network/tables.ts';
import { damagedRecords } from '../../lib/observe/records.ts';
import type { System } from '../../lib/system/system.ts';

/**
 * Undoes interrupted runs and starts that were not confirmed in time; stops bridges from which somebody removed a part.
 * @param context the call
 */
export async function recover(context: Context): Promise<number> {
  const { system, print } = context;
  const sentences = [...damagedJournals(system), ...damagedRecords(system)];
  for (const key of journalKeys(system)) {
    sentences.push(...(await recovered(system, key)));
  }
  await withLock(system, 'network-bridge', async () => {
    sentences.push(...(await expireRuns(context)), ...(await collectShared(system)));
    dropTables(system);
  });
  sentences.push(...(await collect(context, goneDevices(system))));
  sentences.push(...(await mendBridges(context)));
  if (sentences.length === 0) sentences.push('No run was interrupted; nothing to take back.');
  print(`${sentences.join('\n')}\n`);
  return 0;
}

/** One run that is under way must not prevent the recovery of the others. */
async function recovered(system: System, key: string): Promise<string[]> {
  try {
    return await withLocks(system, deviceKeys(key), () => recoverInWords(system, key));
  } catch (thrown) {
    if (!(thrown instanceof LockError)) throw thrown;
    return [`Nothing of ${key} was taken back: ${thrown.message}`];
  }
}
