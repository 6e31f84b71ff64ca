import { HostError, RequestError, XenNetworkError } from '../lib/errors.ts';
import { type Context, isDryRun, type NetworkHooks, printPlan } from '../lib/hook/context.ts';
import { finish } from '../lib/hook/network/confirmation.ts';
import { noteWork, readStarted, titleOf } from '../lib/hook/network/multi-list.ts';
import { FOREIGN, NETWORK_COMMANDS, runTransaction, SAFEGUARDS } from '../lib/hook/network/network.ts';
import { printStatus } from '../lib/hook/network/status.ts';
import { parseSafeguards, WITHOUT_SAFEGUARDS, type WorkOf } from '../lib/hook/network/transaction.ts';
import {
  commandWord,
  mergeValues,
  parseArguments,
  type Values,
  withoutQuotes,
} from '../lib/request/arguments.ts';
import { refuseMistypes } from '../lib/request/mistypes.ts';
import {
  type HookCall,
  MULTI_LIST,
  parseMultiArguments,
  parseMultiList,
} from '../lib/request/multi-bridge.ts';
import type { System } from '../lib/system/system.ts';
import { quote } from '../lib/text.ts';

/**
 * Starts or stops several networks as one transaction (docs/contract.md, "network-multi-bridge").
 * @param context the call
 * @returns the exit status
 */
export async function networkMultiBridge(context: Context): Promise<number> {
  const { system, log } = context;
  const hooks = await context.networkHooks();
  const names = [...hooks.keys()];
  const { own, calls } = parseMultiArguments(context.argv, names);
  const known = ['list', ...SAFEGUARDS];
  refuseMistypes(own, { commands: NETWORK_COMMANDS, variables: known, others: names, foreign: FOREIGN });
  for (const call of calls) refuseCall(hooks, call);
  const args = parseArguments(own, known);
  for (const warning of args.warnings) log.warn(warning);
  const command = commandWord(args.command, NETWORK_COMMANDS);
  const values = withoutQuotes(mergeValues(known, context.env, args.values));
  if (command === 'status') {
    await printStatus(context, values, args.options.has('json'));
    return 0;
  }
  const asked = () => (calls.length > 0 ? calls : readList(system, hooks, values));
  const calledFor = command === 'start' ? asked() : [];
  // The record of started networks is read once the lock is held, so that no other call can change it.
  const works = () =>
    command === 'start' ? startWorks(context, hooks, calledFor) : stopWorks(context, hooks, asked);
  if (isDryRun(context, args.options)) return showAll(context, works());
  const waiting = await runTransaction(
    context,
    () => works().map(({ work }) => work),
    command === 'start' ? parseSafeguards(values) : WITHOUT_SAFEGUARDS,
  );
  return command === 'start' ? finish(context, waiting) : 0;
}

function readList(system: System, hooks: NetworkHooks, values: Values): HookCall[] {
  const path = values['list'] ?? MULTI_LIST;
  const text = system.readText(path);
  if (text === undefined)
    throw new HostError(
      `There is no list ${path} to start networks from. Write one, a hook's call a line, or name the calls as arguments.`,
    );
  const calls = parseMultiList(text, path, [...hooks.keys()]);
  for (const call of calls) refuseCall(hooks, call);
  return calls;
}

function refuseCall(hooks: NetworkHooks, call: HookCall): void {
  const variables = hooks.get(call.hook)?.variables ?? [];
  try {
    refuseMistypes(call.words, { commands: [], variables, foreign: FOREIGN });
  } catch (thrown) {
    if (!(thrown instanceof RequestError)) throw thrown;
    throw new RequestError(`In ${quote(titleOf(call))}: ${thrown.message}`);
  }
}

/** A call as it is printed, and its work. */
interface Shown {
  readonly title: string;
  readonly work: WorkOf;
}

function startWorks(context: Context, hooks: NetworkHooks, calls: readonly HookCall[]): Shown[] {
  const before = readStarted(context.system);
  const started = [...(before ?? [])];
  const works = calls.map((call) => {
    const work = partOf(context, hooks, call, 'start');
    return {
      title: titleOf(call),
      work() {
        const found = work();
        if (found !== undefined && !started.some((other) => titleOf(other) === titleOf(call)))
          started.push(call);
        return found;
      },
    };
  });
  const noting = () => noteWork(context, before, started.length === 0 ? undefined : started);
  return [...works, { title: 'what was started', work: noting }];
}

/** Stops the recorded networks, the last one first, whatever the list contains by now. */
function stopWorks(context: Context, hooks: NetworkHooks, asked: () => readonly HookCall[]): Shown[] {
  const before = readStarted(context.system);
  const calls = [...(before ?? asked())].reverse();
  return [
    ...calls.map((call) => ({ title: titleOf(call), work: partOf(context, hooks, call, 'stop') })),
    { title: 'what was started', work: () => noteWork(context, before, undefined) },
  ];
}

function partOf(
  context: Context,
  hooks: NetworkHooks,
  { hook: name, words }: HookCall,
  command: 'start' | 'stop',
): WorkOf {
  const hook = hooks.get(name);
  if (hook === undefined) return () => undefined;
  const { values, warnings } = parseArguments(words, hook.variables);
  for (const warning of warnings) context.log.warn(`${name}: ${warning}`);
  return () => hook[command](context, withoutQuotes(values));
}

/**
 * Prints the plans for the present state of the host; a part that builds on an earlier one cannot be planned before
 * that is done.
 */
function showAll(context: Context, works: readonly Shown[]): number {
  for (const { title, work } of works) {
    context.print(`## ${title}, as the host is now\n`);
    try {
      const found = work();
      if (found !== undefined) printPlan(context, found.plan);
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError)) throw thrown;
      context.print(`# ${thrown.message}\n`);
    }
  }
  return 0;
}
