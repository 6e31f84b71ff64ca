import { newerFile } from '../observe/records.ts';
import type { Command, Step } from '../plan/step.ts';
import { DAMAGED, damagedPath, isTemporary, JOURNALS, journalPath } from '../record/paths.ts';
import { seal, type Unsealed, unseal } from '../record/sealed.ts';
import type { System } from '../system/system.ts';
import { isRecord } from '../wire/json.ts';
import { decodeText } from '../wire/xenstore.ts';

/** The journal of a run: enough to undo it if it is interrupted. */
export interface Journal {
  /** The hook's lock name or the vif's name; only one run at a time has it. */
  readonly key: string;
  readonly steps: readonly Step[];
  /** How many of the steps may have been done: the steps before this one were done or at least begun. */
  readonly begun: number;
  /** The indexes of all devices from before the run. */
  readonly indexes: readonly number[];
}

/**
 * Writes a run's journal, before anything is changed. The first line is the plan; a line is added when a batch begins.
 * @param system the way to the file
 * @param key the run's key
 * @param steps the whole plan
 * @param indexes the indexes of all present devices
 */
export function openJournal(
  system: System,
  key: string,
  steps: readonly Step[],
  indexes: readonly number[],
): void {
  system.replaceFile(journalPath(key), `${seal(JSON.stringify({ steps, indexes }))}\n`);
}

/**
 * Adds the steps of a further part to a run's journal, before any of them is done.
 * @param system the way to the file
 * @param key the run's key
 * @param steps the part's steps
 */
export function extendJournal(system: System, key: string, steps: readonly Step[]): void {
  system.appendText(journalPath(key), `${seal(JSON.stringify({ steps, indexes: [] }))}\n`);
}

/**
 * Notes in the journal that a batch begins.
 * @param system the way to the file
 * @param key the run's key
 * @param begun how many of the run's steps will be done when the batch ends
 */
export function noteBatch(system: System, key: string, begun: number): void {
  system.appendText(journalPath(key), `${seal(`${begun}`)}\n`);
}

/**
 * Removes a run's journal.
 * @param system the way to the file
 * @param key the run's key
 */
export function closeJournal(system: System, key: string): void {
  system.remove(journalPath(key));
}

/**
 * The keys of all runs that are under way or were interrupted.
 * @param system the way to the files
 */
export function journalKeys(system: System): string[] {
  const names = system.list(JOURNALS).filter((name) => !name.endsWith(DAMAGED));
  // A run that was killed early leaves only the journal's temporary file.
  return [...new Set(names.map((name) => (isTemporary(name) ? name.slice(1, -1) : name)))];
}

/**
 * A sentence for each journal that was put aside because it could not be read.
 * @param system the way to the files
 * @param concerns selects the keys; all where it is left out
 */
export function damagedJournals(system: System, concerns: (key: string) => boolean = () => true): string[] {
  return system
    .list(JOURNALS)
    .filter((name) => name.endsWith(DAMAGED))
    .map((name) => name.slice(0, -DAMAGED.length))
    .filter(concerns)
    .map((key) => damageText(key));
}

function damageText(key: string): string {
  return (
    `The journal of an interrupted run of ${key} cannot be read any more, so the run was not undone. ` +
    `Look at what it left on this host, then remove ${damagedPath(journalPath(key))}.`
  );
}

/**
 * Renames a damaged journal, so that it stops no later run and is still there for the administrator.
 * @param system the way to the file
 * @param key the run's key
 * @returns a sentence for the log
 */
export function putAside(system: System, key: string): string {
  system.rename(journalPath(key), damagedPath(journalPath(key)));
  return damageText(key);
}

/**
 * Reads a run's journal.
 * @param system the way to the file
 * @param key the run's key
 * @returns undefined when there is no journal
 * @throws HostError when a later version of this program wrote it
 */
export function readJournal(system: System, key: string): Journal | 'damaged' | undefined {
  const bytes = system.readBytes(journalPath(key));
  if (bytes === undefined) return undefined;
  const text = decodeText(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  // The last line may be incomplete: the batch that it announces was then not begun.
  const lines = text.split('\n').slice(0, -1);
  const [first = 'damaged', ...rest] = lines.map(unseal);
  if ([first, ...rest].includes('newer')) throw newerFile(journalPath(key));
  const head = parse(first);
  const further = rest.map(parse);
  if (typeof head !== 'object' || further.includes(undefined)) return 'damaged';
  const steps = further.flatMap((part) => (typeof part === 'object' ? part.steps : []));
  const begun = further.filter((part) => typeof part === 'number').at(-1) ?? 0;
  return { key, begun, indexes: head.indexes, steps: [...head.steps, ...steps] };
}

/** A plan, or the number of steps that were begun. */
function parse(line: Unsealed): Pick<Journal, 'steps' | 'indexes'> | number | undefined {
  if (typeof line !== 'object') return undefined;
  if (/^\d+$/.test(line.text)) return Number(line.text);
  try {
    const value: unknown = JSON.parse(line.text);
    if (!isRecord(value)) return undefined;
    const { steps, indexes } = value;
    const fits =
      Array.isArray(steps) &&
      steps.every(isStep) &&
      Array.isArray(indexes) &&
      indexes.every((index) => typeof index === 'number');
    return fits ? { steps, indexes } : undefined;
  } catch {
    return undefined;
  }
}

function isStep(value: unknown): value is Step {
  return (
    isRecord(value) &&
    isCommand(value['do']) &&
    Array.isArray(value['undo']) &&
    value['undo'].every(isCommand) &&
    typeof value['why'] === 'string' &&
    (value['ports'] === undefined || (Array.isArray(value['ports']) && value['ports'].every(isLostPort)))
  );
}

function isLostPort(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    typeof value['index'] === 'number' &&
    typeof value['up'] === 'boolean' &&
    (value['guest'] === undefined || typeof value['guest'] === 'string') &&
    isCommand(value['join']) &&
    Array.isArray(value['settings']) &&
    value['settings'].every(isCommand)
  );
}

const isText = (value: unknown): boolean => typeof value === 'string';
const areWords = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

/** The fields that each kind of command must have. */
const FIELDS: Readonly<Record<string, (command: Record<string, unknown>) => boolean>> = {
  ip: ({ args }) => areWords(args),
  bridge: ({ args }) => areWords(args),
  iptables: ({ table, line }) => isText(table) && isText(line),
  ip6tables: ({ table, line }) => isText(table) && isText(line),
  nft: ({ line }) => isText(line),
  write: ({ path, text }) => isText(path) && isText(text),
  record: ({ path, text }) => isText(path) && (text === undefined || isText(text)),
  edit: ({ path, edit }) => isText(path) && isRecord(edit),
  service: ({ verb, service }) => isText(verb) && service !== undefined,
  share: ({ holder, sharedSettings }) =>
    isText(holder) && Array.isArray(sharedSettings) && sharedSettings.every(isRecord),
  follow: ({ from, to }) => isText(from) && isText(to),
  run: ({ argv }) => areWords(argv),
};

function isCommand(value: unknown): value is Command {
  if (!isRecord(value) || typeof value['tool'] !== 'string') return false;
  return Object.hasOwn(FIELDS, value['tool']) && FIELDS[value['tool']]?.(value) === true;
}
