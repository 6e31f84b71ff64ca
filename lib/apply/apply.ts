import { LockError, messageOf, XenNetworkError } from '../errors.ts';
import type { Plan, Refusable, Step } from '../plan/step.ts';
import { reserveTime } from '../system/processes/deadline.ts';
import type { System } from '../system/system.ts';
import { existsAlready, isUnfit } from './already.ts';
import { type Batch, batches, type Outcome, quickRuns, stepError } from './execute.ts';
import { closeJournal, extendJournal, type Journal, noteBatch, openJournal } from './journal.ts';
import { executeLocked, locked } from './locked.ts';
import { deviceIndexes, undoJournal } from './undo.ts';

/** The end of every message about a run that was undone. */
export const UNDONE = 'Everything was put back as it was; mend the cause and try again.';
/** The time that an undo gets even when the call's deadline has passed. */
const UNDO_MS = 6000;

export interface ApplyOptions {
  /** The run's key; two runs with the same key must not be under way at once. */
  readonly key: string;
  /**
   * The check after the last step: looks at the host again, does what is left to do, and throws when the host is not as
   * planned.
   */
  readonly check: () => void | Promise<void>;
  /** Gets every warning. */
  readonly warn: (sentence: string) => void;
  /** Gets sentences about failures in spite of which the run goes on; `warn` where it is absent. */
  readonly note?: (sentence: string) => void;
  /** Gets every setting that a device refused, where the step allows that. */
  readonly refused?: (what: Refusable) => void;
  /** The host may be without network during the run, so the run gets priority over all other processes. */
  readonly hurried?: boolean;
  /** No part makes a device, so the journal need not list the devices that were there before. */
  readonly makesNone?: boolean;
  /** Whether a signal asked the run to stop. */
  readonly interrupted?: () => boolean;
}

/** A part of a run; its plan may depend on what earlier parts have done. */
export interface Part {
  /** Looks at the host and plans; undefined where there is nothing to do. */
  readonly plan: () => Plan | undefined;
  /** The check after the part's steps; throws when the host is not as planned. */
  readonly check: () => void | Promise<void>;
  /** The file of the lock that is held from the look at the host until the steps are done. */
  readonly lock?: string;
}

/**
 * Carries out a plan as one transaction, with a journal, in batches, and with a check at the end; any failure undoes
 * everything.
 * @param system the way to the host
 * @param plan the steps
 * @param options key, check and log
 * @throws StepError or VerifyError when it failed; the host is then as it was before
 */
export function applyPlan(system: System, plan: Plan, options: ApplyOptions): Promise<void> {
  return applyParts(system, [{ plan: () => plan, check: () => {} }], options);
}

/**
 * Carries out several plans as one transaction: when one part fails, all parts are undone.
 * @param system the way to the host
 * @param parts the parts, in order
 * @param options key, check of the whole run, and log
 * @throws StepError, VerifyError or what a part throws; the host is then as it was before
 */
export async function applyParts(
  system: System,
  parts: readonly Part[],
  options: ApplyOptions,
): Promise<void> {
  const run: Run = { key: options.key, steps: [], begun: 0, indexes: [] };
  const needsIndexes = parts.length > 1 && options.makesNone !== true;
  try {
    for (const part of parts) {
      const work = () => doPart(system, run, part, options, needsIndexes);
      await (part.lock === undefined ? work() : locked(system, part.lock, work));
    }
    if (run.steps.length === 0) return;
    await options.check();
    closeJournal(system, options.key);
  } catch (thrown) {
    throw run.steps.length === 0 ? thrown : await undoAfter(thrown, system, run);
  } finally {
    if (options.hurried === true) system.hurry?.(false);
  }
}

async function doPart(
  system: System,
  run: Run,
  part: Part,
  options: ApplyOptions,
  needsIndexes: boolean,
): Promise<void> {
  const hurry = options.hurried === true ? (on: boolean) => system.hurry?.(on) : () => {};
  const plan = part.plan();
  for (const warning of plan?.warnings ?? []) options.warn(warning);
  if (plan === undefined || plan.steps.length === 0) return;
  enter(system, run, plan.steps, needsIndexes);
  for (const quickRun of quickRuns(batches(plan.steps, (step) => step.do))) {
    await stopIfInterrupted(options);
    noteBatch(system, options.key, run.begun + quickRun.flatMap(({ items }) => items).length);
    hurry(true);
    for (const batch of quickRun) {
      const { done, failure, notes = [] } = await carryOut(system, batch, options, part.lock);
      run.begun += done;
      notes.forEach(options.note ?? options.warn);
      if (failure !== undefined) throw failure;
    }
    hurry(false);
  }
  await stopIfInterrupted(options);
  await part.check();
}

