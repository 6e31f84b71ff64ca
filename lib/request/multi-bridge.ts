import { RequestError } from '../errors.ts';
import { listed, quote } from '../text.ts';

/** The path of the list where no other is given. */
export const MULTI_LIST = '/etc/xen/network-multi-bridge.conf';

/** One call of a network hook, as on its own command line but without start or stop. */
export interface HookCall {
  readonly hook: string;
  /** Each is VARIABLE=VALUE. */
  readonly words: readonly string[];
}

/** The command line of network-multi-bridge. */
export interface MultiArguments {
  /** Its own words: command, variables, options. */
  readonly own: readonly string[];
  /** The hooks that are named on the command line, each with its variables; empty where the list is to be read. */
  readonly calls: readonly HookCall[];
}

/**
 * Splits the command line: a hook's name begins a call, and the variables up to the next name belong to it. No word
 * contains a blank, so the line survives xend, which splits it at blanks (docs/contract.md, "Arguments").
 * @param argv the words after the program's name
 * @param hooks the names of the hooks that can be called
 */
export function parseMultiArguments(argv: readonly string[], hooks: readonly string[]): MultiArguments {
  const own: string[] = [];
  const calls: { hook: string; words: string[] }[] = [];
  for (const word of argv) {
    const last = calls.at(-1);
    if (hooks.includes(word)) calls.push({ hook: word, words: [] });
    else if (last !== undefined && word.includes('=')) last.words.push(word);
    else own.push(word);
  }
  return { own, calls };
}

/**
 * Reads a list of calls (docs/contract.md, "network-multi-bridge"): one call on each line, "#" begins a comment, blanks
 * separate words, quotes have no meaning. The word "start" after the hook's name may stand there and is skipped.
 * @param text the file's content
 * @param path the file's name, for messages
 * @param hooks the names of the hooks that can be called
 * @throws RequestError naming the first line that is no call
 */
export function parseMultiList(text: string, path: string, hooks: readonly string[]): HookCall[] {
  return text
    .split(/\r?\n/)
    .flatMap((line, i) => parseMultiLine(line, `Line ${i + 1} of ${path}`, hooks) ?? []);
}

/**
 * Reads one line of such a list.
 * @param line the line, without the newline
 * @param place the file and line, for messages
 * @param hooks the names of the network hooks
 * @returns undefined if the line is empty or a comment
 * @throws RequestError if it is no call of a hook
 */
export function parseMultiLine(line: string, place: string, hooks: readonly string[]): HookCall | undefined {
  const [hook = '', ...rest] = line
    .replace(/(^|\s)#.*$/, '')
    .split(/\s+/)
    .filter((word) => word !== '');
  if (hook === '') return undefined;
  if (!hooks.includes(hook))
    throw new RequestError(`${place} begins with ${quote(hook)}, which is none of ${listed(hooks)}.`);
  const words = rest[0] === 'start' ? rest.slice(1) : rest;
  const wrong = words.find((word) => word.indexOf('=') < 1);
  if (wrong !== undefined)
    throw new RequestError(`${place} holds ${quote(wrong)}; after the hook's name it takes VARIABLE=VALUE.`);
  return { hook, words };
}
