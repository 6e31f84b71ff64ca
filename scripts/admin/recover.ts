import { recoverRun } from '../../lib/apply/apply.ts';
import { damagedJournals, journalKeys } from '../../lib/apply/journal.ts';
import type { Context } from '../../lib/hook/context.ts';
import { expireRuns } from '../../lib/hook/expiry.ts';
import { collectShared } from '../../lib/hook/forwarding.ts';
import { collect, goneDevices } from '../../lib/hook/leftovers.ts';
import { withLock } from '../../lib/hook/locks.ts';
import { mendBridges } from '../../lib/hook/mend.ts';
import { dropTables } from '../../lib/hook/tables.ts';
import { damagedRecords } from '../../lib/observe/records.ts';

/**
 * Takes back whatever interrupted runs left, and starts whose confirmation did not come in time; puts back what is left of
 * bridges that somebody else took apart.
 * @param context the call
 */
export async function recover(context: Context): Promise<number> {
  const { system, print } = context;
  const sentences = [...damagedJournals(system), ...damagedRecords(system)];
  for (const key of journalKeys(system)) {
    sentences.push(...(await withLock(system, key, () => recoverRun(system, key))));
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
