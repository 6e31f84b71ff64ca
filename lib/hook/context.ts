import { noteSteps, sharedChange } from '../apply/shared.ts';
import type { Command, Plan, Step } from '../plan/step.ts';
import { commandText } from '../plan/step.ts';
import type { Log } from '../system/log.ts';
import type { System } from '../system/system.ts';

/** All that a hook is given. */
export interface Context {
  /** The name it was called by. */
  readonly hook: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly system: System;
  readonly log: Log;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** Whether a signal asked the run to stop. */
  readonly interrupted: () => boolean;
}

/** A hook, or a command of the administrator's tool: resolves to the exit status, throws XenNetworkError. */
export type Applet = (context: Context) => Promise<number>;

const DO_IT = ['', '0', 'no', 'off', 'false'];

/**
 * Whether commands are only to be shown; in doubt about XEN_NETWORK_DRY_RUN they are.
 * @param context the call
 * @param options the call's options, without dashes
 */
export function isDryRun(context: Context, options: ReadonlySet<string>): boolean {
  const wish = context.env['XEN_NETWORK_DRY_RUN'] ?? '';
  return options.has('dry-run') || !DO_IT.includes(wish.toLowerCase());
}

/**
 * Prints a plan as commands that can be run by hand, each with its reason.
 * @param context where to print
 * @param plan what would be done
 */
export function printPlan(context: Context, plan: Plan): void {
  for (const warning of plan.warnings) context.print(`# ${warning}\n`);
  const steps = plan.steps.flatMap((step) => asTyped(context.system, step));
  const folders = steps.flatMap(({ do: command }) =>
    command.tool === 'record' && command.text !== undefined ? [command.path.replace(/\/[^/]*$/, '')] : [],
  );
  for (const folder of new Set(folders))
    context.print(`# make room for what is remembered\nmkdir -p ${folder}\n`);
  for (const step of steps) context.print(`# ${step.why}\n${shown(context.system, step.do)}\n`);
  if (steps.length === 0) context.print('# nothing to do\n');
}

/** What depends on the host by then, as the host is now. */
function asTyped(system: System, step: Step): readonly Step[] {
  if (step.do.tool !== 'share' && step.do.tool !== 'follow') return [step];
  const { steps, before, ledger } = sharedChange(system, step.do);
  return [...steps, ...noteSteps(before, ledger)];
}

/** With the name that a program has on this host. */
function shown(system: System, command: Command): string {
  return commandText(command).replace(/^\S+/, (name) => system.program?.(name) ?? name);
}
