/** Gives whole numbers from 0 to below `below`. */
export type Random = (below: number) => number;

/**
 * Numbers that look random and are the same in each run (the mulberry32 generator).
 * @param seed any whole number
 */
export function randomNumbers(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One of the items. */
export function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[random(items.length)] ?? items[0];
}

/** What the seed of a test that tries other things in each run is taken from, where somebody wants those of a run again. */
export const SEED_VARIABLE = 'XEN_NETWORK_SEED';

/**
 * A seed that is another one in each run; it is printed, and that of an earlier run can be given by the environment.
 * @param what the test whose seed it is
 */
export function freshSeed(what: string): number {
  const given = process.env[SEED_VARIABLE];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  if (!Number.isSafeInteger(seed))
    throw new Error(`${SEED_VARIABLE} is "${given}", which is no whole number.`);
  process.stdout.write(`${what}: ${SEED_VARIABLE}=${seed}\n`);
  return seed;
}
