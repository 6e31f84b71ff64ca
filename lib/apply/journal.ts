import { isTemporary, RUN_FOLDER } from '../contract/paths.ts';
import { isRecord } from '../observe/records.ts';
import type { Command, Step } from '../plan/step.ts';
import type { System } from '../system/system.ts';

const JOURNALS = `${RUN_FOLDER}/journal`;

/** What an interrupted run left: enough to take it back. */
export interface Journal {
  /** The hook's lock name or the vif's name; one run at a time has it. */
  readonly key: string;
  readonly steps: readonly Step[];
  /** How many of the steps may have been done: all before this one were, or were at least begun. */
  readonly begun: number;
  /** Indexes of all devices that were there before the run. */
  readonly indexes: readonly number[];
}

/**
 * Where a run's journal lies.
 * @param key the run's key
 */
export function journalPath(key: string): string {
  return `${JOURNALS}/${key}`;
}

/**
 * Opens a run's journal, before anything is changed. The first line is the plan, one line follows for each batch begun.
 * @param system the way to the file
 * @param key the run's key
 * @param steps the whole plan
 * @param indexes all devices that are there now
 */
export function openJournal(
  system: System,
  key: string,
  steps: readonly Step[],
  indexes: readonly number[],
): void {
  system.replaceFile(journalPath(key), `${JSON.stringify({ steps, indexes })}\n`);
}

/**
 * Adds the steps of a further part to a run's journal, before any of them is done.
 * @param system the way to the file
 * @param key the run's key
 * @param steps the part's plan
 */
export function extendJournal(system: System, key: string, steps: readonly Step[]): void {
  system.appendText(journalPath(key), `${JSON.stringify({ steps, indexes: [] })}\n`);
}

/**
 * Notes that a batch begins.
 * @param system the way to the file
 * @param key the run's key
 * @param begun how many steps are done once it ends
 */
export function noteBatch(system: System, key: string, begun: number): void {
  system.appendText(journalPath(key), `${begun}\n`);
}

/**
 * Ends a run's journal.
 * @param system the way to the file
 * @param key the run's key
 */
export function closeJournal(system: System, key: string): void {
  system.remove(journalPath(key));
}

/**
 * The keys of all runs that were interrupted or are under way.
 * @param system the way to the files
 */
export function journalKeys(system: System): string[] {
  // A run may have been killed before its journal was in place.
  return [...new Set(system.list(JOURNALS).map((name) => (isTemporary(name) ? name.slice(1, -1) : name)))];
}

/**
 * Reads what a run left.
 * @param system the way to the file
 * @param key the run's key
 * @param path another place than the usual one
 * @returns undefined when there is nothing to take back
 */
export function readJournal(system: System, key: string, path = journalPath(key)): Journal | undefined {
  const lines = (system.readText(path) ?? '').split('\n');
  const [head, ...further] = lines.map(parse);
  if (head === undefined) return undefined;
  const begun =
    lines
      .slice(1)
      .filter((line) => /^\d+$/.test(line))
      .map(Number)
      .at(-1) ?? 0;
  const steps = [...head.steps, ...further.flatMap((part) => part?.steps ?? [])];
  return { key, begun, indexes: head.indexes, steps };
}

function parse(line: string): Pick<Journal, 'steps' | 'indexes'> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!isRecord(value) || !Array.isArray(value['steps']) || !Array.isArray(value['indexes']))
      return undefined;
    return {
      steps: value['steps'].filter(isStep),
      indexes: value['indexes'].filter((index) => typeof index === 'number'),
    };
  } catch {
    return undefined;
  }
}

/** The file is our own, below a folder that root alone can write; this guards against an older program's form. */
function isStep(value: unknown): value is Step {
  return (
    isRecord(value) &&
    isCommand(value['do']) &&
    Array.isArray(value['undo']) &&
    value['undo'].every(isCommand)
  );
}

function isCommand(value: unknown): value is Command {
  return isRecord(value) && typeof value['tool'] === 'string';
}
