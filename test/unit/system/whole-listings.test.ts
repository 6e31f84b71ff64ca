import { expect, test } from 'vitest';
import { type RunResult, wholeListings } from '../../../lib/system/processes/exec.ts';

const TORN = { status: 0, stdout: 'a part', stderr: 'Dump was interrupted and may be inconsistent.\n' };
const WHOLE = { status: 0, stdout: 'all', stderr: '' };

/** A run whose first answers are torn; how often it ran. */
function torn(times: number): {
  readonly run: (argv: readonly string[]) => RunResult;
  readonly ran: string[];
} {
  const ran: string[] = [];
  return { ran, run: (argv) => (ran.push(argv.join(' ')) <= times ? TORN : WHOLE) };
}

test('a listing that changed meanwhile is asked for again', () => {
  const { run, ran } = torn(2);
  expect(wholeListings(run)(['ip', 'route'], { isListing: true })).toEqual(WHOLE);
  expect(ran).toEqual(['ip route', 'ip route', 'ip route']);
});

test('one that never gets whole has failed', () => {
  const { run, ran } = torn(99);
  expect(wholeListings(run)(['ip', 'route'], { isListing: true })).toEqual({ ...TORN, status: 1 });
  expect(ran.length).toBeGreaterThan(5);
});

test('what is no listing runs once', () => {
  const { run, ran } = torn(2);
  expect(wholeListings(run)(['ip', '-batch', '-'], { input: 'link del dev a\n' })).toEqual(TORN);
  expect(ran).toHaveLength(1);
});
