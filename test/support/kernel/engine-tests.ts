import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PLAIN_ENV } from '../hosts/namespace.ts';

const root = join(import.meta.dirname, '../../..');

/** Makes a folder for programs; the caller removes it. */
export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'xen-network-engine-'));
}

/**
 * Compiles a program.
 * @param source its first module
 * @param to the program's path
 * @param options those of compileProgram
 * @returns what the build said when that failed, else nothing
 */
export function compileWith(
  source: string,
  to: string,
  options: {
    readonly snapshot: boolean;
    readonly target?: string;
    readonly standIns?: Readonly<Record<string, string>>;
  },
): string {
  const script = `const { compileProgram } = await import('./tools/engine.ts');
    await compileProgram('${source}', '${to}', ${JSON.stringify(options)})`;
  const done = spawnSync('sh', ['tools/bun.sh', '-e', script], { cwd: root, encoding: 'utf8' });
  return done.status === 0 ? '' : done.stderr;
}

/**
 * The tests of what the engine promises.
 * @param program gives the path of engine-facts.ts as a program
 */
export function engineTests(program: () => string): void {
  function run(words: readonly string[], env: Readonly<Record<string, string>> = {}, argv0 = 'facts') {
    return spawnSync(program(), words, {
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

  test('shows each error by the name of its class, which the build shortens', () => {
    const kinds = ['XenNetwork', 'Request', 'Host', 'Xenstore', 'Closed', 'Lock', 'Verify', 'Step'];
    expect(fact('named')).toEqual([
      ...kinds.map((kind) => `${kind}Error: why`),
      'CallError: No such file or directory',
    ]);
  });

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
      ['-i', 'PLAIN=a=b', 'EMPTY=', '__proto__=odd', program(), 'variables'],
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
    expect(fact('errors')).toEqual([
      'No such file or directory',
      'Input/output error',
      'Cannot allocate memory',
      'Device or resource busy',
      'Too many open files',
      'Inappropriate ioctl for device',
      'Numerical result out of range',
      'File name too long',
      'Too many levels of symbolic links',
      'Value too large for defined data type',
      'Message too long',
      'Operation not supported',
      'Address already in use',
      'Cannot assign requested address',
      'Network is unreachable',
      'Transport endpoint is not connected',
      'Connection timed out',
      'No route to host',
      'Disk quota exceeded',
    ]);
    expect(fact('pid')).toBe(program());
  });

  test('has standard files even where its caller closed them', () => {
    const script = `exec <&- 2>&-; exec "$0" files`;
    const { stdout } = spawnSync('bash', ['-c', script, program()], {
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
}
