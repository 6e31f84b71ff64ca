import type { Host } from '../support/hosts/host.ts';
import { online, tool } from '../support/overlap/overlap.ts';
import { differencesFrom, differencesOf, lookAtRest } from './checks.ts';
import type { Deed } from './deed.ts';
import { endOf, fullHouse } from './deeds.ts';
import { EVENTS, type Harm, harmText } from './harm.ts';
import type { Model } from './model.ts';
import { wrongPackets } from './packets.ts';
import { hostOf, type Item, schedule } from './schedule.ts';
import { makeHost, mustPlay, play } from './world.ts';

/** How a run ended. */
export interface Outcome {
  readonly done: number;
  /** How often the host was looked at. */
  readonly looks: number;
  readonly harmed: number;
  /** What differs from what must be, after what was done last; nothing when all is well. */
  readonly wrong: readonly string[];
}

export interface Wish {
  readonly seed: number;
  /** How many items at most. */
  readonly items: number;
  /** Whether to go on; asked before each. */
  readonly mayGoOn: () => boolean;
  /** Gets a line for each item. */
  readonly tell: (line: string) => void;
}

/** Two hosts on which the same is done: on the first it is disturbed, and the second tells what must come of it. */
export interface Pair {
  readonly tried: Host;
  readonly calm: Host;
}

/** What a step found. */
interface Found {
  readonly said: readonly string[];
  readonly wrong: readonly string[];
}

/** Does things at random on a host and the same undisturbed on another one, which tells what must come of them. */
export async function soak({ seed, items, mayGoOn, tell }: Wish): Promise<Outcome> {
  let model = hostOf(seed);
  const [tried, calm] = await Promise.all([makeHost(model.hasSwitch), makeHost(model.hasSwitch)]);
  const pair = { tried, calm };
  let [done, looks, harmed] = [0, 0, 0];
  const end = (wrong: readonly string[]): Outcome => ({ done, looks, harmed, wrong });
  try {
    for (const item of schedule(seed, items)) {
      if (!mayGoOn()) break;
      done++;
      model = item.model;
      tell(`${done} ${item.deeds.map(({ what }) => what).join(' | ')}${harmText(item.harm)}`);
      harmed += item.harm === undefined ? 0 : 1;
      const { said, wrong } = await asFound(() => doItem(pair, item));
      for (const line of said) tell(`    ${line}`);
      if (wrong.length > 0) return end(wrong);
      if (!item.isQuiet && done < items) continue;
      looks++;
      const differing = await wrongAt(pair, model);
      if (differing.length > 0) return end(differing);
    }
    for (const part of ending(model)) {
      tell(part.what);
      const { wrong } = await asFound(() => inTurnOnBoth(pair, part.deeds));
      if (wrong.length > 0) return end([`${part.what}:`, ...wrong]);
      looks++;
      const differing = await wrongAt(pair, part.deeds.at(-1)?.model ?? model);
      if (differing.length > 0) return end([`${part.what}:`, ...differing]);
    }
    return end([]);
  } finally {
    await Promise.all([tried.close(), calm.close()]);
  }
}

/** What is done last: the host is filled, emptied, filled otherwise and emptied. */
export function ending(from: Model): { readonly what: string; readonly deeds: readonly Deed[] }[] {
  const parts: { what: string; deeds: readonly Deed[] }[] = [];
  let model = from;
  const add = (what: string, deeds: readonly Deed[]) => {
    parts.push({ what, deeds });
    model = deeds.at(-1)?.model ?? model;
  };
  add('a full house under the strict filter', fullHouse(model, 'strict'));
  add('all that goes again', endOf(model));
  add('a full house with antispoof=yes', fullHouse(model, 'yes'));
  add('all that goes at last', endOf(model));
  return parts;
}

async function wrongAt({ tried, calm }: Pair, model: Model): Promise<string[]> {
  const wrong = await differencesOf(tried, calm);
  return wrong.length === 0 ? wrongPackets(tried, model) : wrong;
}

/** One after the other, each of which has to succeed. */
async function inTurn(host: Host, deeds: readonly Deed[]): Promise<void> {
  for (const { acts, later } of deeds) for (const act of [...acts, ...later]) await mustPlay(host, act);
}

