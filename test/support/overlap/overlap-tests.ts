import { expect, test } from 'vitest';
import { runOverlap } from './overlap.ts';
import { overlapOf, type Pair, WORLDS } from './overlap-worlds.ts';

/** A pair that is tried in each run. */
export interface Chosen {
  readonly first: string;
  readonly second: string;
  readonly how: Pair['how'];
  /** The fewest steps that the first has. */
  readonly least: number;
}

/** When set to "all", every pair is tried at each boundary, which takes hours; otherwise those chosen at some of them. */
const ALL = process.env['XEN_NETWORK_OVERLAP'] === 'all';
/** How many boundaries of a pair are tried in each run, about. */
const USUAL_TRIES = 5;

/**
 * Tests that two runs of which one comes between the steps of the other, or after its death there, leave the host as if
 * one had come after the other; and that nothing is left when all is taken away.
 * @param name the host's name among the worlds
 * @param chosen the pairs that are tried in each run
 */
export function testOverlaps(name: string, chosen: readonly Chosen[]): void {
  for (const pair of ALL ? everyPair(name) : chosen) {
    const { first, second, how, least } = pair;
    test(`${name}: ${first}, ${how}, and ${second}`, async () => {
      const world = WORLDS[name];
      if (world === undefined) throw new Error(`There is no world ${name}.`);
      const host = await world.make();
      try {
        const every = ALL ? 1 : Math.ceil(least / USUAL_TRIES);
        const { steps, wrong } = await runOverlap(
          host,
          overlapOf({ world: name, first, second, how }, every),
        );
        expect(wrong).toEqual([]);
        expect(steps).toBeGreaterThanOrEqual(least);
      } finally {
        await host.close();
      }
    });
  }
}

function everyPair(name: string): Chosen[] {
  const names = Object.keys(WORLDS[name]?.acts ?? {});
  // What no program of ours does has no steps that are known.
  return names
    .filter((first) => WORLDS[name]?.acts[first]?.act.run !== undefined)
    .flatMap((first) =>
      names.flatMap((second) =>
        (['paused', 'killed'] as const).map((how) => ({ first, second, how, least: 1 })),
      ),
    );
}
