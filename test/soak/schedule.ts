import { pick, type Random, randomNumbers } from '../support/random.ts';
import { type Deed, KINDS } from './deeds.ts';
import { type Model, NOTHING } from './model.ts';

/** What goes wrong while something is done. */
export type Harm =
  /** The program gets a signal after so many beginnings and ends of its system calls. */
  | { readonly how: 'signal'; readonly signal: 'KILL' | 'TERM'; readonly stops: number }
  /** The n-th system call of a kind fails. */
  | { readonly how: 'error'; readonly call: string; readonly error: string; readonly nth: number }
  /** Somebody flushes all rules, before it, or while it runs after so many microseconds. */
  | { readonly how: 'flush'; readonly afterUs: number };

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
const HARMED = 45;
const TOGETHER = 20;
const QUIET = 40;
const MOST_TOGETHER = 4;
/** A vif hook has some 300 such moments, a start of a bridge some 1000. */
const STOPS = { guest: 400, host: 1400 } as const;

/** Which errors a system call may give, and up to which call of its kind. */
const ERRORS: readonly [...(readonly [call: string, error: string, most: number])[]] = [
  ['openat', 'ENOSPC', 25],
  ['openat', 'EMFILE', 25],
  ['write', 'ENOSPC', 12],
  ['rename', 'ENOSPC', 4],
  ['sendto', 'ENOBUFS', 12],
  ['recvmsg', 'ENOMEM', 12],
  ['socket', 'ENFILE', 5],
  ['mmap', 'ENOMEM', 6],
  ['flock', 'EINTR', 6],
];

/**
 * The items of a run; the same for each run with this seed.
 * @param seed any whole number
 * @param count how many
 */
export function schedule(seed: number, count: number): Item[] {
  const random = randomNumbers(seed);
  const items: Item[] = [];
  let model = NOTHING;
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
  const harm = random(100) < HARMED ? nextHarm(random, deeds[0]) : undefined;
  return {
    deeds,
    harm: deeds.length === 1 ? harm : undefined,
    isQuiet,
    model: (deeds.at(-1) ?? deeds[0]).model,
  };
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

function nextHarm(random: Random, deed: Deed): Harm {
  const kind = random(10);
  if (kind < 6) {
    const most = deed.about.startsWith('guest') ? STOPS.guest : STOPS.host;
    return { how: 'signal', signal: random(4) === 0 ? 'TERM' : 'KILL', stops: 1 + random(most) };
  }
  if (kind < 8) return { how: 'flush', afterUs: random(3) === 0 ? 0 : random(6000) };
  const [call, error, most] = ERRORS[random(ERRORS.length)] ?? ['write', 'ENOSPC', 12];
  return { how: 'error', call, error, nth: 1 + random(most) };
}

/** What takes everything away that a model has, in a fixed order. */
export function endOf(model: Model): Deed[] {
  const deeds: Deed[] = [];
  let now = model;
  for (const kind of ['a guest goes', 'a network stops'] as const) {
    for (;;) {
      const [next] = KINDS[kind]?.all(now) ?? [];
      if (next === undefined) break;
      deeds.push(next);
      now = next.model;
    }
  }
  return deeds;
}
