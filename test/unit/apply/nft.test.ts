import { expect, test } from 'vitest';
import { failuresOf } from '../../../lib/apply/already.ts';
import { execute } from '../../../lib/apply/execute.ts';
import type { Command } from '../../../lib/plan/step.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

const element = (name: string, verb = 'delete'): Command => ({
  tool: 'nft',
  line: `${verb} element bridge xen-network guests { "${name}" }`,
});

/** A kernel that has some elements, and refuses a transaction as a whole. */
function systemWith(there: Set<string>, broken = ''): System {
  return {
    ...openSystem(nodeNative),
    run(_argv, options) {
      const names = [...(options?.input ?? '').matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
      const said = (text: string) => ({
        status: 1,
        stdout: '',
        stderr: `/dev/stdin:1:1-2: Error: ${text}\n`,
      });
      if (names.includes(broken)) return said('Could not process rule: Device or resource busy');
      if (names.some((name) => !there.has(name)))
        return said('Could not process rule: No such file or directory');
      for (const name of names) there.delete(name);
      return { status: 0, stdout: '', stderr: '' };
    },
  };
}

const COMMANDS = ['a', 'b', 'c', 'd', 'e'].map((name) => element(name));

test('an element that is gone keeps no other from being taken out', () => {
  const there = new Set(['a', 'b', 'd', 'e', 'z']);
  expect(execute(systemWith(there), 'nft', COMMANDS, true)).toEqual({ done: 5, exact: true });
  expect([...there]).toEqual(['z']);
});

test('what is refused for another reason is an error, and only that', () => {
  const there = new Set(['a', 'b', 'c', 'd']);
  const outcome = execute(systemWith(there, 'b'), 'nft', COMMANDS, true);
  expect(outcome).toMatchObject({ done: 5, error: 'Could not process rule: Device or resource busy' });
  expect(failuresOf(outcome)).toEqual(['Could not process rule: Device or resource busy']);
  expect([...there]).toEqual(['b']);
});

test.each([
  ['alone', []],
  ['among what is gone', ['b', 'c', 'd'].map((name) => element(name))],
  ['beside what is refused', [element('e', 'add')]],
])('what is to be put in and has no place is no work done, %s', (_where, others) => {
  const commands = [...others, element('a', 'add')];
  const failures = failuresOf(execute(systemWith(new Set()), 'nft', commands, true));
  expect(failures).toEqual(
    commands
      .filter((command) => command.tool === 'nft' && command.line.startsWith('add'))
      .map(() => 'Could not process rule: No such file or directory'),
  );
});

test('a start stays all or nothing', () => {
  const there = new Set(['a']);
  expect(execute(systemWith(there), 'nft', COMMANDS).done).toBe(0);
  expect([...there]).toEqual(['a']);
});

/** What nft was given, and what the kernel. */
function sharedOut(
  lines: readonly string[],
  takes: boolean,
): { readonly nft: string[]; readonly kernel: string[] } {
  const [nft, kernel]: [string[], string[]] = [[], []];
  const system: System = {
    ...openSystem(nodeNative),
    changeTables(some) {
      const isTaken = takes && some.every((line) => line.includes(' element '));
      if (isTaken) kernel.push(...some);
      return isTaken;
    },
    run(_argv, options) {
      nft.push(...(options?.input ?? '').trim().split('\n'));
      return { status: 0, stdout: '', stderr: '' };
    },
  };
  const commands = lines.map((line): Command => ({ tool: 'nft', line }));
  expect(execute(system, 'nft', commands)).toEqual({ done: lines.length, exact: true });
  return { nft, kernel };
}

const TABLE = ['add table bridge t', 'add set bridge t s { type ifname; }'];
const ELEMENTS = ['add element bridge t s { "web" }', 'add element bridge t s { "mail" }'];

test('nft makes the table, and the kernel takes its elements', () => {
  expect(sharedOut([...TABLE, ...ELEMENTS], true)).toEqual({ nft: TABLE, kernel: ELEMENTS });
  expect(sharedOut(ELEMENTS, true)).toEqual({ nft: [], kernel: ELEMENTS });
});

test('what the kernel refuses is left to nft', () => {
  expect(sharedOut([...TABLE, ...ELEMENTS], false)).toEqual({ nft: [...TABLE, ...ELEMENTS], kernel: [] });
});

test('a set is removed in the transaction that adds what was in it elsewhere', () => {
  const lines = [...TABLE, 'delete set bridge t former', ...ELEMENTS];
  expect(sharedOut(lines, true)).toEqual({ nft: lines, kernel: [] });
});
