import type { Move } from '../filter/void-rules.ts';
import { readJson } from '../observe/records.ts';
import { BY_DEVICE } from '../plan/shared/moved-settings.ts';
import { record, type Step } from '../plan/step.ts';
import { writeRecord } from '../plan/write-record.ts';
import { PENDING_RUNS, pendingDeadlinePath, pendingRunPath } from '../record/paths.ts';
import { seal, unseal } from '../record/sealed.ts';
import type { Values } from '../request/arguments.ts';
import type { System } from '../system/system.ts';
import { isRecord } from '../wire/json.ts';

/** How to undo a part of a run: by its hook's stop, planned for the state of the host at that time. */
export interface TakeBack {
  readonly hook: string;
  /** The variables that tell the stop what to stop. */
  readonly values: Values;
  /** The steps to undo instead, where the run only changed something that was started before. */
  readonly steps?: readonly Step[];
}

/** A run that is undone unless somebody confirms it. */
export interface PendingRun {
  /** The hook and its object: network-bridge.xenbr0. */
  readonly id: string;
  /** Milliseconds until the time for confirmation ends; 0 afterwards. */
  readonly remainingMs: number;
  /** The parts, in the order in which they were done; undefined where the file cannot be read. */
  readonly parts: readonly TakeBack[] | undefined;
}

/**
 * The ids of the runs that wait for confirmation.
 * @param system the way to the files
 */
export function pendingIds(system: System): string[] {
  return system
    .list(PENDING_RUNS)
    .filter((name) => name.endsWith(DEADLINE))
    .map((name) => name.slice(0, -DEADLINE.length));
}

/**
 * The runs that wait for confirmation.
 * @param system the way to the files
 * @throws HostError when a later version of this program started one
 */
export function pendingRuns(system: System): PendingRun[] {
  return pendingIds(system).map((id) => ({
    id,
    remainingMs: remainingMs(system, id),
    parts: readParts(system, id),
  }));
}

/**
 * What is to be said of the runs that wait for confirmation, a sentence each.
 * @param system the way to the files
 */
export function pendingSentences(system: System): string[] {
  return pendingRuns(system).map(
    ({ id, remainingMs: left }) =>
      `${id} is undone in ${Math.ceil(left / 1000)} s unless you run "xen-network confirm".`,
  );
}

/**
 * How long a run still waits for confirmation, in milliseconds; 0 when the time is over or the run no longer waits.
 * Counted from the host's boot, since the time of day may jump, above all when the network comes up.
 * @param system the way to the files
 * @param id the run's id
 */
export function remainingMs(system: System, id: string): number {
  return Math.max(0, (readDeadline(system, id) ?? 0) - uptime(system));
}

/**
 * Whether a run waits for confirmation, or for its undo.
 * @param system the way to the files
 * @param id the run's id
 */
export function isPending(system: System, id: string): boolean {
  return system.exists(pendingDeadlinePath(id));
}

function readParts(system: System, id: string): readonly TakeBack[] | undefined {
  return readJson(system, pendingRunPath(id), areParts);
}

/**
 * A deadline that cannot be read counts as over: nobody could confirm the run in time, so it is undone. That of a later
 * version as well: an upgraded program has ended the time of a run that it did not start.
 */
function readDeadline(system: System, id: string): number | undefined {
  const line = system.readText(pendingDeadlinePath(id));
  if (line === undefined) return undefined;
  const found = unseal(line);
  return typeof found === 'object' && /^\d+$/.test(found.text) ? Number(found.text) : 0;
}

function areParts(value: unknown): value is readonly TakeBack[] {
  return Array.isArray(value) && value.every(isPart);
}

function isPart(value: unknown): boolean {
  if (!isRecord(value) || typeof value['hook'] !== 'string' || !isRecord(value['values'])) return false;
  return value['steps'] === undefined || Array.isArray(value['steps']);
}

function uptime(system: System): number {
  return Math.floor(Number((system.readText('/proc/uptime') ?? '0').split(' ')[0]) * 1000);
}

