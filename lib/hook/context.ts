import type { TakeBack } from '../apply/confirm.ts';
import { noteSteps, sharedChange } from '../apply/shared-settings.ts';
import type { Command, Plan, Step } from '../plan/step.ts';
import { commandText } from '../plan/step.ts';
import type { Values } from '../request/arguments.ts';
import type { Log } from '../system/files/log.ts';
import type { System } from '../system/system.ts';

/** Everything that a hook gets. */
export interface Context {
  /** The name under which it was called. */
  readonly hook: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly system: System;
  readonly log: Log;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** Whether a signal asked the run to stop. */
  readonly interrupted: () => boolean;
  /** All hooks; a running guest is attached again by its own. */
  readonly hooks: Hooks;
  /** Loads the hooks that start one network each, by name. The undo of a run needs the hook of that run. */
  readonly networkHooks: () => Promise<NetworkHooks>;
}

/** A hook, or a command of the administrator's tool. It resolves to the exit status or throws XenNetworkError. */
export type Applet = (context: Context) => Promise<number>;

/** Every hook by its name; each is loaded when it is called. */
export type Hooks = Readonly<Record<string, () => Promise<Applet>>>;

/** The work of a network hook: a plan, and the checks after it. */
export interface NetworkWork {
  /** The name of its object, such as the bridge. */
  readonly subject: string;
  readonly plan: Plan;
  /** Looks at the host again; returns a sentence for each fault. */
  readonly verify: () => readonly string[] | Promise<readonly string[]>;
  /** The message after a success. */
  readonly done: string;
  /** How to undo the work if nobody confirms it in time. */
  readonly takeBack: TakeBack | undefined;
  /** Why the work needs check= or force=yes; undefined where nothing speaks against it. */
  readonly refusal?: string | undefined;
  /** Looks for side effects after a success; returns a warning for each. */
  readonly look?: () => readonly string[];
  /** The new state in one or two sentences; only asked for at a terminal. */
  readonly result?: () => string;
}

/** The hooks that start one network each, by name. */
export type NetworkHooks = ReadonlyMap<string, NetworkHook>;

/** The variables and commands of a network hook. */
export interface NetworkHook {
  readonly variables: readonly string[];
  /** Returns undefined where there is nothing to do, after it said why. */
  readonly start: (context: Context, values: Values) => NetworkWork | undefined;
  readonly stop: (context: Context, values: Values) => NetworkWork | undefined;
  readonly status: (context: Context, values: Values, json: boolean) => Promise<void>;
}

const DO_IT = ['', '0', 'no', 'off', 'false'];

/**
 * Whether to show the commands only. Every value of XEN_NETWORK_DRY_RUN that does not clearly mean no counts as yes.
 * @param context the call
 * @param options the call's options, without dashes
 */
export function isDryRun(context: Context, options: ReadonlySet<string>): boolean {
  const wish = context.env['XEN_NETWORK_DRY_RUN'] ?? '';
  return options.has('dry-run') || !DO_IT.includes(wish.toLowerCase());
}

/**
 * Prints a plan as commands that can be run by hand, each with its reason.
 * @param context the call
 * @param plan the plan
 */
export function printPlan(context: Context, plan: Plan): void {
  for (const warning of plan.warnings) context.print(`# ${warning}\n`);
  const steps = plan.steps.flatMap((step) => asTyped(context.system, step));
  const folders = steps.flatMap(({ do: command }) =>
    command.tool === 'record' && command.text !== undefined ? [command.path.replace(/\/[^/]*$/, '')] : [],
  );
  for (const folder of new Set(folders))
    context.print(`# make the folder of the records\nmkdir -p ${folder}\n`);
  for (const step of steps) context.print(`# ${step.why}\n${shown(context.system, step.do)}\n`);
  if (steps.length === 0) context.print('# nothing to do\n');
}

/** The steps of a command that is only decided when it runs, for the present state of the host. */
function asTyped(system: System, step: Step): readonly Step[] {
  if (step.do.tool !== 'share' && step.do.tool !== 'follow') return [step];
  const { steps, before, shared } = sharedChange(system, step.do);
  return [...steps, ...noteSteps(before, shared)];
}

/** The command with the name that its program has on this host. */
function shown(system: System, command: Command): string {
  return commandText(command).replace(/^\S+/, (name) => system.program?.(name) ?? name);
}
