import type { TakeBack } from '../apply/confirm.ts';
import { noteSteps, sharedChange } from '../apply/shared-settings.ts';
import type { Command, Plan, Step } from '../plan/step.ts';
import { commandText } from '../plan/step.ts';
import type { Values } from '../request/arguments.ts';
import type { Log } from '../system/files/log.ts';
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
  /** Loads the hooks that start one network each, by their names: what takes back a run needs that of the run. */
  readonly networkHooks: () => Promise<NetworkHooks>;
}

/** A hook, or a command of the administrator's tool: resolves to the exit status, throws XenNetworkError. */
export type Applet = (context: Context) => Promise<number>;

/** A plan, and what must be true of the host once it is carried out. */
export interface NetworkWork {
  /** What it is about, such as the bridge's name. */
  readonly subject: string;
  readonly plan: Plan;
  /** Looks at the host again; a sentence for each thing that is not as it should be. */
  readonly verify: () => readonly string[] | Promise<readonly string[]>;
  /** What to say when all went well. */
  readonly done: string;
  /** What takes it back once it was not confirmed in time. */
  readonly takeBack: TakeBack | undefined;
  /** Why it is not to be done unless `check` guards it; undefined where nothing speaks against it. */
  readonly refusal?: string | undefined;
  /** Looks what is not as it was, though all went as planned; a sentence for each thing, which is said and no failure. */
  readonly look?: () => readonly string[];
  /** What the host has now, one sentence or two; asked for where a person looks. */
  readonly result?: () => string;
}

/** The hooks that start one network each, by their names. */
export type NetworkHooks = ReadonlyMap<string, NetworkHook>;

/** What a network hook does for each of its words. */
export interface NetworkHook {
  readonly variables: readonly string[];
  /** undefined where there is nothing to do; the hook says why. */
  readonly start: (context: Context, values: Values) => NetworkWork | undefined;
  readonly stop: (context: Context, values: Values) => NetworkWork | undefined;
  readonly status: (context: Context, values: Values, json: boolean) => void;
}

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