/**
 * Starts a run's clock. The clock is a process with a session of its own, so that it outlives the terminal and the
 * connection in which start was typed.
 * @param system the way to the files
 * @param id the run's id
 * @param parts how to undo the run
 * @param seconds how long to wait for confirmation
 */
export function deferTakeBack(system: System, id: string, parts: readonly TakeBack[], seconds: number): void {
  system.replaceFile(pendingDeadlinePath(id), `${seal(`${uptime(system) + seconds * 1000}`)}\n`);
  keepParts(system, id, parts);
  system.startDetached([process.execPath, 'expire', id], 'xen-network');
}

/**
 * Confirms a run, or otherwise ends its waiting.
 * @param system the way to the files
 * @param id the run's id
 */
export function confirmRun(system: System, id: string): void {
  system.remove(pendingDeadlinePath(id));
  system.remove(pendingRunPath(id));
}

/**
 * Ends a run's time for confirmation, so that its clock undoes it.
 * @param system the way to the files
 * @param id the run's id
 */
export function endTime(system: System, id: string): void {
  system.replaceFile(pendingDeadlinePath(id), `${seal(`${uptime(system)}`)}\n`);
}

/**
 * The steps that remove a part from the runs that wait, because it is stopped, undone or started for good. They belong to
 * the plan that does so: once that is taken back, the run waits as before.
 * @param system the way to the files
 * @param part the part's hook and variables
 */
export function forgetSteps(system: System, part: Pick<TakeBack, 'hook' | 'values'>): Step[] {
  return pendingRuns(system).flatMap(({ id, parts }) => {
    const rest = parts?.filter((other) => !isWithin(other, part));
    if (rest === undefined || rest.length === parts?.length) return [];
    const [run, what] = [pendingRunPath(id), `how ${id} is undone`];
    if (rest.length > 0) return writeRecord(run, parts, rest, what);
    const path = pendingDeadlinePath(id);
    const deadline = record(path, `${readDeadline(system, id) ?? 0}`);
    const waits = { do: record(path, undefined), undo: [deadline], why: `let ${id} wait no more` };
    return [waits, ...writeRecord(run, parts, undefined, what)];
  });
}

/** A list that is stopped may have been started by several calls, each of which waits by itself. */
function isWithin(
  part: Pick<TakeBack, 'hook' | 'values'>,
  whole: Pick<TakeBack, 'hook' | 'values'>,
): boolean {
  const isThere = ([name, value]: [string, unknown]) => whole.values[name] === value;
  return part.hook === whole.hook && Object.entries(part.values).every(isThere);
}

/**
 * Writes the parts of a run that are still to be undone if nobody confirms it.
 * @param system the way to the file
 * @param id the run's id
 * @param parts in the order in which they were done
 */
export function keepParts(system: System, id: string, parts: readonly TakeBack[]): void {
  system.replaceFile(pendingRunPath(id), `${seal(JSON.stringify(parts))}\n`);
}

/**
 * Steps that change the device's name in the runs that wait, because another device now has its addresses.
 * @param system the way to the files
 * @param move the old and the new device
 */
export function movedPending(system: System, move: Move): Step[] {
  return pendingRuns(system).flatMap((run) => renamedParts(run, move));
}

function renamedParts({ id, parts }: PendingRun, { from, to }: Move): Step[] {
  const moved = parts?.map((part) =>
    BY_DEVICE.test(`${part.hook} ${from}`) && part.values['netdev'] === from
      ? { ...part, values: { ...part.values, netdev: to } }
      : part,
  );
  return writeRecord(pendingRunPath(id), parts, moved, `how ${id} is undone`);
}

/**
 * Removes what a kill between the removal of a run's two files left: the parts of a run that waits no more.
 * @param system the way to the files
 */
export function dropForgotten(system: System): void {
  const ids = system.list(PENDING_RUNS).flatMap((name) => /^(.+)\.run$/.exec(name)?.[1] ?? []);
  for (const id of ids) if (!isPending(system, id)) system.remove(pendingRunPath(id));
}

const DEADLINE = '.deadline';
