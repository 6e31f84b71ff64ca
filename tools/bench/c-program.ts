// The few parts of the benchmark that are in C, since they run while something is being timed.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../node_modules/.cache/xen-network');

/**
 * Compiles a program of this folder, unless that was done before.
 * @param name its file, without .c
 * @param more flags of the compiler, and what the result depends on beside the file
 * @returns where the program is
 * @throws Error with what gcc said
 */
export function compiled(
  name: string,
  { flags, input }: { readonly flags: readonly string[]; readonly input: string } = { flags: [], input: '' },
): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const program = join(FOLDER, `${name}-${Bun.hash(readFileSync(source) + input).toString(16)}`);
  if (existsSync(program)) return program;
  mkdirSync(FOLDER, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const gcc = spawnSync('gcc', ['-O2', '-Wall', ...flags, '-o', fresh, source], { encoding: 'utf8' });
  if (gcc.status !== 0) throw new Error(`gcc cannot build ${source}: ${gcc.error?.message ?? gcc.stderr}`);
  renameSync(fresh, program);
  return program;
}