async function inTurnOnBoth({ tried, calm }: Pair, deeds: readonly Deed[]): Promise<Found> {
  await Promise.all([inTurn(tried, deeds), inTurn(calm, deeds)]);
  return { said: [], wrong: [] };
}

/** What has to succeed and does not is a difference, too. */
async function asFound(work: () => Promise<Found>): Promise<Found> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    return { said: [], wrong: [thrown.message] };
  }
}

/** Does what an item says, with its harm, and after that what a toolstack or an administrator does then. */
async function doItem(pair: Pair, { deeds, harm }: Item): Promise<Found> {
  const [deed] = deeds;
  if (harm === undefined) {
    // What mends a mishap is done on both hosts: a network that starts again finds others started meanwhile.
    const undisturbed = deed.isMishap === true ? [{ ...deed, acts: [] }] : deeds;
    await Promise.all([...deeds.map((each) => inTurn(pair.tried, [each])), inTurn(pair.calm, undisturbed)]);
    return { said: [], wrong: [] };
  }
  const finish = harm.how === 'signal' ? harm.finish : 'again';
  if (finish === 'recover' || finish === 'refilter') return doUnfinished(pair, deed, harm, finish);
  const back = finish === 'opposite' && deed.opposite !== undefined ? [deed.opposite] : [];
  const [said] = await Promise.all([
    back.length > 0 ? doTakenBack(pair.tried, deed, harm, back) : doAgain(pair.tried, deed, harm),
    inTurn(pair.calm, [deed, ...back]),
  ]);
  return { said, wrong: [] };
}

/** The acts but the program's, then that with its harm. */
async function harmedPart(host: Host, { acts }: Deed, harm: Harm) {
  for (const act of acts.slice(0, -1)) await mustPlay(host, act);
  const [act] = acts.slice(-1);
  if (act === undefined) throw new Error('A deed without an act cannot be disturbed.');
  const { status, stderr } = await play(host, act, harm);
  return { act, status, stderr, said: [`${status} ${stderr.trim()}`] };
}

async function doAgain(host: Host, deed: Deed, harm: Harm): Promise<string[]> {
  const { act, status, stderr, said } = await harmedPart(host, deed, harm);
  const event = harm.how === 'meanwhile' ? EVENTS[harm.what] : undefined;
  for (const mend of event?.mends ?? []) await mustPlay(host, mend);
  if (status !== 0 || harm.how === 'signal' || event?.isCalledAgain === true) await mustPlay(host, act);
  // A failed add has told that the guest's card failed, and the toolstack begins with it again.
  if (act.emulated === true && act.guest !== undefined) await mustPlay(host, online(act.guest, act.run?.[0]));
  for (const last of deed.later) await mustPlay(host, last);
  // The end of a guest never fails: it says what it has to leave to others.
  if (deed.isLast === true && stderr !== '') await mustPlay(host, tool('refilter'));
  return said;
}

async function doTakenBack(host: Host, deed: Deed, harm: Harm, back: readonly Deed[]): Promise<string[]> {
  const { said } = await harmedPart(host, deed, harm);
  await inTurn(host, back);
  return said;
}

/**
 * Nobody calls the program again before the host is looked at, but recover or refilter: the host is as if the killed call
 * had not been, or as if it had ended.
 */
async function doUnfinished(
  { tried, calm }: Pair,
  deed: Deed,
  harm: Harm,
  finish: 'recover' | 'refilter',
): Promise<Found> {
  const { act, said } = await harmedPart(tried, deed, harm);
  const isLast = deed.isLast === true;
  for (const last of isLast ? deed.later : []) await mustPlay(tried, last);
  await mustPlay(tried, tool(finish));
  for (const each of deed.acts.slice(0, -1)) await mustPlay(calm, each);
  const before = await lookAtRest(calm);
  await mustPlay(calm, act);
  for (const last of isLast ? deed.later : []) await mustPlay(calm, last);
  const after = await lookAtRest(calm);
  const wrong = await differencesFrom(tried, () => (isLast ? [after] : [after, before]));
  if (wrong.length > 0) return { said, wrong: [`after ${finish} alone:`, ...wrong] };
  if (!isLast) {
    await mustPlay(tried, act);
    for (const each of deed.later) await Promise.all([mustPlay(tried, each), mustPlay(calm, each)]);
  }
  return { said, wrong };
}
