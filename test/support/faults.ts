import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { BEYOND_LAST_STEP, type Door, type FaultMode } from './faulty-system.ts';
import type { Host } from './host.ts';
import { PLAIN_ENV, type Ran } from './namespace.ts';

const ROOT = join(import.meta.dirname, '../..');
let bun: string | undefined;

/** The Bun that tools/bun.sh chooses, asked once. */
export function findBun(): string {
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
  /** How devices are changed; by the kernel where that can be, unless told. */
  readonly door?: Door;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Calls a hook and lets one of its steps go wrong.
 * @param host where
 * @param call the call and the fault
 * @returns what it left; undefined when the run has no such step
 */
export function runFaulty(host: Host, call: FaultyCall): Ran | undefined {
  const entry = join(ROOT, 'test/support/faulty.ts');
  const words = [call.hook, call.mode, `${call.at}`, call.door ?? 'kernel', ...call.args];
  const ran = host.run([findBun(), entry, ...words], { env: { ...PLAIN_ENV, ...call.env } });
  return ran.status === BEYOND_LAST_STEP ? undefined : ran;
}
