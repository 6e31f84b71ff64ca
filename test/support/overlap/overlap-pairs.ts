import { type Act, type Overlap, shell, tool } from './overlap.ts';
import { DUE, type Role, WORLDS } from './overlap-worlds.ts';

/** A pair of acts on a host, by their names. */
export interface Pair {
  readonly world: string;
  readonly first: string;
  readonly second: string;
  readonly how: 'paused' | 'killed';
}

/**
 * A pair's name, as in `strict/online/killed/recover`.
 * @param pair the pair
 */
export const nameOfPair = ({ world, first, how, second }: Pair): string =>
  `${world}/${first}/${how}/${second}`;

/**
 * All pairs of a world.
 * @param world its name
 */
export function pairsOf(world: string): Pair[] {
  const acts = WORLDS[world]?.acts ?? {};
  const names = Object.keys(acts);
  // What no program of ours does has no steps that are known.
  return names
    .filter((first) => acts[first]?.act.run !== undefined)
    .flatMap((first) =>
      names.flatMap((second) =>
        (['paused', 'killed'] as const).map((how) => ({ world, first, second, how })),
      ),
    );
}

/**
 * Puts a pair together.
 * @param pair by names
 * @param every every so many-th boundary
 */
export function overlapOf({ world: name, first, second, how }: Pair, every: number): Overlap {
  const world = WORLDS[name];
  const [one, other] = [world?.acts[first], world?.acts[second]];
  if (world === undefined || one === undefined || other === undefined)
    throw new Error(`There is no pair of ${first} and ${second} on ${name}.`);
  const mends = [first, second].includes('flush') ? [tool('refilter')] : [];
  // What both need is done once.
  const texts = [...(one.needs ?? []), ...(other.needs ?? [])].map((act) => JSON.stringify(act));
  const needs = [...new Set(texts)].map((text): Act => JSON.parse(text));
  const beside = besideOf(world.before, needs, [one, other]);
  const before = [...world.before, ...needs].filter((act) => !beside.includes(act));
  const isLasting = how === 'killed' || one.due === true || other.due === true;
  return {
    stage: world.stage ?? [],
    beside,
    besideEnd: world.end.filter((act) => takesAway(act, beside, false)),
    before: [...before, ...(one.due === true ? [shell(DUE)] : [])],
    first: one.act,
    second: other.due === true ? shell(`${DUE}; exec /etc/xen/scripts/xen-network recover`) : other.act,
    how,
    anyOrder: one.of === undefined || one.of !== other.of,
    after: [...(how === 'killed' ? [tool('recover')] : []), ...mends],
    end: world.end.filter((act) => takesAway(act, [...before, one.act, other.act], isLasting)),
    strike: world.strike ?? [],
    every,
  };
}

/**
 * What is there all the time while a pair is tried: guests of the world that it is not about, and the networks that come before
 * everything else and are neither started nor stopped by it.
 * @param guests the acts by which the world's guests come
 * @param needs what both acts need, in order
 * @param pair the two
 */
function besideOf(guests: readonly Act[], needs: readonly Act[], pair: readonly Role[]): Act[] {
  const others = guests.filter(({ card, guest }) => pair.every(({ of }) => of !== `guest ${card ?? guest}`));
  if (others.length < guests.length) return others;
  const hooks = pair.map(({ act }) => act.run?.[0]);
  const isNetwork = ({ run: [hook, command, ...words] = [] }: Act) =>
    command === 'start' && !hooks.includes(hook) && !words.some((word) => word.startsWith('confirm='));
  const first = needs.findIndex((act) => !isNetwork(act));
  return [...others, ...needs.slice(0, first < 0 ? needs.length : first)];
}

/** What takes a thing away again that an act of that name brings. */
const BRINGS: Readonly<Record<string, string>> = { offline: 'online', remove: 'add', stop: 'start' };

/**
 * Whether an act at the end takes anything away that a pair's own acts have brought: the rest would cost its time and change
 * nothing.
 * @param act what is done at the end
 * @param done all that the pair does
 * @param isLasting whether it may leave something that has to be recovered
 */
function takesAway(act: Act, done: readonly Act[], isLasting: boolean): boolean {
  const { run: [hook, command = '', ...words] = [], guest, unplug: gone } = act;
  if (gone !== undefined) return done.some(({ card, tap }) => card === gone || tap === gone);
  if (command === 'recover') return isLasting;
  return done.some(
    ({ run: [its, brings, ...itsWords] = [], guest: itsGuest }) =>
      its === hook &&
      brings === BRINGS[command] &&
      itsGuest === guest &&
      itsWords.some((word) => words.includes(word)),
  );
}
