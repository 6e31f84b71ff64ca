import {
  commandWord,
  mergeValues,
  parseArguments,
  type Values,
  withoutQuotes,
} from '../contract/arguments.ts';
import { refuseMistypes } from '../contract/mistypes.ts';
import { type HookCall, MULTI_LIST, parseMultiArguments, parseMultiList } from '../contract/multi-bridge.ts';
import { quote } from '../contract/text.ts';
import { HostError, RequestError, XenNetworkError } from '../errors.ts';
import type { System } from '../system/system.ts';
import { type Context, isDryRun, printPlan } from './context.ts';
import { NETWORK_HOOKS } from './expiry.ts';
import { noteWork, readStarted, titleOf } from './multi-list.ts';
import { FOREIGN, GUARDS, NETWORK_COMMANDS, runTransaction } from './network.ts';
import { printStatus } from './status.ts';
import { parseGuards, UNGUARDED, type WorkOf } from './transaction.ts';

const NAMES = [...NETWORK_HOOKS.keys()];

/**
 * Starts or stops several networks as one transaction (docs/contract.md, "network-multi-bridge").
 * @param context the call
 * @returns the exit status
 */
export async function runMulti(context: Context): Promise<number> {
  const { system, log } = context;
  const { own, calls } = parseMultiArguments(context.argv, NAMES);
  const known = ['list', ...GUARDS];
  refuseMistypes(own, { commands: NETWORK_COMMANDS, variables: known, others: NAMES, foreign: FOREIGN });
  for (const call of calls) refuseCall(call);
  const args = parseArguments(own, known);
  for (const warning of args.warnings) log.warn(warning);
  const command = commandWord(args.command, NETWORK_COMMANDS);
  const values = withoutQuotes(mergeValues(known, context.env, args.values));
  if (command === 'status') {
    printStatus(context, values, args.options.has('json'));
    return 0;
  }
  const asked = () => (calls.length > 0 ? calls : readList(system, values));
  const calledFor = command === 'start' ? asked() : [];
  // What was started is looked up once no other call can change it.
  const works = () => (command === 'start' ? startWorks(context, calledFor) : stopWorks(context, asked));
  if (isDryRun(context, args.options)) return showAll(context, works());
  return runTransaction(
    context,
    () => works().map(({ work }) => work),
    command === 'start' ? parseGuards(values) : UNGUARDED,
  );
}

function readList(system: System, values: Values): HookCall[] {
  const path = values['list'] ?? MULTI_LIST;
  const text = system.readText(path);
  if (text === undefined)
    throw new HostError(
      `There is no list ${path} to start networks from. Write one, a hook's call a line, or name the calls as arguments.`,
    );
  const calls = parseMultiList(text, path, NAMES);
  for (const call of calls) refuseCall(call);
  return calls;
}

function refuseCall(call: HookCall): void {
  const variables = NETWORK_HOOKS.get(call.hook)?.variables ?? [];
  try {
    refuseMistypes(call.words, { commands: [], variables, foreign: FOREIGN });
  } catch (thrown) {
    if (!(thrown instanceof RequestError)) throw thrown;
    throw new RequestError(`In ${quote(titleOf(call))}: ${thrown.message}`);
  }
}

/** A call, as it is shown, and what it does. */
interface Shown {
  readonly title: string;
  readonly work: WorkOf;
}

function startWorks(context: Context, calls: readonly HookCall[]): Shown[] {
  const before = readStarted(context.system);
  const started = [...(before ?? [])];
  const works = calls.map((call) => {
    const work = partOf(context, call, 'start');
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

/** What was started is stopped, the last first, whatever the list says by now. */
function stopWorks(context: Context, asked: () => readonly HookCall[]): Shown[] {
  const before = readStarted(context.system);
  const calls = [...(before ?? asked())].reverse();
  return [
    ...calls.map((call) => ({ title: titleOf(call), work: partOf(context, call, 'stop') })),
    { title: 'what was started', work: () => noteWork(context, before, undefined) },
  ];
}

function partOf(context: Context, { hook: name, words }: HookCall, command: 'start' | 'stop'): WorkOf {
  const hook = NETWORK_HOOKS.get(name);
  if (hook === undefined) return () => undefined;
  const { values, warnings } = parseArguments(words, hook.variables);
  for (const warning of warnings) context.log.warn(`${name}: ${warning}`);
  return () => hook[command](context, withoutQuotes(values));
}

/** A part that builds on an earlier one cannot be planned before that is done. */
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
