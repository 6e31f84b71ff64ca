import { readJournal } from '../../apply/journal.ts';
import { recoverInWords } from '../../apply/recover.ts';
import type { Context } from '../context.ts';
import { refilterGuests } from './transaction.ts';

/**
 * Undoes an interrupted run of a network hook. Guests that came online since then got their rules for the firewall as
 * the run left it, so they get those for the firewall as it is again. The caller must hold the lock of the network
 * hooks.
 * @param context the call
 * @param key the run's key
 * @param take how it is undone: whether a failure becomes a sentence or an error
 * @returns sentences for the log
 */
export async function recoverNetworkRun(
  context: Context,
  key: string,
  take = recoverInWords,
): Promise<string[]> {
  const journal = readJournal(context.system, key);
  const sentences = await take(context.system, key);
  if (typeof journal === 'object') await refilterGuests(context, journal.steps.slice(0, journal.begun));
  return sentences;
}
