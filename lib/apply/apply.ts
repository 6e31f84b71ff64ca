import { messageOf, XenNetworkError } from '../errors.ts';
import { isRuleInPlace } from '../observe/rules.ts';
import { pendingRules } from '../plan/pending-rules.ts';
import type { Command, Plan } from '../plan/step.ts';
import { planUndo } from '../plan/undo.ts';
import type { System } from '../system/system.ts';
import { batches, execute, type Outcome, stepError } from './execute.ts';
import { closeJournal, type Journal, noteBatch, openJournal, readJournal } from './journal.ts';

/** How every message of an undone run ends. */
export const UNDONE = 'Everything was put back as it was; mend the cause and try again.';
const IPTABLES_LOCK = '/var/run/xen-hotplug/iptables';
/** Less than the 40 s after which xl kills a hook. */
const LOCK_WAIT_MS = 30_000;

export interface ApplyOptions {
  /** Names the run; no two runs with one key may be under way. */
  readonly key: string;
  /** What must hold, and be done, before the run counts: looks at the host again; throws when it is not as planned. */
  readonly check: () => void | Promise<void>;
  /** Told of every sentence worth logging. */
  readonly warn: (sentence: string) => void;
  /** Whether somebody asked the run to stop (a signal). */
  readonly interrupted?: () => boolean;
}

/**
 * Carries a plan out as one transaction: journal, batches, a second look; on any failure everything is undone.
 * @param system the way to the host
 * @param plan what to do
 * @param options key, check and log
 * @throws StepError, VerifyError when it failed; the host is then as it was
 */
export async function applyPlan(system: System, plan: Plan, options: ApplyOptions): Promise<void> {
  const { steps } = plan;
  for (const warning of plan.warnings) options.warn(warning);
  if (steps.length === 0) return;
  const makesDevices = steps.some((step) => step.device?.index === 'new');
  const indexes = makesDevices ? [...deviceIndexes(system).values()] : [];
  openJournal(system, options.key, steps, indexes);
  let begun = 0;
  try {
    for (const batch of batches(steps, (step) => step.do)) {
      noteBatch(system, options.key, begun + batch.items.length);
      const outcome = await executeLocked(
        system,
        batch.tool,
        batch.items.map((step) => step.do),
      );
      if (outcome.error !== undefined) {
        const failed = batch.items[outcome.done];
        begun += outcome.exact ? outcome.done : batch.items.length;
        if (failed !== undefined) throw stepError(failed, outcome.error, UNDONE);
      } else begun += batch.items.length;
      await stopIfInterrupted(options);
    }
    await options.check();
  } catch (thrown) {
    throw await undoAfter(thrown, system, { key: options.key, steps, begun, indexes });
  }
  closeJournal(system, options.key);
}

/** Firewall changes are made under the lock that the stock scripts take as well (contract 5). */
async function executeLocked(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
  force = false,
): Promise<Outcome> {
  if (tool !== 'iptables' && tool !== 'ip6tables') return execute(system, tool, commands, force);
  const lock = await (await system.native()).lock(IPTABLES_LOCK, LOCK_WAIT_MS);
  try {
    return execute(system, tool, commands, force);
  } finally {
    lock.release();
  }
}

/** Signal handlers run only when the event loop does, and children are waited for synchronously. */
async function stopIfInterrupted(options: ApplyOptions): Promise<void> {
  if (options.interrupted === undefined) return;
  await new Promise((resolve) => setImmediate(resolve));
  if (options.interrupted()) throw new XenNetworkError(`The run was interrupted by a signal. ${UNDONE}`);
}

async function undoAfter(thrown: unknown, system: System, journal: Journal): Promise<XenNetworkError> {
  const failures = await undoJournal(system, journal);
  const error =
    thrown instanceof XenNetworkError ? thrown : new XenNetworkError(messageOf(thrown), { cause: thrown });
  if (failures.length === 0) return error;
  return new XenNetworkError(`${error.message} But not all could be put back: ${failures.join('; ')}.`, {
    cause: thrown,
  });
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
    const { error } = await executeLocked(system, batch.tool, items, true);
    failures.push(...(error?.split('; ').filter((part) => !ALREADY.test(part)) ?? []));
  }
  closeJournal(system, journal.key);
  return failures;
}

/** What the kernel and the tools say when there was nothing to take back. */
const ALREADY =
  /File exists|Cannot find device|does not exist|No such (device|process|file)|Cannot assign requested address|already assigned|Bad rule|No chain\/target\/match/i;

/**
 * Carries out a plan that must not stop half-way: every batch is tried.
 * @param system the way to the host
 * @param plan what to do
 * @returns a sentence for each batch of which something failed
 */
export async function applyTeardown(system: System, plan: Plan): Promise<string[]> {
  const failures: string[] = [];
  for (const batch of batches(plan.steps, (step) => step.do)) {
    const { error } = await executeLocked(
      system,
      batch.tool,
      batch.items.map((step) => step.do),
      true,
    );
    if (error !== undefined) failures.push(`Could not ${batch.items[0]?.why}: ${error}.`);
  }
  return failures;
}

/**
 * Takes back what an interrupted run with this key left, if anything (contract 4: a failure leaves nothing half-done).
 * @param system the way to the host
 * @param key the run's key; its lock must be held
 * @returns sentences for the log; none when there was nothing to do
 */
export async function recoverRun(system: System, key: string): Promise<string[]> {
  const journal = readJournal(system, key);
  if (journal === undefined) return [];
  const failures = await undoJournal(system, journal);
  return [
    `An interrupted run of ${key} was found and taken back.`,
    ...failures.map((text) => `While taking it back: ${text}.`),
  ];
}

function deviceIndexes(system: System): Map<string, number> {
  const names = system.list('/sys/class/net');
  return new Map(names.map((name) => [name, Number(system.readText(`/sys/class/net/${name}/ifindex`))]));
}
