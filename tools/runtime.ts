// Shared by the builds: how to run a command, and a test of the finished program.

import { join } from 'node:path';
import { $ } from 'zx';

/** The project's folder. */
export const root = join(import.meta.dirname, '..');

/** Runs a command in the project's folder, without a stdin, since bash reads ~/.bashrc when stdin is a socket. */
export const run = $({ cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });

/** A hook inherits the environment of whoever called xl; Node, for example, takes options from it. */
const HOSTILE = { NODE_OPTIONS: '--no-such-option' };

/**
 * Runs a finished program once as it is and once with such a variable set; returns its version line.
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
      `${program} behaves differently when the environment has ${Object.keys(HOSTILE).join(' or ')}.`,
    );
  }
  return clean;
}
