import { describe, expect, test } from 'vitest';
import { median, quantile, ratio, short, shuffled } from '../../../tools/bench/numbers.ts';

describe('quantiles', () => {
  test('lie between the values on either side', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.9)).toBeCloseTo(46);
    expect([quantile([7, 5], 0), quantile([7, 5], 1)]).toEqual([5, 7]);
  });

  test('of numbers are not those of words: 9 comes before 10', () => {
    expect(median([10, 9, 100])).toBe(10);
  });

  test('of nothing are none, and the values stay in their order', () => {
    expect(median([])).toBeNaN();
    const values = [2, 1];
    median(values);
    expect(values).toEqual([2, 1]);
  });
});

test.each([
  [Number.NaN, '-'],
  [0.1234, '0.12'],
  [9.995, '9.99'],
  [42.25, '42.3'],
  [812.4, '812'],
])('%d is shown as %s', (value, shown) => {
  expect(short(value)).toBe(shown);
});

test('a ratio needs both', () => {
  expect(ratio(1, 4)).toBe(0.25);
  expect(ratio(undefined, 4)).toBeNaN();
  expect(ratio(1, undefined)).toBeNaN();
});

describe('turns', () => {
  const makers = ['ours', 'stock', 'smallest'];
  const rounds = Array.from({ length: 600 }, (_, round) => shuffled(makers, round));

  test('are the same in every run, and everybody has one in each round', () => {
    expect(rounds).toEqual(Array.from({ length: 600 }, (_, round) => shuffled(makers, round)));
    for (const round of rounds) expect(round.toSorted()).toEqual(makers.toSorted());
  });

  test('come in every order about equally often', () => {
    const orders = new Map<string, number>();
    for (const round of rounds) orders.set(round.join(), (orders.get(round.join()) ?? 0) + 1);
    expect(orders.size).toBe(6);
    for (const often of orders.values()) expect(Math.abs(often - 100)).toBeLessThan(35);
  });

  test('follow each other one about equally often', () => {
    const all = rounds.flat();
    const after = all.flatMap((maker, i) => (maker === 'ours' && i > 0 ? [all[i - 1]] : []));
    for (const before of ['stock', 'smallest'])
      expect(after.filter((maker) => maker === before).length / after.length).toBeGreaterThan(0.3);
  });

  test('need somebody to take them', () => {
    expect(shuffled([], 3)).toEqual([]);
    expect(shuffled(['ours'], 3)).toEqual(['ours']);
  });
});
