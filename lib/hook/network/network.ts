import { pendingRuns } from '../../apply/confirm.ts';
import { damagedJournals, journalKeys } from '../../apply/journal.ts';
import { recoverInWords, recoverRun } from '../../apply/recover.ts';
import { commandWord, mergeValues, parseArguments, withoutQuotes } from '../../request/arguments.ts';
import { BRIDGE_VARIABLES } from '../../request/bridge.ts';
import { NAT_VARIABLES, ROUTE_VARIABLES, VIRTUAL_VARIABLES } from '../../request/forward.ts';
import { refuseMistypes } from '../../request/mistypes.ts';
import { type Context, isDryRun, type NetworkHook, printPlan } from '../context.ts';
import { sweepLeft } from '../guests/sweep.ts';
import { withLock } from '../locks.ts';
import { dropTables } from './tables.ts';
import { type Guards, parseGuards, perform, UNGUARDED, type WorkOf } from './transaction.ts';

export type NetworkCommand = 'start' | 'stop' | 'status';
export const NETWORK_COMMANDS: readonly NetworkCommand[] = ['start', 'stop', 'status'];
/** Variables of every network hook, beside its own. */
export const GUARDS = ['check', 'confirm'] as const;
/** Variables of all network hooks: a wrapper may hand the same words to several. */
export const FOREIGN: readonly string[] = [
  ...BRIDGE_VARIABLES,
  ...NAT_VARIABLES,
  ...ROUTE_VARIABLES,
  ...VIRTUAL_VARIABLES,
  ...GUARDS,
];
/**
 * What is the same for every network hook: words, lock, recovery of an interrupted run, guards, one transaction.
 * @param context the call
 * @param hook the hook's own part
 * @returns the exit status
 */
export async function runNetworkHook(context: Context, hook: NetworkHook): Promise<number> {
  const known = [...hook.variables, ...GUARDS];
  refuseMistypes(context.argv, { commands: NETWORK_COMMANDS, variables: known, foreign: FOREIGN });
  const args = parseArguments(context.argv, known);
  for (const warning of args.warnings) context.log.warn(warning);
  const command = commandWord(args.command, NETWORK_COMMANDS);
  const values = withoutQuotes(mergeValues(known, context.env, args.values));
  if (command === 'status') {
    hook.status(context, values, args.options.has('json'));
    return 0;
  }
  const guards = command === 'start' ? parseGuards(values) : UNGUARDED;
  const work = command === 'start' ? hook.start : hook.stop;
  if (isDryRun(context, args.options)) {
    const found = work(context, values);
    if (found !== undefined) printPlan(context, found.plan);
    return 0;
  }
  return runTransaction(context, () => [() => work(context, values)], guards);
}

/**
 * Carries the works of network hooks out as one transaction, under their common lock.
 * @param context the call
 * @param works gives them in order, once the lock is held: what decides about them may have changed in the wait for it
 * @param guards what start was told to guard itself by
 * @returns the exit status
 */
export async function runTransaction(
  context: Context,
  works: () => readonly WorkOf[],
  guards: Guards,
): Promise<number> {
  await withLock(context.system, context.hook, async () => {
    await recoverNetwork(context);
    try {
      await perform(context, works(), guards);
    } finally {
      dropTables(context.system);
    }
  });
  await sweepLeft(context);
  return 0;
}

/** Runs of all network hooks share one lock, so whatever journal of theirs is found belongs to a run that died. */
async function recoverNetwork(context: Context): Promise<void> {
  for (const sentence of damagedJournals(context.system, (key) => key.startsWith('network-')))
    context.log.warn(sentence);
  for (const key of journalKeys(context.system).filter((name) => name.startsWith('network-'))) {
    // The own one is not to be written over.
    const taken = key === context.hook ? recoverRun : recoverInWords;
    for (const sentence of await taken(context.system, key)) context.log.warn(sentence);
  }
  if (pendingRuns(context.system).length === 0) return;
  // Nothing is most often all that waits.
  const { expireRuns } = await import('./expiry.ts');
  for (const sentence of await expireRuns(context)) context.log.warn(sentence);
}
