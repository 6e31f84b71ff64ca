import { pick, type Random, randomNumbers } from '../support/random.ts';
import type { Deed } from './deed.ts';
import { KINDS } from './deeds.ts';
import { type Harm, nextHarm } from './harm.ts';
import { type Model, NOTHING } from './model.ts';

/** One item of a run. */
export interface Item {
  /** What is done, at the same time where it is more than one. */
  readonly deeds: readonly [Deed, ...Deed[]];
  readonly harm: Harm | undefined;
  /** Whether the host is looked at after it. */
  readonly isQuiet: boolean;
  readonly model: Model;
}

/** As often as this an item is disturbed, in a hundred. */
const HARMED = 60;
const TOGETHER = 20;
const QUIET = 40;
const MOST_TOGETHER = 4;

/** One of so many hosts has an Open vSwitch. */
const SWITCHED = 4;

/**
 * The host of a run, on which nothing has been done.
 * @param seed any whole number
 */
export function hostOf(seed: number): Model {
  return { ...NOTHING, hasSwitch: seed % SWITCHED === 0 };
}

/**
 * The items of a run; the same for each run with this seed.
 * @param seed any whole number
 * @param count how many
 */
export function schedule(seed: number, count: number): Item[] {
  const random = randomNumbers(seed);
  const items: Item[] = [];
  let model = hostOf(seed);
  for (let n = 0; n < count; n++) {
    const item = nextItem(random, model);
    items.push(item);
    model = item.model;
  }
  return items;
}

function nextItem(random: Random, model: Model): Item {
  const deeds: [Deed, ...Deed[]] = [nextDeed(random, model)];
  if (random(100) < TOGETHER) {
    for (let tries = random(MOST_TOGETHER); tries > 0; tries--) {
      const last = deeds.at(-1) ?? deeds[0];
      const other = nextDeed(random, last.model);
      if (canBeTogether(deeds, other, model)) deeds.push(other);
    }
  }
  const isQuiet = random(100) < QUIET;
  const isHarmed = random(100) < HARMED && deeds.length === 1 && deeds[0].isMishap !== true;
  const harm = isHarmed ? nextHarm(random, deeds[0]) : undefined;
  const isTakenBack = harm?.how === 'signal' && harm.finish === 'opposite';
  const { model: after } = (isTakenBack ? deeds[0].opposite : deeds.at(-1)) ?? deeds[0];
  return { deeds, harm, isQuiet, model: after };
}

/**
 * It could also be done first, and it is about another guest. What a network records of the host depends on which of both
 * came first; the tests of overlapped runs try networks beside all else.
 */
function canBeTogether(deeds: readonly Deed[], other: Deed, before: Model): boolean {
  const alike = Object.values(KINDS)
    .flatMap(({ all }) => all(before))
    .some(({ what }) => what === other.what);
  const isOfGuests = [...deeds, other].every(({ about }) => about.startsWith('guest'));
  return alike && isOfGuests && deeds.every(({ about }) => about !== other.about);
}

function nextDeed(random: Random, model: Model): Deed {
  const kinds = Object.values(KINDS)
    .map(({ weight, all }) => ({ weight, deeds: all(model) }))
    .filter(({ deeds }) => deeds.length > 0);
  let at = random(kinds.reduce((sum, { weight }) => sum + weight, 0));
  for (const { weight, deeds } of kinds) {
    const [first, ...others] = deeds;
    if (at < weight && first !== undefined) return pick(random, [first, ...others]);
    at -= weight;
  }
  throw new Error('Nothing can be done on this host.');
}
