// What both builds share: running commands, and the runtime (Bun or Node) that becomes part of the program.

import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { $ } from 'zx';

/** The project's folder. */
export const root = join(import.meta.dirname, '..');

/** Runs a command in the project's folder. Without a stdin, since bash reads ~/.bashrc where that is a socket. */
export const run = $({ cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });

/** Variables by which a runtime runs other code than ours, turns into its own command line, or writes files. */
const DOORS = [
  'BUN_BE_BUN',
  'BUN_BYTECODE_DIGEST_OUT',
  'BUN_BYTECODE_ORDER_OUT',
  'BUN_INSPECT',
  'BUN_INSPECT_CONNECT_TO',
  'BUN_INSPECT_PRELOAD',
  'BUN_OPTIONS',
  'NODE_OPTIONS',
];

const HOSTILE = { BUN_BE_BUN: '1', BUN_OPTIONS: '--version', NODE_OPTIONS: '--no-such-option' };

/**
 * Copies a runtime's executable so that it no longer knows those variables: no flag of either build does that,
 * and a hook inherits the environment of whoever called xl. Each name loses its first byte in the pool of C
 * strings, where one string's NUL comes right before the name; other places that hold it stay as they are.
 */
export async function copyRuntime(from: string, to: string): Promise<void> {
  const bytes = await readFile(from);
  for (const name of DOORS) {
    const needle = Buffer.from(`\0${name}\0`);
    for (let at = bytes.indexOf(needle); at > 0; at = bytes.indexOf(needle, at + 1)) {
      if (bytes[at - 1] !== 0) {
        bytes[at + 1] = 0;
      }
    }
  }
  await writeFile(to, bytes);
  await chmod(to, 0o755);
}

/**
 * Runs a finished program once as it is and once with those variables set, and answers with its version line.
 *
 * @throws Error when it does not name the version, or when the environment changes what it does
 */
export async function proveProgram(program: string, version: string): Promise<string> {
  const clean = (await run({ env: {} })`${program} --version`).stdout.trim();
  if (!clean.includes(version)) {
    throw new Error(`${program} --version printed "${clean}", which does not name version ${version}.`);
  }
  const hostile = await run({ env: HOSTILE, nothrow: true })`${program} --version`;
  if (hostile.stdout.trim() !== clean) {
    throw new Error(
      `${program} obeys BUN_BE_BUN, BUN_OPTIONS or NODE_OPTIONS; see DOORS in tools/runtime.ts.`,
    );
  }
  return clean;
}
