// Shared by the builds: how to run a command, and a test of the finished program.

import { join } from 'node:path';
import { $ } from 'zx';

/** The project's folder. */
export const root = join(import.meta.dirname, '..');

/** What whoever builds has to put right; its message says how, and nobody needs to see where it was made. */
export class BuildError extends Error {}

/** Runs a command in the project's folder, without a stdin, since bash reads ~/.bashrc when stdin is a socket. */
export const run = $({ cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * The time that what is built says it is from: SOURCE_DATE_EPOCH, else when the sources were last committed.
 * @returns seconds since 1970; a day after its beginning where nobody knows, which every file format can hold
 */
export async function sourceDate(): Promise<number> {
  const told = Number(process.env['SOURCE_DATE_EPOCH']);
  if (Number.isSafeInteger(told) && told > 0) return told;
  const asked = await run({ nothrow: true })`git log -1 --format=%ct`;
  return Number(asked.stdout.trim()) || 86_400;
}

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
