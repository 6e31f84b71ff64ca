import {
  confirmRun,
  dropForgotten,
  isPending,
  keepParts,
  type PendingRun,
  pendingRuns,
  type TakeBack,
} from '../../apply/confirm.ts';
import { damagedJournals, journalKeys, readJournal } from '../../apply/journal.ts';
import { recoverInWords, recoverRun } from '../../apply/recover.ts';
import { undoJournal } from '../../apply/undo.ts';
import { messageOf, StepError, XenNetworkError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { forgetCalls, MULTI_HOOK } from './multi-list.ts';
import { collectShared } from './shared-settings.ts';
import { FORCED, perform, refilterDue, refilterGuests } from './transaction.ts';

/**
 * Undoes the runs that were not confirmed in time, by the stops of the networks that they started, planned for the
 * present host. The caller must hold the lock of the network hooks. What cannot be undone waits for the next attempt.
 * @param context the call
 * @returns sentences for the log
 */
export async function expireRuns(context: Context): Promise<string[]> {
  const sentences: string[] = [];
  dropForgotten(context.system);
  for (const run of pendingRuns(context.system).filter(({ remainingMs }) => remainingMs === 0))
    sentences.push(...(await expireRun(context, run)));
  return sentences;
}

async function expireRun(context: Context, run: PendingRun): Promise<string[]> {
  const { system } = context;
  const said: string[] = [];
  const failed: string[] = [];
  let rest = run.parts ?? partsByName(run.id, [...(await context.networkHooks()).keys()]);
  for (const part of [...rest].reverse()) {
    try {
      said.push(...(await takeBack(context, run.id, part)));
      rest = rest.filter((other) => other !== part);
      if (run.parts !== undefined && isPending(system, run.id)) keepParts(system, run.id, rest);
    } catch (thrown) {
      failed.push(messageOf(thrown));
    }
  }
  if (failed.length > 0)
    return [...said, `Nobody confirmed ${run.id} in time, and it is not taken back yet: ${failed.join(' ')}`];
  confirmRun(system, run.id);
  return [`Nobody confirmed ${run.id} in time: it was taken back.`, ...said];
}

async function takeBack(context: Context, id: string, { hook, values, steps }: TakeBack): Promise<string[]> {
  const { system } = context;
  if (steps !== undefined) {
    const journal = { key: `pending.${id}`, steps, begun: steps.length, indexes: [] };
    const failures = await undoJournal(system, journal);
    return failures.map((text) => `While ${id} was taken back: ${text}.`);
  }
  const said: string[] = [];
  const log = { ...context.log, warn: (sentence: string) => void said.push(sentence) };
  const call = { ...context, hook, log };
  const hooks = await context.networkHooks();
  const work = () => (hook === MULTI_HOOK ? forgetCalls(call, values) : hooks.get(hook)?.stop(call, values));
  try {
    await perform(call, [work], FORCED);
  } catch (thrown) {
    // Until its addresses are back on its card the host may be cut off, whatever else cannot be done.
    if (hook !== BRIDGE_HOOK || !isOfShared(thrown)) throw thrown;
    await perform(call, [work], { ...FORCED, leavesShared: true });
    said.push(...(await collectShared(system)));
  }
  return said;
}

const BRIDGE_HOOK = 'network-bridge';

/** Whether a run failed at what hooks share, as where nobody can list the firewall's rules. */
function isOfShared(thrown: unknown): boolean {
  if (thrown instanceof StepError) return thrown.tool === 'share' || thrown.tool === 'follow';
  return thrown instanceof XenNetworkError && thrown.cause !== undefined && isOfShared(thrown.cause);
}

/**
 * The parts of a run whose file cannot be read, by its id alone: the run may have cut the host off, so it must be
 * undone.
 */
function partsByName(id: string, networkHooks: readonly string[]): TakeBack[] {
  const [, hook = '', subjects = ''] = /^([^.]*)\.(.*)$/.exec(id) ?? [];
  const hooks = hook === MULTI_HOOK ? networkHooks : [hook];
  return subjects.split('+').flatMap((subject) =>
    hooks.map((name) => ({
      hook: name,
      values: { [/bridge|virtual/.test(name) ? 'bridge' : 'netdev']: subject },
    })),
  );
}

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

/**
 * Undoes all interrupted runs of network hooks, and the starts that were not confirmed in time. All network hooks share
 * one lock, so any journal of theirs that exists while the caller holds it belongs to a run that died.
 * @param context the call
 * @param say takes a sentence for the log
 * @throws XenNetworkError when the journal under the call's own key cannot be undone, since its run would overwrite it
 */
export async function recoverNetworks(context: Context, say: (sentence: string) => void): Promise<void> {
  const { system, hook } = context;
  const isNetworks = (key: string) => key.startsWith('network-');
  for (const sentence of damagedJournals(system, isNetworks)) say(sentence);
  for (const key of journalKeys(system).filter(isNetworks)) {
    const taken = key === hook ? recoverRun : recoverInWords;
    for (const sentence of await recoverNetworkRun(context, key, taken)) say(sentence);
  }
  for (const sentence of await expireRuns(context)) say(sentence);
  for (const sentence of await refilterDue(context)) say(sentence);
}
