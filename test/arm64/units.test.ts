import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { compileWith, makeFolder } from '../support/kernel/engine-tests.ts';
import type { UnitResults } from '../support/units/run.ts';
import { NOT_BY_ENGINE } from './differences.ts';

const ROOT = join(import.meta.dirname, '../..');
const UNITS = join(ROOT, 'test/support/units');
const WRONG = 'test/support/units/wrong.ts';

const folder = makeFolder();
const all = readdirSync(join(ROOT, 'test/unit'), { encoding: 'utf8', recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test/unit', name))
  .sort();
const results = run([...all.filter((file) => NOT_BY_ENGINE[file] === undefined), WRONG]);

afterAll(() => rmSync(folder, { recursive: true }));

/** Has the program's engine, compiled for arm64, run test files. */
function run(files: readonly string[]): UnitResults {
  const entry = join(folder, 'units.ts');
  const loads = files.map((file) => `'${file}': () => import('${join(ROOT, file)}'),`);
  writeFileSync(
    entry,
    `engine.main = () => void import('${UNITS}/run.ts').then(({ runUnits }) => runUnits({${loads.join('\n')}}));`,
  );
  const said = compileWith(entry, join(folder, 'units'), {
    snapshot: false,
    target: 'aarch64-linux-gnu-gcc',
    standIns: { vitest: join(UNITS, 'vitest.ts'), '/node/native-node.ts': join(UNITS, 'native-node.ts') },
  });
  if (said !== '') throw new Error(said);
  return JSON.parse(execFileSync(join(folder, 'units'), { encoding: 'utf8', maxBuffer: 64 << 20 }));
}

const { [WRONG]: wrong = [], ...right } = results;

test('what is wrong fails', () => {
  expect(wrong.map(({ name, error }) => [name, error?.split('\n')[0]])).toEqual([
    ['right', undefined],
    ['a number', 'expected 2 to be 3 // Object.is equality'],
    ['an object', 'expected { a: [ 1, { b: 2 } ] } to deeply equal { a: [ 1, { b: 3 } ] }'],
    ['a part of an object', 'expected { a: 1, b: 2 } to match object { b: 3 }'],
    ['a pattern in an object', `expected { a: 'text' } to deeply equal { a: StringContaining "other" }`],
    ['an error that is not thrown', 'expected [Function] to throw an error'],
    ['another error', "expected [Function] to throw error including 'that' but got 'this'"],
    ['what is not to be', 'expected [ 1, 2 ] to not include 2'],
    ['a promise that is kept', 'promise resolved "1" instead of rejecting'],
    [
      'a promise that is broken otherwise',
      "expected [Function] to throw error including 'that' but got 'this'",
    ],
    ['a spy', 'expected [ 7, 1 ] to deeply equal [ 1, 1 ]'],
    ['a group > with 1', 'expected 1 to be greater than 2'],
    ['a group > with 2', 'expected 2 to be greater than 2'],
    ['an exception', 'thrown by the test'],
  ]);
});

test('a file that is left out is there', () => {
  expect(all).toEqual(expect.arrayContaining(Object.keys(NOT_BY_ENGINE)));
});

describe.each(Object.entries(right))('%s by the engine', (_, tests) => {
  test.each(tests.map(({ name, error }) => [name, error]))('%s', (_name, error) => {
    expect(error).toBeUndefined();
  });
});
