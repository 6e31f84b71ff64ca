import type { Candidate } from './completion.ts';

/** A word that the help tells of, with those that it can be, or that can follow it. */
export interface HelpWord extends Candidate {
  readonly choices: readonly string[];
  /** An option that is followed by a value. */
  readonly takesValue: boolean;
}

/** The content of a help text of the tool. */
export interface HelpText {
  readonly commands: readonly Candidate[];
  readonly positionals: readonly HelpWord[];
  readonly options: readonly HelpWord[];
}

/**
 * Parses a help text of the tool that has no wrapped lines.
 * @param text the text, as yargs makes it
 */
export function parseHelpText(text: string): HelpText {
  return {
    commands: sectionOf(text, 'Commands').flatMap((line) => {
      const [, word, about = ''] = /^ {2}xen-network (\S+)(?: .*?)? {2,}(.*)$/.exec(line) ?? [];
      return word === undefined ? [] : [{ word, about }];
    }),
    positionals: sectionOf(text, 'Positionals').flatMap((line) => wordsOf(line, /^ +([a-z]+) {2,}(.*)$/)),
    options: sectionOf(text, 'Options').flatMap((line) =>
      wordsOf(line, /^ +(?:-\w, +)?(--[\w-]+)(?:, --[\w-]+)* {2,}(.*)$/),
    ),
  };
}

function sectionOf(text: string, heading: string): string[] {
  const lines = text.split('\n');
  const begin = lines.indexOf(`${heading}:`);
  if (begin < 0) return [];
  const length = lines.slice(begin + 1).findIndex((line) => line.trim() === '');
  return lines.slice(begin + 1, length < 0 ? undefined : begin + 1 + length);
}

function wordsOf(line: string, form: RegExp): HelpWord[] {
  const [, word, rest = ''] = form.exec(line) ?? [];
  if (word === undefined) return [];
  const choices = [...(/\[choices: ([^\]]*)\]/.exec(rest)?.[1] ?? '').matchAll(/"([^"]*)"/g)];
  return [
    {
      word,
      about: rest.replace(/ {2,}\[.*$/, '').trim(),
      choices: choices.map(([, choice = '']) => choice),
      takesValue: !rest.includes('[boolean]') && !/^(--help|--hooks)$/.test(word),
    },
  ];
}

/**
 * The words that may come next after a command of the tool.
 * @param help the help text of that command
 * @param words the words before, without the command
 * @param current the incomplete word, possibly empty
 * @param named the possible words for a positional argument of this name
 */
export function completeCommand(
  help: HelpText,
  words: readonly string[],
  current: string,
  named: (positional: string) => readonly Candidate[],
): Candidate[] {
  const begins = ({ word }: Candidate) => word.startsWith(current);
  const equals = current.indexOf('=');
  const asked = help.options.find(
    ({ word }) => word === (equals > 0 ? current.slice(0, equals) : words.slice(-1)[0]),
  );
  if (asked?.takesValue === true) {
    const before = equals > 0 ? `${asked.word}=` : '';
    return asked.choices.map((choice) => ({ word: before + choice, about: asked.about })).filter(begins);
  }
  if (current.startsWith('-')) return help.options.filter(({ word }) => !words.includes(word)).filter(begins);
  const valued = (word: string | undefined) =>
    help.options.some((option) => option.word === word && option.takesValue);
  const bare = words.filter((word, i) => !word.startsWith('-') && !valued(words[i - 1]));
  const positional = help.positionals[bare.length];
  if (positional === undefined) return [];
  const choices = positional.choices.map((word) => ({ word, about: positional.about }));
  return (choices.length > 0 ? choices : [...named(positional.word)]).filter(begins);
}
