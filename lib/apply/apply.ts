import { messageOf, type StepError, XenNetworkError } from '../errors.ts';
import { isRuleInPlace } from '../observe/filter/rules.ts';
import { pendingRules } from '../plan/filter/pending-rules.ts';
import { type Command, commandText, type Plan, type Refusable, type Step } from '../plan/step.ts';
import { planUndo } from '../plan/undo.ts';
import { reserveTime } from '../system/processes/deadline.ts';
import type { System } from '../system/system.ts';
import { failuresOf } from './already.ts';
import { type Batch, batches, type Outcome, stepError, stretches } from './execute.ts';
import { closeJournal, extendJournal, type Journal, noteBatch, openJournal } from './journal.ts';
import { executeLocked, locked } from './locked.ts';

/** How every message of an undone run ends. */
export const UNDONE = 'Everything was put back as it was; mend the cause and try again.';
/** What an undo has even when the call's time is over. */
const UNDO_MS = 6000;

export interface ApplyOptions {
  /** Names the run; no two runs with one key may be under way. */
  readonly key: string;
  /** What must hold, and be done, before the run counts: looks at the host again; throws when it is not as planned. */
  readonly check: () => void | Promise<void>;
  /** Told of every sentence worth logging. */
  readonly warn: (sentence: string) => void;
  /** Told of what went wrong though the run goes on; `warn` unless it is there. */
  readonly note?: (sentence: string) => void;
  /** Told of what a device refused and may refuse. */
  readonly refused?: (what: Refusable) => void;
  /** The host may be off the network meanwhile: nothing else is to come first. */
  readonly hurried?: boolean;
  /** No part makes a device: then it need not be known which were there before. */
  readonly makesNone?: boolean;
  /** Whether somebody asked the run to stop (a signal). */
  readonly interrupted?: () => boolean;
}

/** A part of a run, whose plan may depend on what the parts before it have done. */
export interface Part {
  /** Looks at the host; undefined where there is nothing to do. */
  readonly plan: () => Plan | undefined;
  /** What must hold once its steps are done; throws when it does not. */
  readonly check: () => void | Promise<void>;
  /** The file of the lock that is held from the look until the steps are done. */
  readonly lock?: string;
}

/**
 * Carries a plan out as one transaction: journal, batches, a second look; on any failure everything is undone.
 * @param system the way to the host
 * @param plan what to do
 * @param options key, check and log
 * @throws StepError, VerifyError when it failed; the host is then as it was
 */
export function applyPlan(system: System, plan: Plan, options: ApplyOptions): Promise<void> {
  return applyParts(system, [{ plan: () => plan, check: () => {} }], options);
}

/**
 * Carries several plans out as one transaction: when a part fails, all parts are undone.
 * @param system the way to the host
 * @param parts what to do, in order
 * @param options key, check of the whole and log
 * @throws StepError, VerifyError or what a part throws; the host is then as it was
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
  } catch (thrown) {
    throw run.steps.length === 0 ? thrown : await undoAfter(thrown, system, run);
  } finally {
    if (options.hurried === true) system.hurry?.(false);
  }
  closeJournal(system, options.key);
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
  for (const stretch of stretches(batches(plan.steps, (step) => step.do))) {
    await stopIfInterrupted(options);
    noteBatch(system, options.key, run.begun + stretch.flatMap(({ items }) => items).length);
    hurry(true);
    for (const batch of stretch) {
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

/** A run under way, as its journal has it. */
interface Run extends Journal {
  steps: Step[];
  begun: number;
  indexes: number[];
}

/** Writes down what a part is about to do. */
function enter(system: System, run: Run, steps: readonly Step[], needsIndexes: boolean): void {
  if (run.steps.length > 0) extendJournal(system, run.key, steps);
  else {
    const makesDevices = steps.some(({ device }) => device?.index === 'new' || device?.orNew || device?.gone);
    if (needsIndexes || makesDevices) run.indexes = [...deviceIndexes(system).values()];
    openJournal(system, run.key, steps, run.indexes);
  }
  run.steps.push(...steps);
}

