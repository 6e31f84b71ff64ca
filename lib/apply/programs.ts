import { messageOf } from '../errors.ts';
import { databaseIn, switchFolder } from '../observe/vif/switch-processes.ts';
import type { Command } from '../plan/step.ts';
import { failureText, unlessLost } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import type { Outcome } from './execute.ts';

/** Programs that start no daemon, which would keep the locks forever. */
const ENDS_WITH_ITS_WORK = new Set(['ip', 'modprobe', 'ovs-vsctl']);
/** Longer than any of them may take: ifup may have to wait for an address. */
const LONGEST_MS = 60_000;

/**
 * Runs programs one after the other, up to the first that fails.
 * @param system the way to the host
 * @param commands the commands, in order
 */
export async function runPrograms(system: System, commands: readonly Command[]): Promise<Outcome> {
  for (const [done, command] of commands.entries()) {
    const error = command.tool === 'run' ? await runProgram(system, command.argv) : undefined;
    if (error !== undefined) return { done, exact: false, error };
  }
  return { done: commands.length, exact: true };
}

async function runProgram(system: System, argv: readonly string[]): Promise<string | undefined> {
  try {
    const [program = ''] = argv;
    const folder = program === 'ovs-vsctl' ? switchFolder(system) : undefined;
    const changed = folder === undefined ? undefined : await system.changePort?.(databaseIn(folder), argv);
    if (changed !== undefined) return changed.error;
    const options = {
      timeoutMs: LONGEST_MS,
      ownSession: true,
      keepsLocks: ENDS_WITH_ITS_WORK.has(program),
    };
    const result = unlessLost(() => system.run(argv, options));
    return result.status === 0 ? undefined : failureText(result, /^$/g);
  } catch (thrown) {
    return messageOf(thrown).replace(/\.$/, '');
  }
}
