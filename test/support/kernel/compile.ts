import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { PLAIN_ENV } from '../hosts/namespace.ts';

const buildDir = join(import.meta.dirname, '../../../node_modules/.cache/xen-network');

/**
 * A C source of the tests, compiled once for each version of it.
 * @param name its file's name in this folder, without the .c
 * @param words further words for gcc
 * @returns what gcc made
 * @throws Error with what gcc said
 */
export function compile(name: string, words: readonly string[]): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const version = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const made = join(buildDir, `${name}-${version}`);
  if (existsSync(made)) return made;
  mkdirSync(buildDir, { recursive: true });
  // Built beside it and moved, since several test files may do so at once.
  const fresh = `${made}.${process.pid}`;
  const gcc = spawnSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', fresh, source, ...words], {
    env: PLAIN_ENV,
    encoding: 'utf8',
  });
  if (gcc.status !== 0) throw new Error(`gcc cannot build ${source}: ${gcc.error?.message ?? gcc.stderr}`);
  renameSync(fresh, made);
  return made;
}
