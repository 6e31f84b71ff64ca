import type { Move } from '../filter/void-rules.ts';
import { isRecord, readJson } from '../observe/records.ts';
import { BY_DEVICE } from '../plan/shared/moved-settings.ts';
import type { Step } from '../plan/step.ts';
import { remember } from '../plan/write-record.ts';
import { PENDING_RUNS, pendingDeadlinePath, pendingRunPath } from '../record/paths.ts';
import { seal, unseal } from '../record/sealed.ts';
import type { Values } from '../request/arguments.ts';
import type { System } from '../system/system.ts';

/** How a part of a run is taken back: by its hook's stop, planned as the host is by then. */
export interface TakeBack {
  readonly hook: string;
  /** Names to the stop what was started. */
  readonly values: Values;
  /** Where the run only changed what was started before: those of its steps that are undone instead. */
  readonly steps?: readonly Step[];
}

/** A run that is taken back unless it is confirmed. */
export interface PendingRun {
  /** The hook and what it was about: network-bridge.xenbr0. */
  readonly id: string;
  /** Milliseconds until its time is over; 0 once it is. */
  readonly remainingMs: number;
  /** In the order in which they were done; undefined where that cannot be read any more. */
  readonly parts: readonly TakeBack[] | undefined;
}

/**
 * The runs that wait for a confirmation.
 * @param system the way to the files
 */
export function pendingRuns(system: System): PendingRun[] {
  const ids = system
    .list(PENDING_RUNS)
    .filter((name) => name.endsWith(DEADLINE))
    .map((name) => name.slice(0, -DEADLINE.length));
  return ids.map((id) => ({ id, remainingMs: remainingMs(system, id), parts: readParts(system, id) }));
}

/**
 * How long a run's clock has to go on, in milliseconds; 0 when the time is over or nobody waits any more. The time of day
 * may jump, most of all when the network comes, so it is that since the host was booted.
 * @param system the way to the files
 * @param id the run's name
 */
export function remainingMs(system: System, id: string): number {
  return Math.max(0, (readDeadline(system, id) ?? 0) - uptime(system));
}

/**
 * Whether a run waits for its confirmation, or for being taken back.
 * @param system the way to the files
 * @param id the run's name
 */
export function isPending(system: System, id: string): boolean {
  return system.exists(pendingDeadlinePath(id));
}

function readParts(system: System, id: string): readonly TakeBack[] | undefined {
  return readJson(system, pendingRunPath(id), areParts);
}

/** One that cannot be read is over: what nobody may confirm in time any more is taken back. */
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
 * Starts the clock of a run, a process of its own session, so that it outlives the terminal and the connection that
 * start was typed in.
 * @param system the way to the files
 * @param id the run's name while it waits
 * @param parts how what the run did is taken back
 * @param seconds how long to wait for the confirmation
 */
export function deferTakeBack(system: System, id: string, parts: readonly TakeBack[], seconds: number): void {
  system.replaceFile(pendingDeadlinePath(id), `${seal(`${uptime(system) + seconds * 1000}`)}\n`);
  keepParts(system, id, parts);
  system.startDetached([process.execPath, 'expire', id], 'xen-network');
}

/**
 * Lets a run stand, or forgets that it waits.
 * @param system the way to the files
 * @param id the run's name
 */
export function confirmRun(system: System, id: string): void {
  system.remove(pendingDeadlinePath(id));
  system.remove(pendingRunPath(id));
}

/**
 * Forgets that something waits to be confirmed: it is stopped, taken back, or started for good.
 * @param system the way to the files
 * @param part what it is
 */
export function forgetPart(system: System, part: Pick<TakeBack, 'hook' | 'values'>): void {
  for (const { id, parts } of pendingRuns(system)) {
    const rest = parts?.filter((other) => !isSamePart(other, part));
    if (rest === undefined || rest.length === parts?.length) continue;
    if (rest.length === 0) confirmRun(system, id);
    else keepParts(system, id, rest);
  }
}

function isSamePart(
  one: Pick<TakeBack, 'hook' | 'values'>,
  other: Pick<TakeBack, 'hook' | 'values'>,
): boolean {
  const told = ({ values }: Pick<TakeBack, 'values'>) => JSON.stringify(Object.entries(values).sort());
  return one.hook === other.hook && told(one) === told(other);
}

/**
 * Writes down what of a run is to be taken back still.
 * @param system the way to the file
 * @param id the run's name
 * @param parts in the order in which they were done
 */
export function keepParts(system: System, id: string, parts: readonly TakeBack[]): void {
  system.replaceFile(pendingRunPath(id), `${seal(JSON.stringify(parts))}\n`);
}

/**
 * Steps that let what waits for its confirmation be taken back by the name of the device that now has the addresses.
 * @param system the way to the files
 * @param move from which device to which
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
  return remember(pendingRunPath(id), parts, moved, `how ${id} is taken back`);
}

const DEADLINE = '.deadline';
