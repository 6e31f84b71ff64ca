import { expect, test } from 'vitest';
import { HostError } from '../../../lib/errors.ts';
import {
  type RunResult,
  tooLongText,
  unlessLost,
  wholeListings,
} from '../../../lib/system/processes/exec.ts';

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

test('one that never gets whole is an error', () => {
  const { run, ran } = torn(99);
  expect(() => wholeListings(run)(['ip', 'route'], { isListing: true })).toThrow(
    /^"ip route" could not list what this host has \(it changed each of 20 times meanwhile\)/,
  );
  expect(ran.length).toBeGreaterThan(5);
});

const LOST = { status: 1, stdout: '', stderr: 'ovs-vsctl: database connection failed (Protocol error)\n' };

test('one whose connection was lost is asked for again, and is an error in the end', () => {
  const ask = (lost: number) => {
    let left = lost;
    return wholeListings(() => (left-- > 0 ? LOST : WHOLE))(['ovs-vsctl', 'get'], { isListing: true });
  };
  expect(ask(2)).toEqual(WHOLE);
  expect(() => ask(99)).toThrow(/^"ovs-vsctl get" could not list .*Protocol error/);
});

test('a step whose connection was lost is done again, three times in all', () => {
  const runs = (lost: number) => {
    let ran = 0;
    return [unlessLost(() => (ran++ < lost ? LOST : WHOLE)), ran];
  };
  expect(runs(0)).toEqual([WHOLE, 1]);
  expect(runs(2)).toEqual([WHOLE, 3]);
  expect(runs(9)).toEqual([LOST, 3]);
});

const said = (result: Partial<RunResult>) => {
  const run = () => ({ status: 1, stdout: '', stderr: '', ...result });
  return () => wholeListings(run)(['nft', 'list', 'tables'], { isListing: true });
};

test.each([
  ['was killed', { status: 137, stdout: 'a part' }, 'it was killed by signal 9'],
  [
    'took too long',
    { status: 137, stderr: '\nnft did not end within 30 s and was ended' },
    'nft did not end',
  ],
  ['could not be started', { status: 127, stderr: 'there is not enough memory (ENOMEM)' }, 'ENOMEM'],
  ['lacks a library', { status: 127, stderr: 'nft: error while loading shared libraries' }, 'libraries'],
  ['had no memory', { stderr: 'netlink.c:103: Memory allocation failure\n' }, 'Memory allocation failure'],
  ['was refused memory', { stderr: 'RTNETLINK answers: Cannot allocate memory\n' }, 'Cannot allocate'],
  ['said too much', { stderr: tooLongText(['nft']) }, 'longer than 64 MB'],
])('a program that %s has not listed nothing', (_what, result, reason) => {
  expect(said(result)).toThrow(HostError);
  expect(said(result)).toThrow(/^"nft list tables" could not list .* try again\.$/);
  expect(said(result)).toThrow(reason);
});

test.each([
  ['is not installed', { status: 127 }],
  ['finds no such thing', { stderr: 'Error: No such file or directory' }],
  ['may not', { status: 4, stderr: 'Permission denied (you must be root)' }],
  ['ends as iproute2 does', { status: 255, stderr: 'Object "nexthop" is unknown' }],
])('one that %s has answered', (_what, result) => {
  expect(said(result)()).toMatchObject(result);
});

test('what is no listing runs once', () => {
  const { run, ran } = torn(2);
  expect(wholeListings(run)(['ip', '-batch', '-'], { input: 'link del dev a\n' })).toEqual(TORN);
  expect(ran).toHaveLength(1);
});
