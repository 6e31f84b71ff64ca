import { readJson } from '../../observe/records.ts';
import { writeRecord } from '../../plan/write-record.ts';
import { MULTI_RECORD } from '../../record/paths.ts';
import type { Values } from '../../request/arguments.ts';
import type { HookCall } from '../../request/multi-bridge.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import type { Context, NetworkWork } from '../context.ts';

/** The hook that starts several networks. */
export const MULTI_HOOK = 'network-multi-bridge';

/**
 * The calls that were started together, in order.
 * @param system the way to the record
 */
export function readStarted(system: System): readonly HookCall[] | undefined {
  return readJson(system, MULTI_RECORD, isCallList);
}

function isCallList(value: unknown): value is readonly HookCall[] {
  return (
    Array.isArray(value) &&
    value.every((call) => isRecord(call) && typeof call['hook'] === 'string' && Array.isArray(call['words']))
  );
}

/**
 * A call as text, by which it is printed and compared.
 * @param call a hook and its variables
 */
export function titleOf({ hook, words }: HookCall): string {
  return [hook, ...words].join(' ');
}

/**
 * The work that records the calls that were started together.
 * @param context the call
 * @param before the present record
 * @param after the new record; undefined where nothing is started
 * @returns undefined where the record does not change
 */
export function noteWork(
  context: Context,
  before: readonly HookCall[] | undefined,
  after: readonly HookCall[] | undefined,
): NetworkWork | undefined {
  const steps = writeRecord(MULTI_RECORD, before, after, `what ${MULTI_HOOK} has started`);
  if (steps.length === 0) {
    context.log.info('The networks of the list are as they should be.');
    return undefined;
  }
  const [old, now] = [before ?? [], after ?? []].map((calls) => calls.map(titleOf));
  const fresh = (now ?? []).filter((title) => old?.includes(title) !== true);
  const gone = (old ?? []).filter((title) => now?.includes(title) !== true);
  return {
    subject: 'list',
    plan: { steps, warnings: [] },
    verify: () => [],
    done: 'The list of networks is done.',
    takeBack: {
      hook: MULTI_HOOK,
      values: Object.fromEntries([...fresh, ...gone].map((title) => [title, title])),
    },
  };
}

/**
 * The work that removes undone calls from the record.
 * @param context the call
 * @param titles the calls' texts, under any keys
 */
export function forgetCalls(context: Context, titles: Values): NetworkWork | undefined {
  const gone = new Set(Object.values(titles));
  const before = readStarted(context.system);
  const rest = before?.filter((call) => !gone.has(titleOf(call)));
  return noteWork(context, before, rest?.length === 0 ? undefined : rest);
}
