import type { Host } from '../support/hosts/host.ts';
import { nameOf } from '../support/overlap/commands.ts';
import type { Act } from '../support/overlap/overlap.ts';
import { online, tool } from '../support/overlap/overlap.ts';
import { differencesOf } from './checks.ts';
import type { Deed } from './deeds.ts';
import { NOTHING } from './model.ts';
import { wrongPackets } from './packets.ts';
import { endOf, type Harm, type Item, schedule } from './schedule.ts';
import { makeHost, play } from './world.ts';

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

/** Does things at random on a host and the same undisturbed on another one, which tells what must come of them. */
export async function soak({ seed, items, mayGoOn, tell }: Wish): Promise<Outcome> {
  const [tried, calm] = await Promise.all([makeHost(), makeHost()]);
  let [done, looks, harmed] = [0, 0, 0];
  try {
    let model = NOTHING;
    const all = schedule(seed, items);
    for (const item of all) {
      if (!mayGoOn()) break;
      done++;
      model = item.model;
      tell(`${done} ${item.deeds.map(({ what }) => what).join(' | ')}${harmText(item.harm)}`);
      harmed += item.harm === undefined ? 0 : 1;
      const undisturbed = inTurn(calm, item.deeds);
      const said = await doItem(tried, item);
      await undisturbed;
      for (const line of said) tell(`    ${line}`);
      if (!item.isQuiet && done < items) continue;
      looks++;
      const wrong = await differencesOf(tried, calm);
      const packets = wrong.length === 0 ? await wrongPackets(tried, model) : [];
      if (wrong.length + packets.length > 0) return { done, looks, harmed, wrong: [...wrong, ...packets] };
    }
    for (const deed of endOf(model)) for (const host of [tried, calm]) await inTurn(host, [deed]);
    const left = await differencesOf(tried, calm);
    return { done, looks, harmed, wrong: left.length === 0 ? [] : ['left at the end:', ...left] };
  } finally {
    await Promise.all([tried.close(), calm.close()]);
  }
}

/** One after the other, each of which has to succeed. */
async function inTurn(host: Host, deeds: readonly Deed[]): Promise<void> {
  for (const { acts, then } of deeds) for (const act of [...acts, ...then]) await mustPlay(host, act);
}

async function mustPlay(host: Host, act: Act): Promise<void> {
  const { status, stderr } = await play(host, act);
  if (status !== 0) throw new Error(`${nameOf(act)} ended with status ${status}: ${stderr}`);
}

/** Does what an item says, with its harm, and after that what a toolstack or an administrator does then. */
async function doItem(host: Host, { deeds, harm }: Item): Promise<string[]> {
  if (harm === undefined) {
    await Promise.all(deeds.map((deed) => inTurn(host, [deed])));
    return [];
  }
  const [{ acts, then }] = deeds;
  const before = acts.slice(0, -1);
  for (const act of before) await mustPlay(host, act);
  const said: string[] = [];
  for (const act of acts.slice(-1)) {
    const { status, stderr } = await play(host, act, harm);
    said.push(`${status} ${stderr.trim()}`);
    if (status !== 0 || harm.how === 'signal') await mustPlay(host, act);
    // A failed add has told that the guest's card failed, and the toolstack begins with it again.
    if (act.emulated === true && act.guest !== undefined)
      await mustPlay(host, online(act.guest, act.run?.[0]));
    if (harm.how === 'flush') await mustPlay(host, tool('refilter'));
  }
  for (const act of then) await mustPlay(host, act);
  return said;
}

function harmText(harm: Harm | undefined): string {
  switch (harm?.how) {
    case undefined:
      return '';
    case 'signal':
      return `; SIG${harm.signal} after ${harm.stops} moments`;
    case 'error':
      return `; ${harm.call} number ${harm.nth} fails with ${harm.error}`;
    case 'flush':
      return `; the rules are flushed after ${harm.afterUs} µs`;
  }
}
