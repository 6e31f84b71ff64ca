import { RequestError } from '../errors.ts';
import { listed, quote } from '../text.ts';

/** Variables by name; an empty value counts as unset and is never stored. */
export type Values = Readonly<Record<string, string>>;

/** What stands on a hook's command line. */
export interface HookArguments {
  /** The first word without "=", if any. */
  readonly command: string | undefined;
  readonly values: Values;
  /** Words that start with "--", without the dashes; -n counts as dry-run. */
  readonly options: ReadonlySet<string>;
  /** One sentence for each word that was ignored. */
  readonly warnings: readonly string[];
}

/** The options that every hook has. */
export const HOOK_OPTIONS: readonly string[] = ['help', 'version', 'dry-run', 'json'];

/**
 * Splits a hook's command line into command, variables and options (docs/contract.md, "Arguments"). Nothing is ever
 * evaluated: a name must be a known variable, and a value is taken as it is.
 * @param argv the words after the program's name
 * @param known the variables that this hook knows
 */
export function parseArguments(argv: readonly string[], known: readonly string[]): HookArguments {
  const values: Record<string, string> = {};
  const options = new Set<string>();
  const warnings: string[] = [];
  let command: string | undefined;
  for (const word of argv) {
    // xend splits the line at every single blank, so two blanks make an empty word.
    if (word.trim() === '') continue;
    const at = word.indexOf('=');
    const name = word.slice(0, Math.max(at, 0));
    if (at > 0 && known.includes(name)) {
      if (word.length > at + 1) values[name] = word.slice(at + 1);
      else delete values[name];
    } else if (at >= 0) {
      warnings.push(
        `The argument ${quote(word)} sets no variable of this hook and is ignored; it knows ${listed(known)}.`,
      );
    } else if (word === '-n') {
      options.add('dry-run');
    } else if (word.startsWith('--') && HOOK_OPTIONS.includes(word.slice(2))) {
      options.add(word.slice(2));
    } else if (command === undefined) {
      command = word;
    } else if (command !== word) {
      warnings.push(`The argument ${quote(word)} is ignored: the command is ${quote(command)} already.`);
    }
  }
  return { command, values, options, warnings };
}

/**
 * Merges several sources of variables; a later source wins, and empty values do not count (docs/contract.md,
 * "Arguments").
 * @param known the variables to take; all others are left out
 * @param sources environment, arguments, xenstore, in that order
 */
export function mergeValues(
  known: readonly string[],
  ...sources: readonly Readonly<Record<string, string | undefined>>[]
): Values {
  const merged: Record<string, string> = {};
  for (const source of sources) {
    // Most sources have few of the variables that there are.
    for (const name of Object.keys(source)) {
      const value = source[name];
      if (value !== undefined && value !== '' && known.includes(name)) merged[name] = value;
    }
  }
  return merged;
}

/**
 * Checks the command word.
 * @param command the word that was given; undefined when there was none
 * @param valid the hook's commands, in the order in which the message lists them
 * @returns the command
 * @throws RequestError naming the valid words (docs/contract.md, "Exit status")
 */
export function commandWord<T extends string>(command: string | undefined, valid: readonly T[]): T {
  const found = valid.find((word) => word === command);
  if (found !== undefined) return found;
  const given =
    command === undefined ? 'No command was given' : `${quote(command)} is no command of this hook`;
  throw new RequestError(`${given}; say one of ${listed(valid)}.`);
}

/**
 * Reads a yes/no variable.
 * @param values the variables
 * @param name the variable's name
 * @param unset the result when the variable is not set
 * @throws RequestError when the value is neither yes nor no (on, off, true, false, 1 and 0 count too)
 */
export function yesOrNo(values: Values, name: string, unset: boolean): boolean {
  const value = values[name]?.toLowerCase();
  if (value === undefined) return unset;
  if (['yes', 'on', 'true', '1'].includes(value)) return true;
  if (['no', 'off', 'false', '0'].includes(value)) return false;
  throw new RequestError(`${name} is ${quote(value)}; say yes or no.`);
}

/**
 * Reads a variable that takes one of a few words.
 * @param values the variables
 * @param name the variable's name
 * @param words the words that it takes
 * @returns undefined when the variable is not set
 * @throws RequestError when the value is another word
 */
export function oneOf<T extends string>(values: Values, name: string, words: readonly T[]): T | undefined {
  const value = values[name];
  const found = words.find((word) => word === value);
  if (value === undefined || found !== undefined) return found;
  throw new RequestError(`${name} is ${quote(value)}; say one of ${listed(words)}.`);
}

/**
 * How much spoofing is stopped: none, what iptables rules stop as with the stock scripts, or all of it by the strict
 * filter.
 */
export type Antispoof = 'no' | 'yes' | 'strict';

/**
 * Reads the variable antispoof.
 * @param values the variables
 * @throws RequestError when the value is neither yes, no nor strict
 */
export function parseAntispoof(values: Values): Antispoof {
  if (values['antispoof']?.toLowerCase() === 'strict') return 'strict';
  return yesOrNo(values, 'antispoof', false) ? 'yes' : 'no';
}

/** What the strict filter lets a guest send, in XenServer's words: only from its own addresses, anything, nothing. */
export const LOCKING_MODES = ['locked', 'unlocked', 'disabled'] as const;
export type LockingMode = (typeof LOCKING_MODES)[number];

/** Whether guests' bridged packets bypass connection tracking; auto decides by what antispoof needs. */
export type Notrack = 'yes' | 'no' | 'auto';

/**
 * Reads the variable notrack.
 * @param values the variables
 * @throws RequestError when the value is neither yes, no nor auto
 */
export function parseNotrack(values: Values): Notrack {
  const value = values['notrack'];
  if (value === undefined || value === 'auto') return 'auto';
  return yesOrNo(values, 'notrack', false) ? 'yes' : 'no';
}

/**
 * Reads a whole-number variable.
 * @param values the variables
 * @param name the variable's name
 * @param least the smallest value allowed
 * @param most the largest value allowed
 * @returns undefined when the variable is not set
 * @throws RequestError when the value is no whole number in that range
 */
export function wholeNumber(values: Values, name: string, least: number, most: number): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new RequestError(`${name} is ${quote(value)}; say a whole number from ${least} to ${most}.`);
}

/**
 * Strips one pair of quotes from each value. Guides put quotes around values in xend-config.sxp, as in (network-script
 * 'network-virtual bridgeip="10.0.0.1/24"'); xend passes them on, and no value of a network hook contains a quote.
 * @param values the variables
 */
export function withoutQuotes(values: Values): Values {
  const entries = Object.entries(values).map(([name, value]) => [
    name,
    value.replace(/^(["'])(.*)\1$/s, '$2'),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}
