import { expect, test } from 'vitest';
import { soak } from './run.ts';

/** Each has most kinds of acts and of harm among its first. */
const SEEDS = [1, 3] as const;
const ACTS = 22;

test.each(SEEDS)(
  'a host on which random things happen is as if nothing had gone wrong, seed %s',
  async (seed) => {
    const told: string[] = [];
    const outcome = await soak({
      seed,
      items: ACTS,
      mayGoOn: () => true,
      tell: (line) => void told.push(line),
    });
    expect({ told, wrong: outcome.wrong }).toEqual({ told, wrong: [] });
    expect(outcome).toMatchObject({ done: ACTS, wrong: [] });
  },
);