/** What the kernel says where a device cannot have a value, and not where it does not work. */
const REFUSED = /Invalid argument|not supported|out of range|mtu (less|greater) than device/i;

/** @returns how many of the steps were done, or may have been, and what kept the next one from being done */
async function carryOut(
  system: System,
  { tool, items }: Batch<Step>,
  options: ApplyOptions,
  held: string | undefined,
): Promise<Pick<Outcome, 'done' | 'notes'> & { readonly failure?: StepError }> {
  const {
    done,
    exact,
    error,
    notes = [],
  } = await executeLocked(
    system,
    tool,
    items.map((step) => step.do),
    { held },
  );
  const failed = error === undefined ? undefined : items[done];
  if (failed === undefined) return { done: items.length, notes };
  const exists = failed.mayExist === true && /File exists/.test(error ?? '');
  const refuses = failed.mayRefuse !== undefined && REFUSED.test(error ?? '');
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

/** Signal handlers run only when the event loop does, and children are waited for synchronously. */
async function stopIfInterrupted(options: ApplyOptions): Promise<void> {
  if (options.interrupted === undefined) return;
  await new Promise((resolve) => setImmediate(resolve));
  if (options.interrupted()) throw new XenNetworkError(`The run was interrupted by a signal. ${UNDONE}`);
}

async function undoAfter(thrown: unknown, system: System, journal: Journal): Promise<XenNetworkError> {
  reserveTime(UNDO_MS);
  const failures = await undoJournal(system, journal);
  const said = messageOf(thrown);
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

/** How the message of a run ends of which something could not be undone. */
function undoneBut(failures: readonly string[]): string {
  return (
    `What was done was taken back, but for this: ${[...new Set(failures)].join('; ')}. ` +
    'Mend the cause, look whether the host is as it should be, and try again.'
  );
}

/**
 * Takes back what a run did or may have done, then forgets its journal.
 * @param system the way to the host
 * @param journal what is known of the run
 * @returns what went wrong, beyond commands that found their work done already
 */
export async function undoJournal(system: System, journal: Journal): Promise<string[]> {
  const commands = planUndo(journal.steps.slice(0, journal.begun), deviceIndexes(system), journal.indexes);
  const failures: string[] = [];
  for (const batch of batches(commands, (command) => command)) {
    const items = pendingRules(batch.items, (line) => isRuleInPlace(system, line));
    if (items.length === 0) continue;
    const parts = failuresOf(await forced(system, batch.tool, items));
    const only = items.length === 1 && batch.tool === 'run' ? items[0] : undefined;
    const named = (part: string) => (only === undefined ? part : `"${commandText(only)}" failed (${part})`);
    failures.push(...parts.map((part) => named(part.replace(/\.$/, ''))));
  }
  closeJournal(system, journal.key);
  return failures;
}

/** Not even a firewall lock that cannot be had keeps an undo from going on. */
async function forced(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
): Promise<Pick<Outcome, 'error' | 'refusals'>> {
  try {
    return await executeLocked(system, tool, commands, { force: true });
  } catch (thrown) {
    return { error: messageOf(thrown).replace(/\.$/, '') };
  }
}

interface TeardownOptions {
  readonly note?: (sentence: string) => void;
  readonly held?: string;
}

/**
 * Carries out a plan that must not stop half-way: every batch is tried.
 * @param system the way to the host
 * @param plan what to do
 * @param how whom to tell what went wrong and was optional; the file of the lock that the caller has taken for it
 * @returns a sentence for each batch of which something failed
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

function deviceIndexes(system: System): Map<string, number> {
  const names = system.list('/sys/class/net');
  return new Map(names.map((name) => [name, Number(system.readText(`/sys/class/net/${name}/ifindex`))]));
}
