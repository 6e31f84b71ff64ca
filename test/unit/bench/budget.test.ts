import { expect, test } from 'vitest';
import { Budget } from '../../../tools/bench/budget.ts';

/** A budget with a clock that goes on only by work. */
function begin(wholeS: number) {
  let now = 1000;
  const said: string[] = [];
  const budget = new Budget(
    wholeS,
    () => now,
    (text) => said.push(text),
  );
  const piece = (name: string, expectedS: number, tookS: number) =>
    budget.piece(name, expectedS, async () => {
      now += tookS;
      return name;
    });
  return { budget, said, piece };
}

test('pieces that fit are done, and it is said what goes on and how long each took', async () => {
  const { budget, said, piece } = begin(100);
  expect([await piece('storms', 30, 40), await piece('growth', 30, 30)]).toEqual(['storms', 'growth']);
  expect(said).toEqual([
    '0 s: storms, some 30 s',
    'storms took 40 s.',
    '40 s: growth, some 40 s',
    'growth took 30 s.',
  ]);
  expect(budget.leftOut).toEqual([]);
});

test('a piece without time is left out with the reason, and a shorter one after it is done', async () => {
  const { budget, piece } = begin(100);
  await piece('storms', 30, 60);
  expect(await piece('growth', 30, 1)).toBeUndefined();
  expect(await piece('outage', 10, 20)).toBe('outage');
  expect(budget.leftOut).toEqual(['growth is left out: it takes some 60 s here, and 40 s are left of 100.']);
});
