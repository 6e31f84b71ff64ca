import { RequestError } from '../errors.ts';
import { listed, quote } from '../text.ts';
import { HOOK_OPTIONS } from './arguments.ts';

/** The words that a network hook understands. */
export interface KnownWords {
  readonly commands: readonly string[];
  readonly variables: readonly string[];
  /** Other words without "=" that are allowed, such as the hooks' names for network-multi-bridge. */
  readonly others?: readonly string[];
  /** Variables of other hooks. A wrapper may pass the same line to several hooks, so these are not typing errors. */
  readonly foreign?: readonly string[];
}

/** In shorter words two wrong letters make another word. */
const LONG_ENOUGH = 5;
const NOTHING = 'Nothing was changed.';

/**
 * Refuses a command line with a typing error (docs/contract.md, "Arguments"): people type these calls, and an ignored
 * word could move the host's only card. An unknown variable that resembles no known one is left to the caller.
 * @param argv the words after the hook's name; empty words, which xend makes of two blanks, are skipped
 * @param known the words that the hook understands
 * @throws RequestError naming the first wrong word and the nearest right one
 */
export function refuseMistypes(argv: readonly string[], known: KnownWords): void {
  const words = argv.filter((word) => word.trim() !== '');
  let command: string | undefined;
  for (const [i, word] of words.entries()) {
    const at = word.indexOf('=');
    if (isOption(word) || known.others?.includes(word) === true) continue;
    if (word.startsWith('-')) throw new RequestError(wrongOption(word, known));
    if (at >= 0) {
      refuseAssignment(word, at, known);
      continue;
    }
    if (!known.commands.includes(word)) throw new RequestError(wrongWord(word, words[i - 1], known));
    if (command !== undefined && command !== word)
      throw new RequestError(
        `${quote(command)} and ${quote(word)} contradict each other; say one of them. ${NOTHING}`,
      );
    command = word;
  }
}

function isOption(word: string): boolean {
  return word === '-n' || (word.startsWith('--') && HOOK_OPTIONS.includes(word.slice(2)));
}

function refuseAssignment(word: string, at: number, known: KnownWords): void {
  const name = word.slice(0, at);
  if (known.variables.includes(name)) return;
  if (name === '')
    throw new RequestError(
      `${quote(word)} stands alone; a variable and its value are one word without blanks, such as ${known.variables[0]}=VALUE. ${NOTHING}`,
    );
  const option = nearest(name, HOOK_OPTIONS);
  const variable = nearest(name, known.variables);
  if (variable !== undefined && known.foreign?.includes(name) !== true)
    throw new RequestError(
      `${quote(word)} sets no variable of this hook; did you mean ${variable}${word.slice(at)}? ${NOTHING}`,
    );
  if (option !== undefined)
    throw new RequestError(
      `${quote(word)} sets no variable of this hook; did you mean --${option}? ${NOTHING}`,
    );
}

function wrongOption(word: string, known: KnownWords): string {
  const at = word.indexOf('=');
  const name = at < 0 ? word : word.slice(0, at);
  const option = nearest(name, HOOK_OPTIONS);
  const variable = nearest(name, known.variables);
  const value = at < 0 ? '=VALUE' : word.slice(at);
  const near =
    option !== undefined
      ? `did you mean --${option}?`
      : variable !== undefined
        ? `variables stand without dashes: say ${variable}${value}.`
        : `it knows ${listed(HOOK_OPTIONS.map((known) => `--${known}`))}, and -n for --dry-run.`;
  return `${quote(word)} is no option of this hook; ${near} ${NOTHING}`;
}

function wrongWord(word: string, before: string | undefined, known: KnownWords): string {
  if (before?.endsWith('=') === true)
    return `There is a blank between ${quote(before)} and ${quote(word)}; a variable and its value are one word: say ${before}${word}. ${NOTHING}`;
  if (known.variables.includes(word))
    return `${quote(word)} stands alone; a variable and its value are one word without blanks, such as ${word}=VALUE. ${NOTHING}`;
  const bare = [...known.commands, ...(known.others ?? [])];
  const command = nearest(word, bare);
  const option = nearest(word, HOOK_OPTIONS);
  const variable = nearest(word, known.variables);
  const near =
    command !== undefined
      ? `did you mean ${command}?`
      : option !== undefined
        ? `did you mean --${option}?`
        : variable !== undefined
          ? `did you mean ${variable}=VALUE?`
          : `say one of ${listed(bare)}.`;
  return `${quote(word)} is no command of this hook; ${near} ${NOTHING}`;
}

/**
 * The known word that somebody probably meant: it differs in case or dashes, by one or two letters, or goes on where
 * the typed word ends.
 * @param word what was typed
 * @param known the words that are understood
 * @returns undefined where the word resembles none
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const typed = plain(word);
  if (typed === '') return undefined;
  const begun = known.filter((other) => typed.length > 2 && plain(other).startsWith(typed));
  const found = known
    .map((other) => ({ other, off: distance(typed, plain(other)) }))
    .filter(({ other, off }) => off <= (plain(other).length < LONG_ENOUGH ? 1 : 2))
    .sort((a, b) => a.off - b.off)[0]?.other;
  return found ?? (begun.length > 0 ? begun[0] : undefined);
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/**
 * The letters to insert, delete, replace or swap with their neighbour (Damerau-Levenshtein distance; each letter is
 * changed once at most).
 */
function distance(a: string, b: string): number {
  let above: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
          swapped ? (above[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    above = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
