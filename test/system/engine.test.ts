import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';
import { compileWith, engineTests, makeFolder } from '../support/kernel/engine-tests.ts';

const root = join(import.meta.dirname, '../..');
let folder: string;

const compile = (source: string, to: string, snapshot: boolean) =>
  compileWith(source, join(folder, to), { snapshot });

beforeAll(() => {
  folder = makeFolder();
  for (const [name, snapshot] of [
    ['snapshot', true],
    ['bytecode', false],
  ] as const)
    expect(compile('test/support/kernel/engine-facts.ts', name, snapshot)).toBe('');
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What a program's start asks of the kernel, as strace shows it. */
function startOf(name: string, before = ''): string {
  const script = `${before} exec "$0" words`;
  const words = ['-f', '-e', 'trace=mmap,madvise', 'sh', '-c', script, join(folder, name)];
  const { status, stderr } = spawnSync('strace', words, { env: PLAIN_ENV, encoding: 'utf8' });
  expect(status).toBe(3);
  return stderr;
}

test('a program has a snapshot where it was asked for, and does without where there is no memory for it', () => {
  expect(startOf('snapshot')).toMatch(/MADV_HUGEPAGE/);
  expect(startOf('bytecode')).not.toMatch(/MADV_HUGEPAGE/);
  const poor = startOf('snapshot', 'ulimit -v 6000;');
  expect(poor).toMatch(/ENOMEM/);
  expect(poor).not.toMatch(/MADV_HUGEPAGE/);
});

/** A module that does something while it is loaded. */
function early(act: string): string {
  const source = join(folder, 'early.ts');
  const from = join(root, 'lib/system/kernel/libc.ts');
  writeFileSync(source, `import { libc } from '${from}';\nvoid libc; ${act}; engine.main = () => {};`);
  return source;
}

test('a module that asks the system while it is loaded gets into no snapshot', () => {
  const questions = {
    'libc().umask(0o022)': 'umask: a module must not ask the system',
    'performance.now()': 'now: a module must not ask the system',
    'Math.random()': 'random: a module must not ask the system',
    'process.execPath': 'path: a module must not ask the system',
    'process.env.PATH': 'A module asks for process.env while it is loaded.',
    'process.argv.length': 'A module asks for process.argv while it is loaded.',
    'process.argv0': 'A module asks for process.argv0 while it is loaded.',
    'process.pid': 'A module asks for process.pid while it is loaded.',
  };
  const asked = Object.keys(questions).map((question) => `() => ${question}`);
  const said = compile(
    early(`const said = [${asked}].map((ask) => {
      try { return String(ask()); } catch (thrown) { return thrown.message; }
    }); throw new Error(said.join('; '))`),
    'early',
    true,
  );
  for (const refusal of Object.values(questions)) expect(said).toContain(refusal);
  // The engine itself asks for the time, so this is found at the end.
  expect(compile(early('Date.now()'), 'early', true)).toContain('would be in the snapshot: the time');
});

describe.each(['snapshot', 'bytecode'])('the engine of the compiled program, from %s,', (program) =>
  engineTests(() => join(folder, program)),
);
