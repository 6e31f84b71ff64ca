import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBun } from '../support/bun.ts';
import { PLAIN_ENV } from '../support/hosts/namespace.ts';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'dist/xen-network');

let folder: string;
/** The compiler and what the build tells it. */
let built: { cc: string; flags: string[]; link: string[] };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xen-network-hardened-'));
  const script = `const { compileFlags, findCompiler, findLibrary, LINK_FLAGS } = await import('./tools/compiler.ts');
    const cc = await findCompiler(), { flags } = await findLibrary(cc);
    console.log(JSON.stringify({ cc, flags: [...compileFlags(''), ...flags], link: LINK_FLAGS }))`;
  built = JSON.parse(run(findBun(), '-e', script).stdout);
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(command: string, ...words: string[]) {
  const done = spawnSync(command, words, { cwd: root, env: PLAIN_ENV, encoding: 'utf8' });
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
}

/** The program headers of a file: kind and flags. */
function segments(file: string): [kind: string, flags: string][] {
  const rows = run('readelf', '-lW', file).stdout.matchAll(/^ {2}([A-Z_]+) +(?:0x\w+ +){5}([RWE ]{3})/gm);
  return [...rows].map(([, kind = '', flags = '']) => [kind, flags.replaceAll(' ', '')]);
}

/** A program of C, made as the build makes its own. */
function compiled(name: string, text: string): string {
  const [source, made] = [join(folder, `${name}.c`), join(folder, name)];
  writeFileSync(source, text);
  const sources = [source, join(root, 'lib/engine/fortify.c')];
  expect(run(built.cc, ...built.flags, '-w', ...sources, ...built.link, '-o', made).stderr).toBe('');
  return made;
}

/** A write of n bytes to a buffer of 16, by function. */
const COPIES: Readonly<Record<string, string>> = {
  memcpy: 'memcpy(room, text, n)',
  memmove: 'memmove(room, text, n)',
  memset: "memset(room, 'x', n); room[15] = 0",
  strcpy: 'strcpy(room, text)',
  strcat: 'strcat(room, text)',
  snprintf: 'snprintf(room, n, "%s", text)',
  vsnprintf: 'with_values(n, "%s", text)',
  read: 'read(pipes[0], room, n)',
  readlink: 'readlink(argv[2], room, n)',
};

describe('the compiled program', () => {
  test('is at an address that nobody knows beforehand, and needs no loader', () => {
    expect(run('readelf', '-hW', program).stdout).toMatch(/Type: +DYN/);
    const kinds = segments(program).map(([kind]) => kind);
    expect(kinds).toContain('LOAD');
    expect(kinds).not.toContain('INTERP');
    expect(run('readelf', '-dW', program).stdout).not.toMatch(/NEEDED|TEXTREL/);
  });

  test('has no page that is writable and executable, the stack least of all', () => {
    const all = segments(program);
    expect(all.filter(([, flags]) => flags.includes('W') && flags.includes('E'))).toEqual([]);
    expect(all).toContainEqual(['GNU_STACK', 'RW']);
  });

  test('has what the loader puts right made read-only', () => {
    expect(segments(program)).toContainEqual(['GNU_RELRO', 'R']);
    expect(run('readelf', '-dW', program).stdout).toMatch(/FLAGS_1\) +Flags: .*NOW PIE/);
  });

  test('names no folder of the machine that made it', () => {
    expect(run('grep', '-c', '-a', '-F', root, program).stdout.trim()).toBe('0');
  });

  test('ends by a signal where it wrote beyond a buffer, and counts on numbers that wrap round', () => {
    const head = '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n';
    const stack = compiled(
      'stack',
      `${head}__attribute__((noinline)) static void fill(volatile char *at, int n) { while (n-- > 0) at[n] = 1; }
      int main(int argc, char **argv) { volatile char room[16]; fill(room, atoi(argv[1])); return 0; }`,
    );
    const copy = compiled(
      'copy',
      `${head}static char room[16]; int main(int argc, char **argv) { strcpy(room, argv[1]); puts(room); return 0; }`,
    );
    const wrap = compiled(
      'wrap',
      `${head}int main(int argc, char **argv) { int n = atoi(argv[1]); puts(n + 1 > n ? "more" : "less"); return 0; }`,
    );
    expect(run(stack, '16').status).toBe(0);
    expect(run(stack, '64').signal).toBe('SIGABRT');
    expect(run(copy, 'short').stdout).toBe('short\n');
    expect(run(copy, 'x'.repeat(64)).signal).toBe('SIGABRT');
    expect(run(wrap, '1').stdout).toBe('more\n');
    expect(run(wrap, `${2 ** 31 - 1}`).stdout).toBe('less\n');
  });

  test.each(Object.entries(COPIES))('ends by a signal where %s would write beyond a buffer', (name, copy) => {
    const made = compiled(
      name,
      `#include <stdio.h>
      #include <stdlib.h>
      #include <string.h>
      #include <unistd.h>
      static char room[16], text[64];
      static int with_values(int n, const char *format, ...) {
        __builtin_va_list values;
        __builtin_va_start(values, format);
        return vsnprintf(room, n, format, values);
      }
      int main(int argc, char **argv) {
        int n = atoi(argv[1]), pipes[2];
        memset(text, 'x', n - 1);
        pipe(pipes);
        write(pipes[1], text, n);
        symlink(text, argv[2]);
        ${copy};
        puts(room);
        return 0;
      }`,
    );
    const link = join(folder, `${name}.link`);
    expect(run(made, '16', link)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^x+\n$/) });
    rmSync(link);
    expect(run(made, '17', link).signal).toBe('SIGABRT');
  });

  test('leaves nothing open that its caller had', () => {
    const { stderr } = run('strace', '-e', 'trace=close_range', program, '--version');
    expect(stderr).toMatch(/^close_range\(3, 4294967295, 0\) += 0$/m);
  });
});
