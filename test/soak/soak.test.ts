import { describe, expect, test } from 'vitest';
import { harmText } from './harm.ts';
import { holds, NOTHING } from './model.ts';
import { PLACES } from './places.ts';
import { ending, soak } from './run.ts';
import { schedule } from './schedule.ts';

/** Each has most kinds of acts and of harm among its first. */
const SEEDS = [200, 3] as const;
const ACTS = 12;

test.each(SEEDS)(
  'a host on which random things happen is as if nothing had gone wrong, seed %s',
  async (seed) => {
    process.stdout.write(`npm run soak -- --seed ${seed} --acts ${ACTS}\n`);
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

describe('a seed', () => {
  const textOf = (seed: number) =>
    schedule(seed, 200).map(
      ({ deeds, harm, isQuiet }) => `${deeds.map(({ what }) => what).join()}${harmText(harm)} ${isQuiet}`,
    );

  test('gives the same acts each time, and another one others', () => {
    expect(textOf(7)).toEqual(textOf(7));
    expect(textOf(8)).not.toEqual(textOf(7));
  });

  test('gives fewer acts as the beginning of more', () => {
    expect(schedule(7, 20).map(({ harm }) => harm)).toEqual(
      schedule(7, 40)
        .slice(0, 20)
        .map(({ harm }) => harm),
    );
  });
});

// What packets.test.ts shows of a full house is true of each run.
test('a run ends with guests at each place that are held strictly, and with antispoof=yes, whatever its seed', () => {
  for (let seed = 0; seed < 100; seed++) {
    const model = schedule(seed, 30).at(-1)?.model ?? NOTHING;
    const [strict, , yes] = ending(model);
    for (const place of PLACES.filter((each) => each !== 'switched')) {
      const held = (part: typeof strict, antispoof: 'yes' | 'strict') =>
        Object.values(part?.deeds.at(-1)?.model.guests ?? {}).filter(
          (guest) =>
            guest.place === place &&
            guest.mode === undefined &&
            holds(part?.deeds.at(-1)?.model ?? NOTHING, guest) === antispoof,
        ).length;
      expect(held(strict, 'strict')).toBeGreaterThan(0);
      if (place === 'bridged' || place === 'virtual') expect(held(yes, 'yes')).toBe(2);
    }
    expect(yes?.deeds.at(-1)?.model.networks).toEqual({
      bridge: 'yes',
      virtual: 'yes',
      nat: 'yes',
      route: 'no',
    });
  }
});
