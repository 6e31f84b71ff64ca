import { join } from 'node:path';
import { findBun } from '../bun.ts';
import type { Host } from '../hosts/host.ts';
import type { Outcome, Trial } from './bridge-driver.ts';

/** All steps of a plan take ten seconds on a quiet machine; this bound is against hangs only. */
const LIMIT_MS = 550_000;
const DRIVER = join(import.meta.dirname, 'bridge-driver.ts');

/**
 * Lets a network hook fail or be killed at every step, in a host.
 * @param host where
 * @param trial the call, the fault, and what comes next
 * @returns how each step's fault ended
 * @throws Error when the driver itself fails
 */
export async function runTrial(host: Host, trial: Trial): Promise<Outcome[]> {
  const ran = await host.start([findBun(), DRIVER], {
    input: JSON.stringify(trial),
    limitMs: LIMIT_MS,
  });
  if (ran.status !== 0) throw new Error(`The driver ended with status ${ran.status}: ${ran.stderr}`);
  return JSON.parse(ran.stdout);
}

/**
 * How many steps a call has. A kill comes also before the first of them.
 * @param fault what happened at each step
 * @param outcomes how each ended
 */
export function stepsOf(fault: Trial['fault'], outcomes: readonly unknown[]): number {
  return fault === 'fail' ? outcomes.length : outcomes.length - 1;
}
