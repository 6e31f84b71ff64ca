import { damagedPath, PENDING_RUNS } from '../contract/paths.ts';
import { seal, unseal } from '../contract/sealed.ts';
import type { System } from '../system/system.ts';
import { undoJournal } from './apply.ts';
import { journalPath, readJournal } from './journal.ts';

/** A run that is undone unless it is confirmed. */
export interface PendingRun {
  /** The hook and what it was about: network-bridge.xenbr0. */
  readonly id: string;
  /** Milliseconds since the host was booted: the time of day may jump, most of all when the network comes. */
  readonly deadline: number;
}

/**
 * Starts the clock of a run, a process of its own session, so that it outlives the terminal and the connection that
 * start was typed in. Then the run's journal is kept to undo it by, which ends the run itself.
 * @param system the way to the files
 * @param key the run's key
 * @param id the run's name while it waits
 * @param seconds how long to wait for the confirmation
 */
export function deferUndo(system: System, key: string, id: string, seconds: number): void {
  system.replaceFile(deadlineOf(id), `${seal(`${uptime(system) + seconds * 1000}`)}\n`);
  system.startDetached([process.execPath, 'expire', id], 'xen-network');
  system.rename(journalPath(key), journalOf(id));
}

/**
 * The runs that wait for a confirmation.
 * @param system the way to the files
 */
export function pendingRuns(system: System): PendingRun[] {
  return system
    .list(PENDING_RUNS)
    .filter((name) => name.endsWith('.journal'))
    .map((name) => name.replace(/\.journal$/, ''))
    .map((id) => ({ id, deadline: readDeadline(system, id) ?? 0 }));
}

/** One that cannot be read is over: what nobody may confirm in time any more is taken back. */
function readDeadline(system: System, id: string): number | undefined {
  const line = system.readText(deadlineOf(id));
  if (line === undefined) return undefined;
  const found = unseal(line);
  return typeof found === 'object' && /^\d+$/.test(found.text) ? Number(found.text) : 0;
}

/**
 * How long a run's clock has to go on, in milliseconds; 0 when the time is over or nobody waits any more.
 * @param system the way to the files
 * @param id the run's name
 */
export function remainingMs(system: System, id: string): number {
  return Math.max(0, (readDeadline(system, id) ?? 0) - uptime(system));
}

/**
 * Lets a run stand, or forgets that it waits.
 * @param system the way to the files
 * @param id the run's name
 */
export function confirmRun(system: System, id: string): void {
  system.remove(journalOf(id));
  system.remove(deadlineOf(id));
}

/**
 * Undoes the runs whose time is over; the lock of their hooks must be held.
 * @param system the way to the host
 * @returns sentences for the log
 */
export async function expireRuns(system: System): Promise<string[]> {
  const sentences: string[] = [];
  const runs = pendingRuns(system);
  // A run may have been killed after its clock was set.
  for (const name of system.list(PENDING_RUNS).filter((file) => file.endsWith('.deadline'))) {
    if (!runs.some(({ id }) => deadlineOf(id).endsWith(`/${name}`))) system.remove(`${PENDING_RUNS}/${name}`);
  }
  for (const { id } of runs.filter((run) => remainingMs(system, run.id) === 0)) {
    sentences.push(...(await expireRun(system, id)));
  }
  return sentences;
}

async function expireRun(system: System, id: string): Promise<string[]> {
  const journal = readJournal(system, id, journalOf(id));
  if (journal === undefined || typeof journal === 'string') {
    const aside = damagedPath(journalOf(id));
    if (journal !== undefined) system.rename(journalOf(id), aside);
    confirmRun(system, id);
    return [
      `Nobody confirmed ${id} in time, but what it did is not known any more, so it stays: stop it by its hook, ` +
        `and then remove ${aside}.`,
    ];
  }
  const failures = await undoJournal(system, { ...journal, begun: journal.steps.length });
  confirmRun(system, id);
  return [
    `Nobody confirmed ${id} in time: it was taken back.`,
    ...failures.map((text) => `While ${id} was taken back: ${text}.`),
  ];
}

function uptime(system: System): number {
  return Math.floor(Number((system.readText('/proc/uptime') ?? '0').split(' ')[0]) * 1000);
}

const journalOf = (id: string): string => `${PENDING_RUNS}/${id}.journal`;
const deadlineOf = (id: string): string => `${PENDING_RUNS}/${id}.deadline`;
