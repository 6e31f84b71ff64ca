import { applyParts, type Part, UNDONE } from '../../apply/apply.ts';
import { deferTakeBack, forgetSteps, type TakeBack } from '../../apply/confirm.ts';
import { toldOrUnknown } from '../../desk/check/finding.ts';
import { HostError, RequestError, VerifyError, XenNetworkError } from '../../errors.ts';
import { type Step, sharesRules } from '../../plan/step.ts';
import { FILTERS_DUE, LOCKS, VIF_RECORDS } from '../../record/paths.ts';
import { parsePrefix } from '../../request/addresses.ts';
import { type Values, wholeNumber } from '../../request/arguments.ts';
import { isGuestDevice } from '../../request/names.ts';
import { isMissing } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { quote } from '../../text.ts';
import type { Context, NetworkWork } from '../context.ts';
import { refilter } from '../guests/refilter/refilter.ts';
import { noteTables } from './tables.ts';

const CHECK_SECONDS = 10;

/**
 * Says why start or stop has nothing to do, and returns their result for that.
 * @param context the call
 * @param sentence why
 */
export function nothing(context: Context, sentence: string): undefined {
  context.log.info(sentence);
  tell(context, sentence);
}

/** Prints for a person at a terminal; otherwise a hook that succeeds is silent, as the stock scripts are. */
function tell(context: Context, sentence: string): void {
  if (context.system.terminalWidth('out') !== undefined) context.print(`${sentence}\n`);
}

/**
 * How to undo what a hook starts. A stop names its object by the same variables, so that the object no longer waits for
 * confirmation.
 * @param hook the hook's name
 * @param values the variables that tell the stop what to stop
 * @param steps the steps of start, where it only changed something that was started before
 */
export function takeBackBy(hook: string, values: Values, steps?: readonly Step[]): TakeBack {
  return { hook, values, ...(steps === undefined ? {} : { steps }) };
}

/** Plans one of several calls; called when those before it are done. */
export type WorkOf = () => NetworkWork | undefined;

/** The safeguards of start against cutting its user off. */
export interface Safeguards {
  /** An address that must answer a ping. */
  readonly check: string | undefined;
  /** Seconds until everything is undone, unless it is confirmed. */
  readonly confirm: number | undefined;
  /** A refusal becomes a warning, and the work is done. */
  readonly force?: boolean;
  /** Settings that hooks share stay as they are; their holder is forgotten then, and released by `collectShared`. */
  readonly leavesShared?: boolean;
}

/** For an undo, since the host may be cut off already. */
export const FORCED: Safeguards = { check: undefined, confirm: undefined, force: true };

/** For stop, which has no safeguards. */
export const WITHOUT_SAFEGUARDS: Safeguards = { check: undefined, confirm: undefined };

/**
 * Reads the variables check and confirm.
 * @param values the variables
 * @throws RequestError naming the one that is wrong
 */
export function parseSafeguards(values: Values): Safeguards {
  const check = values['check'];
  const prefix = check === undefined || check.includes('/') ? undefined : parsePrefix(check);
  if (check !== undefined && prefix === undefined)
    throw new RequestError(`check is ${quote(check)}; say one IPv4 or IPv6 address, such as the gateway's.`);
  return { check: prefix?.address, confirm: wholeNumber(values, 'confirm', 1, 86_400) };
}

/**
 * Carries out the works of network hooks as one transaction; the caller must hold the lock of the network hooks.
 * @param context the call
 * @param works the works, in order
 * @param safeguards the safeguards of start
 * @returns the id of the run where it waits for confirmation
 * @throws what a part throws; the host is then as it was before
 */
export async function perform(
  context: Context,
  works: readonly WorkOf[],
  safeguards: Safeguards,
): Promise<string | undefined> {
  const { system, log } = context;
  const done: NetworkWork[] = [];
  const parts = works.map((work) => partOf(system, work, done, safeguards));
  try {
    await applyParts(system, parts, {
      key: context.hook,
      warn: log.warn,
      hurried: true,
      interrupted: context.interrupted,
      check: () => safeguard(context, done, safeguards),
    });
  } finally {
    // After an undo as well: a guest may have come online meanwhile.
    await refilterGuests(context, stepsOf(done));
  }
  // What is done stays done where nobody can tell what became of it.
  for (const { look } of done) for (const sentence of await toldOrUnknown(() => look?.())) log.warn(sentence);
  for (const { done: sentence, result } of done) {
    log.info(sentence);
    if (system.terminalWidth('out') === undefined) continue;
    tell(context, result === undefined ? sentence : `${sentence} ${result()}`);
  }
  if (safeguards.confirm === undefined || done.length === 0) return undefined;
  context.print(
    `${done.map((work) => work.done).join(' ')} It is undone in ${safeguards.confirm} s unless you run "xen-network confirm".\n`,
  );
  return idOf(context, done);
}

