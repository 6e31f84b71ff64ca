import { commandWord, mergeValues, parseArguments, withoutQuotes } from '../../request/arguments.ts';
import { BRIDGE_VARIABLES } from '../../request/bridge.ts';
import { NAT_VARIABLES, ROUTE_VARIABLES, VIRTUAL_VARIABLES } from '../../request/forward.ts';
import { refuseMistypes } from '../../request/mistypes.ts';
import { type Context, isDryRun, type NetworkHook, printPlan } from '../context.ts';
import { sweepLeft } from '../guests/sweep.ts';
import { withLock } from '../locks.ts';
import { finish } from './confirmation.ts';
import { recoverNetworks } from './recovery.ts';
import { dropTables } from './tables.ts';
import { parseSafeguards, perform, type Safeguards, WITHOUT_SAFEGUARDS, type WorkOf } from './transaction.ts';

export type NetworkCommand = 'start' | 'stop' | 'status';
export const NETWORK_COMMANDS: readonly NetworkCommand[] = ['start', 'stop', 'status'];
/** Variables that every network hook takes besides its own. */
export const SAFEGUARDS = ['check', 'confirm'] as const;
/** The variables of all network hooks: a wrapper may pass the same words to several of them. */
export const FOREIGN: readonly string[] = [
  ...BRIDGE_VARIABLES,
  ...NAT_VARIABLES,
  ...ROUTE_VARIABLES,
  ...VIRTUAL_VARIABLES,
  ...SAFEGUARDS,
];
/**
 * Runs a network hook. What all network hooks share happens here: arguments, lock, recovery of an interrupted run,
 * safeguards, one transaction.
 * @param context the call
 * @param hook the hook's variables and commands
 * @returns the exit status
 */
export async function runNetworkHook(context: Context, hook: NetworkHook): Promise<number> {
  const known = [...hook.variables, ...SAFEGUARDS];
  refuseMistypes(context.argv, { commands: NETWORK_COMMANDS, variables: known, foreign: FOREIGN });
  const args = parseArguments(context.argv, known);
  for (const warning of args.warnings) context.log.warn(warning);
  const command = commandWord(args.command, NETWORK_COMMANDS);
  const values = withoutQuotes(mergeValues(known, context.env, args.values));
  if (command === 'status') {
    await hook.status(context, values, args.options.has('json'));
    return 0;
  }
  const safeguards = command === 'start' ? parseSafeguards(values) : WITHOUT_SAFEGUARDS;
  const work = command === 'start' ? hook.start : hook.stop;
  if (isDryRun(context, args.options)) {
    const found = work(context, values);
    if (found !== undefined) printPlan(context, found.plan);
    return 0;
  }
  const waiting = await runTransaction(context, () => [() => work(context, values)], safeguards);
  return command === 'start' ? finish(context, waiting) : 0;
}

/**
 * Carries out the works of network hooks as one transaction, while holding the lock of the network hooks.
 * @param context the call
 * @param works returns the works in order; called once the lock is held, since other runs may have changed the host
 * before
 * @param safeguards the safeguards of start
 * @returns the id of the run where it waits for confirmation
 */
export async function runTransaction(
  context: Context,
  works: () => readonly WorkOf[],
  safeguards: Safeguards,
): Promise<string | undefined> {
  const waiting = await withLock(context.system, context.hook, async () => {
    await recoverNetworks(context, context.log.warn);
    try {
      return await perform(context, works(), safeguards);
    } finally {
      dropTables(context.system);
    }
  });
  await sweepLeft(context);
  return waiting;
}