/** A run that is under way, with the content of its journal. */
interface Run extends Journal {
  steps: Step[];
  begun: number;
  indexes: number[];
}

/** Writes a part's steps into the journal, before any of them is done. */
function enter(system: System, run: Run, steps: readonly Step[], needsIndexes: boolean): void {
  if (run.steps.length > 0) extendJournal(system, run.key, steps);
  else {
    const makesDevices = steps.some(({ device }) => device?.index === 'new' || device?.orNew || device?.gone);
    if (needsIndexes || makesDevices) run.indexes = [...deviceIndexes(system).values()];
    openJournal(system, run.key, steps, run.indexes);
  }
  run.steps.push(...steps);
}

/** How many of the steps were done, or may have been, and why the next one failed. */
type CarriedOut = Pick<Outcome, 'done' | 'notes'> & { readonly failure?: unknown };

async function carryOut(
  system: System,
  { tool, items }: Batch<Step>,
  options: ApplyOptions,
  held: string | undefined,
): Promise<CarriedOut> {
  const commands = items.map((step) => step.do);
  let outcome: Outcome;
  try {
    outcome = await executeLocked(system, tool, commands, { held });
  } catch (failure) {
    // Without its lock nothing was done; anything else may have come after some of the commands.
    return { done: failure instanceof LockError ? 0 : items.length, failure };
  }
  const { done, exact, error, notes = [] } = outcome;
  const failed = error === undefined ? undefined : items[done];
  if (failed === undefined) return { done: items.length, notes };
  const exists = failed.mayExist === true && existsAlready(outcome);
  const refuses = failed.mayRefuse !== undefined && isUnfit(outcome);
  if (!exact || !(exists || refuses))
    return { done: exact ? done : items.length, failure: stepError(failed, error ?? '', UNDONE) };
  if (refuses) {
    options.warn(`Could not ${failed.why}: the device refuses it (${error}), and keeps what it has.`);
    if (failed.mayRefuse !== undefined) options.refused?.(failed.mayRefuse);
  }
  const rest = items.slice(done + 1);
  const after =
    rest.length === 0 ? { done: 0 } : await carryOut(system, { tool, items: rest }, options, held);
  return { ...after, done: done + 1 + after.done };
}

/** Signal handlers only run in the event loop, which waits for children do not enter. */
async function stopIfInterrupted(options: ApplyOptions): Promise<void> {
  if (options.interrupted === undefined) return;
  await new Promise((resolve) => setImmediate(resolve));
  if (options.interrupted()) throw new XenNetworkError(`The run was interrupted by a signal. ${UNDONE}`);
}

async function undoAfter(thrown: unknown, system: System, journal: Journal): Promise<XenNetworkError> {
  reserveTime(UNDO_MS);
  const said = messageOf(thrown);
  let failures: string[];
  try {
    failures = await undoJournal(system, journal);
  } catch (failed) {
    if (!(failed instanceof XenNetworkError)) throw failed;
    // The journal is there yet.
    const rest = `The undo failed as well: ${failed.message} The next call takes back what is left.`;
    return new XenNetworkError(`${said.replace(` ${UNDONE}`, '')} ${rest}`, { cause: thrown });
  }
  const text = said.includes(UNDONE) ? said : `${said} ${UNDONE}`;
  if (failures.length === 0)
    return thrown instanceof XenNetworkError && text === said
      ? thrown
      : new XenNetworkError(text, { cause: thrown });
  return new XenNetworkError(
    text.replace(UNDONE, () => undoneBut(failures)),
    { cause: thrown },
  );
}

/** The end of the message when a part of the undo failed. */
function undoneBut(failures: readonly string[]): string {
  return (
    `Everything was undone, except for this: ${[...new Set(failures)].join('; ')}. ` +
    'Mend the cause, check the host, and try again.'
  );
}

interface TeardownOptions {
  readonly note?: (sentence: string) => void;
  readonly held?: string;
}

/**
 * Carries out a plan that must not stop half-way: every batch is tried.
 * @param system the way to the host
 * @param plan the steps
 * @param how `note` gets sentences about optional steps that failed; `held` is the file of the lock that the caller
 * holds
 * @returns a sentence for each batch in which something failed
 */
export async function applyTeardown(
  system: System,
  plan: Plan,
  { note = () => {}, held }: TeardownOptions = {},
): Promise<string[]> {
  const failures: string[] = [];
  for (const batch of batches(plan.steps, (step) => step.do)) {
    const { error, notes = [] } = await executeLocked(
      system,
      batch.tool,
      batch.items.map((step) => step.do),
      { force: true, held },
    );
    notes.forEach(note);
    if (error !== undefined) failures.push(`Could not ${batch.items[0]?.why}: ${error}.`);
  }
  return failures;
}
