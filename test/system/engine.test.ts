import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xen-network-engine-'));
  const script = `const { compileProgram } = await import('./tools/engine.ts');
    await compileProgram('test/support/kernel/engine-facts.ts', '${join(folder, 'facts')}')`;
  const done = spawnSync('sh', ['tools/bun.sh', '-e', script], { cwd: root, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`The program cannot be compiled: ${done.stderr}`);
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(words: readonly string[], env: Readonly<Record<string, string>> = {}, argv0 = 'facts') {
  return spawnSync(join(folder, 'facts'), words, { env: { ...PLAIN_ENV, ...env }, argv0, encoding: 'utf8' });
}

function fact(what: string, ...more: string[]): unknown {
  const { status, stdout, stderr } = run([what, ...more], { PLAIN: 'a=b', EMPTY: '' });
  expect({ status, stderr }).toEqual({ status: 3, stderr: '' });
  return JSON.parse(stdout);
}

describe('the engine of the compiled program', () => {
  test('has the words of the call and the name it was called by', () => {
    expect(fact('words', 'ip=192.0.2.1', '', 'ä')).toEqual(['words', 'ip=192.0.2.1', '', 'ä']);
    expect(JSON.parse(run(['name'], {}, '/some/where/vif-bridge').stdout)).toBe('/some/where/vif-bridge');
  });

  test('has the environment, whatever a variable is called', () => {
    const { stdout } = spawnSync(
      'env',
      ['-i', 'PLAIN=a=b', 'EMPTY=', '__proto__=odd', join(folder, 'facts'), 'variables'],
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
    expect(fact('pid')).toBe(join(folder, 'facts'));
  });

  test('has standard files even where its caller closed them', () => {
    const script = `exec <&- 2>&-; exec "$0" files`;
    const { stdout } = spawnSync('bash', ['-c', script, join(folder, 'facts')], {
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
