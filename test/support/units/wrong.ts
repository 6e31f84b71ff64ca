// Tests of which all but one must fail.

import { describe, expect, test, vi } from 'vitest';

test('right', () => expect(1 + 1).toBe(2));
test('a number', () => expect(1 + 1).toBe(3));
test('an object', () => expect({ a: [1, { b: 2 }] }).toEqual({ a: [1, { b: 3 }] }));
test('a part of an object', () => expect({ a: 1, b: 2 }).toMatchObject({ b: 3 }));
test('a pattern in an object', () => expect({ a: 'text' }).toEqual({ a: expect.stringContaining('other') }));
test('an error that is not thrown', () => expect(() => 1).toThrow('some'));
test('another error', () => {
  expect(() => {
    throw new Error('this');
  }).toThrow('that');
});
test('what is not to be', () => expect([1, 2]).not.toContain(2));
test('a promise that is kept', () => expect(Promise.resolve(1)).rejects.toThrow('some'));
test('a promise that is broken otherwise', () =>
  expect(Promise.reject(new Error('this'))).rejects.toThrow('that'));
test('a spy', () => {
  const spy = vi.spyOn(Math, 'abs').mockImplementation(() => 7);
  const said = Math.abs(-1);
  spy.mockRestore();
  expect([said, Math.abs(-1)]).toEqual([1, 1]);
});
describe('a group', () => {
  test.each([[1], [2]])('with %i', (number) => expect(number).toBeGreaterThan(2));
});
test('an exception', async () => {
  await Promise.resolve();
  throw new Error('thrown by the test');
});
