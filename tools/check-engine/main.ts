// Checks the engine in ways that take too long for npm test: its own tests with our allocator and compiler's options, and the
// hooks with hostile input under the sanitizers for addresses and undefined behaviour, also with garbage collection whenever
// an object is made. A hook takes many seconds then, and still has its limits: the machine has to be quiet.
// Usage: npm run check:engine [-- tests|hostile|collection]

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compileFlags, findCompiler, findLibrary, LIBRARIES } from '../compiler.ts';
import { compileProgram, engineLibrary } from '../engine.ts';
import { engineSource, quickjs } from '../engine-source.ts';
import { root, run } from '../runtime.ts';

const FOLDER = join(root, 'dist/check');
const HERE = join(root, 'tools/check-engine');
/** The engine's own tests, as its Makefile runs them. */
const TESTS = ['closure', 'language', 'builtin', 'loop', 'bigint', 'std', 'worker', 'cyclic_import'];
/** Those that need QuickJS's library at hand. */
const WITH_LIBRARY = ['builtin'];
/** Tests that may fail, and why. */
const MAY_FAIL: Readonly<Record<string, string>> = {
  worker: 'our allocator is for one thread, and the program starts none',
};

/** Runs the engine's own tests, with the C library that the program is linked with. @returns what is otherwise than expected */
async function ownTests(): Promise<string[]> {
  await engineSource();
  const cc = await findCompiler();
  const libc = await findLibrary(cc);
  const program = join(FOLDER, 'qjs');
  const ours = [
    join(HERE, 'runtime.c'),
    ...['memory.c', 'fortify.c'].map((name) => join(root, 'lib/engine', name)),
  ];
  const theirs = ['qjs.c', 'quickjs-libc.c'].map((name) => join(quickjs, name));
  const wraps = ['JS_NewRuntime', '__stack_chk_fail'].map((name) => `-Wl,--wrap=${name}`);
  const include = `-I${join(root, 'lib/engine')}`;
  const flags = [...compileFlags(FOLDER), ...libc.flags, '-w', include, '-static-pie', ...wraps];
  const libraries = [await engineLibrary(cc, libc), ...LIBRARIES];
  await run`${cc} ${flags} ${ours} ${theirs} ${libraries} -o ${program}`;
  const wrong: string[] = [];
  for (const name of TESTS) {
    const words = [...(WITH_LIBRARY.includes(name) ? ['--std'] : []), `tests/test_${name}.js`];
    const quiet = run({ cwd: quickjs, nothrow: true, quiet: true, timeout: '10m' });
    const { exitCode, stderr, stdout } = await quiet`${program} ${words}`;
    const why = MAY_FAIL[name];
    const failed = exitCode !== 0;
    say(
      `test_${name}: ${failed ? 'failed' : 'passed'}${failed && why !== undefined ? `, since ${why}` : ''}`,
    );
    if (failed && why === undefined) wrong.push(`test_${name}: ${stdout}${stderr}`);
  }
  return wrong;
}

/**
 * Builds the program with the sanitizers, and runs tests with it.
 * @param name of the program
 * @param flags more options of the compiler
 * @param tests what vitest is told
 * @returns what the sanitizers reported, and the tests that failed
 */
async function sanitized(name: string, flags: string, tests: readonly string[]): Promise<string[]> {
  const program = join(FOLDER, name);
  const reports = `${program}.report`;
  Object.assign(process.env, { CHECK_FLAGS: flags, CHECK_REPORTS: reports });
  await compileProgram('bin/compiled.ts', program, { snapshot: false, target: join(HERE, 'cc') });
  const env = { ...process.env, XEN_NETWORK_TESTED: program };
  const vitest = run({ env, nothrow: true, quiet: true, timeout: '120m' });
  const done = await vitest`npx vitest run --project host ${tests}`;
  const last = done.stdout.trim().split('\n').at(-1);
  say(`${name}: ${last}`);
  const found = (await readdir(FOLDER)).filter((file) => join(FOLDER, file).startsWith(reports));
  const texts = await Promise.all(found.map((file) => readFile(join(FOLDER, file), 'utf8')));
  return [...texts, ...(done.exitCode === 0 ? [] : [`${done.stdout}${done.stderr}`])];
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const PARTS: Readonly<Record<string, () => Promise<string[]>>> = {
  tests: ownTests,
  hostile: () => sanitized('hostile', '', ['test/fuzz']),
  collection: () => sanitized('collection', '-DFORCE_GC_AT_MALLOC', ['test/netns/vif-bridge/calls.test.ts']),
};

const wanted = process.argv.slice(2);
const names = wanted.length === 0 ? Object.keys(PARTS) : wanted;
await rm(FOLDER, { recursive: true, force: true });
await mkdir(FOLDER, { recursive: true });
for (const name of names) {
  const part = PARTS[name];
  if (part === undefined) throw new Error(`${name} is none of ${Object.keys(PARTS).join(', ')}.`);
  const wrong = await part();
  for (const text of wrong) say(text);
  if (wrong.length > 0) process.exitCode = 1;
  say(`${name}: ${wrong.length === 0 ? 'clean' : `${wrong.length} findings`}`);
}
