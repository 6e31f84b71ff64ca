import { isRecord } from '../observe/records.ts';
import type { Command, Step } from '../plan/step.ts';
import { DAMAGED, damagedPath, isTemporary, RUN_FOLDER } from '../record/paths.ts';
import { seal, type Unsealed, unseal } from '../record/sealed.ts';
import type { System } from '../system/system.ts';
import { decodeText } from '../wire/xenstore.ts';

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

/** Why a journal cannot be gone by: spoilt, or of a later version of this program. */
export type Unreadable = 'damaged' | 'newer';

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
  system.replaceFile(journalPath(key), `${seal(JSON.stringify({ steps, indexes }))}\n`);
}

/**
 * Adds the steps of a further part to a run's journal, before any of them is done.
 * @param system the way to the file
 * @param key the run's key
 * @param steps the part's plan
 */
export function extendJournal(system: System, key: string, steps: readonly Step[]): void {
  system.appendText(journalPath(key), `${seal(JSON.stringify({ steps, indexes: [] }))}\n`);
}

/**
 * Notes that a batch begins.
 * @param system the way to the file
 * @param key the run's key
 * @param begun how many steps are done once it ends
 */
export function noteBatch(system: System, key: string, begun: number): void {
  system.appendText(journalPath(key), `${seal(`${begun}`)}\n`);
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
  const names = system.list(JOURNALS).filter((name) => !name.endsWith(DAMAGED));
  // A run may have been killed before its journal was in place.
  return [...new Set(names.map((name) => (isTemporary(name) ? name.slice(1, -1) : name)))];
}

/**
 * A sentence for each journal that was put aside since nobody could read it.
 * @param system the way to the files
 * @param concerns tells which keys' journals are asked for
 */
export function damagedJournals(system: System, concerns: (key: string) => boolean = () => true): string[] {
  return system
    .list(JOURNALS)
    .filter((name) => name.endsWith(DAMAGED))
    .map((name) => name.slice(0, -DAMAGED.length))
    .filter(concerns)
    .map((key) => damageText(key));
}

function damageText(key: string, how: Unreadable = 'damaged'): string {
  const why =
    how === 'newer' ? 'was written down by a later version of this program' : 'cannot be read any more';
  return (
    `What an interrupted run of ${key} did ${why}, so it was not taken back: look at what it left, ` +
    `and then remove ${damagedPath(journalPath(key))}.`
  );
}

/**
 * Puts a journal aside that cannot be read, so that it is in nobody's way and not forgotten.
 * @param system the way to the file
 * @param key the run's key
 * @param how why it cannot be read
 * @returns a sentence for the log
 */
export function putAside(system: System, key: string, how: Unreadable): string {
  system.rename(journalPath(key), damagedPath(journalPath(key)));
  return damageText(key, how);
}

/**
 * Reads what a run left.
 * @param system the way to the file
 * @param key the run's key
 * @returns undefined when there is nothing to take back; a word when there may be and it cannot be told what
 */
export function readJournal(system: System, key: string): Journal | Unreadable | undefined {
  const bytes = system.readBytes(journalPath(key));
  if (bytes === undefined) return undefined;
  const text = decodeText(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
  // The last line may be cut off: then what it announced was not begun.
  const lines = text.split('\n').slice(0, -1);
  const [first = 'damaged', ...rest] = lines.map(unseal);
  if ([first, ...rest].includes('newer')) return 'newer';
  const head = parse(first);
  const further = rest.map(parse);
  if (typeof head !== 'object' || further.includes(undefined)) return 'damaged';
  const steps = further.flatMap((part) => (typeof part === 'object' ? part.steps : []));
  const begun = further.filter((part) => typeof part === 'number').at(-1) ?? 0;
  return { key, begun, indexes: head.indexes, steps: [...head.steps, ...steps] };
}

/** A plan, or how many steps were begun. */
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
    typeof value['why'] === 'string'
  );
}

const isText = (value: unknown): boolean => typeof value === 'string';
const areWords = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

/** What each kind of command cannot do without. */
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
  share: ({ user, claims }) => isText(user) && Array.isArray(claims) && claims.every(isRecord),
  follow: ({ from, to }) => isText(from) && isText(to),
  run: ({ argv }) => areWords(argv),
};

function isCommand(value: unknown): value is Command {
  if (!isRecord(value) || typeof value['tool'] !== 'string') return false;
  return Object.hasOwn(FIELDS, value['tool']) && FIELDS[value['tool']]?.(value) === true;
}
