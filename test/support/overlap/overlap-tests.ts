import { expect, test } from 'vitest';
import { mustHaveSteps, stepCount } from '../faults/step-counts.ts';
import { runOverlap } from './overlap.ts';
import { overlapOf, type Pair, WORLDS } from './overlap-worlds.ts';

/** A pair that is tried in each run. */
export interface Chosen {
  readonly first: string;
  readonly second: string;
  readonly how: Pair['how'];
}

/**
 * Which pairs are tried at each boundary: "all" of them, which takes hours, or those of a world ("strict"), of a first act in it
 * ("strict/online"), of a kind of them ("strict/online/killed"), or with one second act ("strict/online/killed/recover"). Unless
 * it is set, those chosen are tried at some of their boundaries.
 */
const WANTED = process.env['XEN_NETWORK_OVERLAP'];
/** How many boundaries of a pair are tried in each run, about. */
const USUAL_TRIES = 5;

/**
 * Tests that two runs of which one comes between the steps of the other, or after its death there, leave the host as if
 * one had come after the other; and that nothing is left when all is taken away.
 * @param name the host's name among the worlds
 * @param chosen the pairs that are tried in each run
 */
export function testOverlaps(name: string, chosen: readonly Chosen[]): void {
  const pairs = WANTED === undefined ? chosen : everyPair(name).filter((pair) => isWanted(name, pair));
  for (const { first, second, how } of pairs) {
    const pair = `${name}: ${first}, ${how}, and ${second}`;
    test(pair, async () => {
      const world = WORLDS[name];
      if (world === undefined) throw new Error(`There is no world ${name}.`);
      const host = await world.make();
      try {
        const every = WANTED === undefined ? Math.ceil((stepCount(pair) ?? 1) / USUAL_TRIES) : 1;
        const { steps, tried, wrong } = await runOverlap(
          host,
          overlapOf({ world: name, first, second, how }, every),
        );
        expect(wrong).toEqual([]);
        if (WANTED === undefined) mustHaveSteps(pair, steps);
        else process.stdout.write(`${tried} of ${steps} boundaries tried\n`);
      } finally {
        await host.close();
      }
    });
  }
}

function isWanted(name: string, { first, second, how }: Chosen): boolean {
  const words = WANTED === 'all' ? [] : (WANTED?.split('/') ?? []);
  const parts = [name, first, how, second];
  return words.length <= parts.length && words.every((word, n) => word === parts[n]);
}

function everyPair(name: string): Chosen[] {
  const names = Object.keys(WORLDS[name]?.acts ?? {});
  // What no program of ours does has no steps that are known.
  return names
    .filter((first) => WORLDS[name]?.acts[first]?.act.run !== undefined)
    .flatMap((first) =>
      names.flatMap((second) => (['paused', 'killed'] as const).map((how) => ({ first, second, how }))),
    );
}
