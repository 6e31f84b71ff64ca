import { afterAll, expect, test } from 'vitest';
import { mustHaveSteps, stepCount } from '../faults/step-counts.ts';
import { OverlapHost } from './overlap-host.ts';
import { nameOfPair, type Pair, pairsOf } from './overlap-pairs.ts';

/** A pair that is tried in each run. */
export type Chosen = Omit<Pair, 'world'>;

/**
 * Which pairs are tried at each boundary: those of a world ("strict"), of a first act in it ("strict/online"), of a kind of
 * them ("strict/online/killed"), or with one second act ("strict/online/killed/recover"). Unless it is set, those chosen are
 * tried at some of their boundaries.
 */
const WANTED = process.env['XEN_NETWORK_OVERLAP'];
/** How many boundaries of a pair are tried in each run, about. */
const USUAL_TRIES = 5;

/**
 * Tests that two runs of which one comes between the steps of the other, or after its death there, leave the host as if
 * one had come after the other; and that nothing is left when all is taken away.
 * @param world the host's name among the worlds
 * @param chosen the pairs that are tried in each run
 */
export function testOverlaps(world: string, chosen: readonly Chosen[]): void {
  const pairs = WANTED === undefined ? chosen : pairsOf(world).filter((pair) => isWanted(pair));
  const host = new OverlapHost(world);
  for (const { first, second, how } of pairs) {
    const pair = `${world}: ${first}, ${how}, and ${second}`;
    test(pair, async () => {
      const every = WANTED === undefined ? Math.ceil((stepCount(pair) ?? 1) / USUAL_TRIES) : 1;
      const { steps, tried, wrong } = await host.run({ first, second, how }, every);
      expect(wrong).toEqual([]);
      if (WANTED === undefined) mustHaveSteps(pair, steps);
      else process.stdout.write(`${tried} of ${steps} boundaries tried\n`);
    });
  }
  if (pairs.length > 0)
    test(`${world}: nothing is left`, async () => {
      expect(await host.strike()).toEqual([]);
    });
  afterAll(() => host.close());
}

function isWanted(pair: Pair): boolean {
  return `${nameOfPair(pair)}/`.startsWith(`${WANTED}/`);
}
