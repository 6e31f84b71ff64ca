import { join } from 'node:path';
import { findBun } from '../bun.ts';
import type { Host } from '../hosts/host.ts';
import { PLAIN_ENV, type Ran } from '../hosts/namespace.ts';
import { BEYOND_LAST_STEP, type Door, type FaultMode } from './faulty-system.ts';

const ROOT = join(import.meta.dirname, '../../..');
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
  const entry = join(ROOT, 'test/support/faults/faulty.ts');
  const words = [call.hook, call.mode, `${call.at}`, call.door ?? 'kernel', ...call.args];
  const ran = host.run([findBun(), entry, ...words], { env: { ...PLAIN_ENV, ...call.env } });
  return ran.status === BEYOND_LAST_STEP ? undefined : ran;
}
