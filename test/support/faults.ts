import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { BEYOND_LAST_STEP, type FaultMode } from './faulty-system.ts';
import type { Host } from './host.ts';
import { PLAIN_ENV, type Ran } from './namespace.ts';

const ROOT = join(import.meta.dirname, '../..');
let bun: string | undefined;

/** The Bun that tools/bun.sh chooses, asked once. */
function findBun(): string {
  if (bun !== undefined) return bun;
  const asked = spawnSync('sh', [join(ROOT, 'tools/bun.sh'), '--print', 'process.execPath'], {
    env: PLAIN_ENV,
    encoding: 'utf8',
  });
  if (asked.status !== 0) throw new Error(`There is no Bun: ${asked.stderr}`);
  bun = asked.stdout.trim();
  return bun;
}

/** A call of a hook at one of whose steps something goes wrong. */
export interface FaultyCall {
  readonly hook: string;
  readonly mode: FaultMode;
  /** Which step, counted from 1; with kill 0 means before the first. */
  readonly at: number;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Calls a hook and lets one of its steps go wrong.
 * @param host where
 * @param call the call and the fault
 * @returns what it left; undefined when the run has no such step
 */
export function runFaulty(host: Host, { hook, mode, at, args, env = {} }: FaultyCall): Ran | undefined {
  const entry = join(ROOT, 'test/support/faulty.ts');
  const ran = host.run([findBun(), entry, hook, mode, `${at}`, ...args], { env: { ...PLAIN_ENV, ...env } });
  return ran.status === BEYOND_LAST_STEP ? undefined : ran;
}