/** What has to hold before a transaction counts as done, and what then waits for confirmation, or no longer does. */
async function safeguard(
  context: Context,
  done: readonly NetworkWork[],
  { check, confirm }: Safeguards,
): Promise<void> {
  const { system } = context;
  if (check !== undefined) await mustAnswer(context, check);
  if (context.interrupted()) throw new VerifyError(`The run was interrupted by a signal. ${UNDONE}`);
  const parts = done.flatMap(({ takeBack }) => (takeBack === undefined ? [] : [takeBack]));
  if (confirm !== undefined) deferTakeBack(system, idOf(context, done), parts, confirm);
}

/**
 * Puts the filters of running guests in order after a change: a guest's rules depend on the policy of FORWARD and on the
 * outgoing device. The note that it is due stays until that succeeds.
 * @param context the call
 * @param steps what was done or undone; a note of a killed hook, or of one before whose refilter failed, counts as a change too
 * @returns whether they are in order
 */
export async function refilterGuests(context: Context, steps: readonly Step[]): Promise<boolean> {
  const { system, log } = context;
  const isDue = system.exists(FILTERS_DUE);
  if ((isDue || steps.some(changesFilter)) && hasGuests(system)) {
    const why = await refilterOrWhyNot(context);
    if (why !== undefined) {
      log.warn(
        `The filters of running guests could not be put in order: ${why} The next network hook tries that again.`,
      );
      return false;
    }
  }
  if (isDue) system.remove(FILTERS_DUE);
  return true;
}

async function refilterOrWhyNot(context: Context): Promise<string | undefined> {
  try {
    const { unknown } = await refilter(context);
    return unknown.length === 0 ? undefined : unknown.join(' ');
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return thrown.message;
  }
}

/**
 * Puts the filters of running guests in order after a network hook that did not come to that, or failed at it. The caller
 * must hold the lock of the network hooks.
 * @param context the call
 * @returns sentences for the log
 */
export async function refilterDue(context: Context): Promise<string[]> {
  if (!context.system.exists(FILTERS_DUE) || !(await refilterGuests(context, []))) return [];
  return ['The filters of running guests were put in order, which a network hook before had left undone.'];
}

function hasGuests(system: System): boolean {
  // A running hook has already decided about its guest's rules, but may have written no record yet.
  return system.list(VIF_RECORDS).length > 0 || system.list(LOCKS).some(isGuestDevice);
}

/** If the hook is killed after its last step, its journal is gone, and this note tells what is left to do. */
function noteDue(system: System, steps: readonly Step[]): void {
  if (steps.some(changesFilter) && hasGuests(system)) system.replaceFile(FILTERS_DUE, '');
}

function changesFilter({ do: command, undo }: Step): boolean {
  return command.tool === 'follow' || [command, ...undo].some(sharesRules);
}

const stepsOf = (done: readonly NetworkWork[]): Step[] => done.flatMap(({ plan }) => plan.steps);

/** "network-bridge.xenbr0" */
function idOf({ hook }: Context, done: readonly NetworkWork[]): string {
  const subjects = done.map(({ subject }) => subject).sort();
  return `${hook}.${subjects.join('+')}`;
}

/** A part of the transaction, which notes its work once that is planned. */
function partOf(system: System, work: WorkOf, done: NetworkWork[], safeguards: Safeguards): Part {
  let found: NetworkWork | undefined;
  // What is stopped, or started for good, no longer waits for confirmation.
  const settled = ({ takeBack }: NetworkWork): Step[] =>
    takeBack === undefined || takeBack.steps !== undefined ? [] : forgetSteps(system, takeBack);
  return {
    plan() {
      found = work();
      const { check, force, leavesShared } = safeguards;
      if (found?.refusal !== undefined && check === undefined && force !== true)
        throw new HostError(found.refusal);
      if (found !== undefined) done.push(found);
      if (found === undefined) return undefined;
      const isLeft = ({ do: { tool } }: Step) =>
        leavesShared === true && (tool === 'share' || tool === 'follow');
      const steps = found.plan.steps.filter((step) => !isLeft(step));
      noteTables(system, steps);
      noteDue(system, steps);
      return { ...found.plan, steps: [...steps, ...settled(found)] };
    },
    async check() {
      const wrong = (await found?.verify()) ?? [];
      if (wrong.length > 0) throw new VerifyError(`${wrong.join(' ')} ${UNDONE}`);
    },
  };
}

async function mustAnswer(context: Context, address: string): Promise<void> {
  for (let second = 0; second < CHECK_SECONDS; second++) {
    const begun = performance.now();
    const result = context.system.run(['ping', '-n', '-q', '-c', '1', '-W', '1', address]);
    if (result.status === 0) return;
    if (isMissing(result))
      throw new VerifyError(`check=${address} needs the program ping, which is not installed. ${UNDONE}`);
    await context.system.sleep(Math.max(0, 1000 - (performance.now() - begun)));
    if (context.interrupted()) return;
  }
  throw new VerifyError(
    `${address} did not answer a ping within ${CHECK_SECONDS} s after the start. ${UNDONE}`,
  );
}
