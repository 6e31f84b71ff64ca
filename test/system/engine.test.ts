import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
let folder: string;

/** Compiles a program; returns what the build said when that failed, else nothing. */
function compile(source: string, to: string, snapshot: boolean): string {
  const script = `const { compileProgram } = await import('./tools/engine.ts');
    await compileProgram('${source}', '${join(folder, to)}', { snapshot: ${snapshot} })`;
  const done = spawnSync('sh', ['tools/bun.sh', '-e', script], { cwd: root, encoding: 'utf8' });
  return done.status === 0 ? '' : done.stderr;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xen-network-engine-'));
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

describe.each(['snapshot', 'bytecode'])('the engine of the compiled program, from %s,', (program) => {
  function run(words: readonly string[], env: Readonly<Record<string, string>> = {}, argv0 = 'facts') {
    return spawnSync(join(folder, program), words, {
      env: { ...PLAIN_ENV, ...env },
      argv0,
      encoding: 'utf8',
    });
  }

  function fact(what: string, ...more: string[]): unknown {
    const { status, stdout, stderr } = run([what, ...more], { PLAIN: 'a=b', EMPTY: '' });
    expect({ status, stderr }).toEqual({ status: 3, stderr: '' });
    return JSON.parse(stdout);
  }

  test('has what was made while it was loaded', () => {
    expect(fact('early')).toEqual([
      '[{"a":1,"b":2},{"a":3,"b":4}]',
      ['object', 'object', 'function', 'object'],
      [
        ['text', 'by text'],
        ['new', 'by a new key'],
      ],
      3 * 69_990,
      5000 + 4999,
      ['12', '34'],
      'Error: early',
    ]);
  });

  test('has other random numbers in each call', () => {
    const numbers = [...(fact('chance') as number[]), ...(fact('chance') as number[])];
    expect(new Set(numbers).size).toBe(4);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  });

  test('has the words of the call and the name it was called by', () => {
    expect(fact('words', 'ip=192.0.2.1', '', 'ä')).toEqual(['words', 'ip=192.0.2.1', '', 'ä']);
    expect(JSON.parse(run(['name'], {}, '/some/where/vif-bridge').stdout)).toBe('/some/where/vif-bridge');
  });

  test('has the environment, whatever a variable is called', () => {
    const { stdout } = spawnSync(
      'env',
      ['-i', 'PLAIN=a=b', 'EMPTY=', '__proto__=odd', join(folder, program), 'variables'],
      {
        encoding: 'utf8',
      },
    );
    expect(JSON.parse(stdout)).toEqual(['a=b', '', ['__proto__', 'odd'], null]);
  });

  test('turns text into UTF-8 and back as browsers do', () => {
    const encode = (text: string) => [...new TextEncoder().encode(text)];
    expect(fact('texts')).toEqual([encode('aé€😀'), encode('a\ud83dz\udc00'), 'aé😀', '\ufffda', '', [0]]);
  });

  test('calls the C library with results of every kind', () => {
    expect(fact('errno')).toEqual([-1, 9, 0]);
    expect(fact('folder')).toBeNull();
    expect(fact('error')).toBe('No such file or directory');
    expect(fact('pid')).toBe(join(folder, program));
  });

  test('has standard files even where its caller closed them', () => {
    const script = `exec <&- 2>&-; exec "$0" files`;
    const { stdout } = spawnSync('bash', ['-c', script, join(folder, program)], {
      env: PLAIN_ENV,
      encoding: 'utf8',
    });
    expect(Number(stdout)).toBeGreaterThan(2);
  });

  test('has what is younger than it', () => {
    expect(fact('young')).toEqual([3, 'a', null, true, false]);
  });

  test('keeps what lies in its memory', () => {
    expect(fact('memory')).toEqual([true, (299_999 * 300_000) / 2 + 35_000_000]);
  });

  test('has no way to run other code', () => {
    expect(fact('doors')).toEqual([
      ...Array(3).fill('undefined'),
      ...Array(2).fill('TypeError: eval is not supported'),
    ]);
  });

  test('runs timers in their order and signal handlers between them', () => {
    expect(fact('timers')).toEqual(['at once', 'soon', 'later']);
    expect(fact('signals')).toEqual(['SIGTERM on', 'SIGTERM once', 'SIGTERM on']);
  });

  test.each([
    ['rejects', 'xen-network: RangeError: nobody caught this'],
    ['waits', 'xen-network: the program came to its end without a result'],
    ['recursion', 'xen-network: InternalError: stack overflow'],
  ])('%s: a fault of the program ends it with a word', (what, text) => {
    const { status, stdout, stderr } = run([what]);
    expect({ status, stdout, first: stderr.split('\n')[0] }).toEqual({ status: 1, stdout: '', first: text });
  });
});
