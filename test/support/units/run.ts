// Runs unit tests by the compiled program's engine.

import { startTests, type Task, type VitestRunner, type VitestRunnerConfig } from '@vitest/runner';
import { libc } from '../../../lib/system/kernel/libc.ts';

/** A test's name with those of its groups, and what it says when it fails. */
export interface UnitResult {
  readonly name: string;
  readonly error?: string;
}

/** By the name of the test file. */
export type UnitResults = Readonly<Record<string, readonly UnitResult[]>>;

const CONFIG: VitestRunnerConfig = {
  root: '/',
  setupFiles: [],
  name: undefined,
  passWithNoTests: false,
  testNamePattern: undefined,
  allowOnly: false,
  sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
  chaiConfig: undefined,
  maxConcurrency: 1,
  testTimeout: 0,
  hookTimeout: 0,
  retry: 0,
  includeTaskLocation: undefined,
  tags: [],
  tagsFilter: undefined,
  strictTags: false,
};

function resultsOf(task: Task, groups: readonly string[]): UnitResult[] {
  const name = [...groups, task.name].join(' > ');
  const errors = task.result?.errors?.map(({ message, stack = '' }) => `${message}\n${stack}`) ?? [];
  const own = errors.length === 0 ? [] : [{ name, error: errors.join('\n') }];
  if (task.type === 'suite')
    return [...own, ...task.tasks.flatMap((child) => resultsOf(child, [...groups, task.name]))];
  if (task.result?.state === 'pass') return [{ name }];
  return own.length === 0 ? [{ name, error: 'It was not run.' }] : own;
}

function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done);
    const written = Number(libc().write(1, rest, rest.length));
    if (written < 0) throw new Error('The results cannot be written.');
    done += written;
  }
}

/**
 * Runs test files, prints their UnitResults as JSON and ends the program.
 * @param files what loads each file, by its name
 */
export async function runUnits(files: Readonly<Record<string, () => Promise<unknown>>>): Promise<never> {
  const runner: VitestRunner = { config: CONFIG, importFile: (file) => files[file]?.() };
  const ran = await startTests(Object.keys(files), runner);
  const results = ran.map((file) => [
    file.filepath,
    [
      ...(file.result?.errors ?? []).map(({ message }) => ({ name: 'the file', error: message })),
      ...file.tasks.flatMap((task) => resultsOf(task, [])),
    ],
  ]);
  print(JSON.stringify(Object.fromEntries(results)));
  return process.exit(0);
}
