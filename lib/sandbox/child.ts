import type { RunOptions, RunResult } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';

/** xl gives a hook 40 s (docs/contract.md, "Callers"); nothing else in the sandbox may take longer. */
const TIMEOUT_MS = 40_000;

/**
 * Runs a program for at most as long as xl gives a hook. Keys typed on the terminal do not reach it.
 * @param system the way to programs
 * @param argv the program and its arguments; the program's path is also its argv[0]
 * @param options input and variables
 */
export function runChild(
  system: System,
  argv: readonly string[],
  options: Pick<RunOptions, 'input' | 'env'> = {},
): RunResult {
  return system.run(argv, { ...options, timeoutMs: TIMEOUT_MS, ownSession: true });
}
