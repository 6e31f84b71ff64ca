// A manual page's source, with what is described elsewhere put in its place: lines of man/*.scd in the form @WORD@.

import { HOOK_OPTIONS } from '../../lib/request/arguments.ts';
import { DESCRIBED_HOOKS } from '../../lib/request/described/hooks.ts';
import type { Described, HookDescription } from '../../lib/request/described/variable.ts';
import type { CommandWord, ToolCommand } from './help.ts';

/** What a page's placeholders need. */
export interface PageFacts {
  readonly version: string;
  readonly commands: readonly ToolCommand[];
}

/**
 * Fills a page's placeholders in.
 * @param name the page, such as `network-bridge`
 * @param text its source
 * @param facts what the program says of itself
 * @returns the text that scdoc(1) takes
 * @throws Error naming a placeholder that means nothing there
 */
export function filledPage(name: string, text: string, facts: PageFacts): string {
  return text.replace(/@([A-Z]+)((?: [a-z0-9.-]+)*)@/g, (whole, word: string, rest: string) => {
    const words = rest.trim().split(' ');
    const fill = FILLED[word];
    const filled = fill?.(words[0] === '' ? [name] : words, facts);
    if (filled === undefined) throw new Error(`man/${name}: ${whole} means nothing.`);
    return filled;
  });
}

const FILLED: Readonly<Record<string, (words: readonly string[], facts: PageFacts) => string | undefined>> = {
  HEAD: ([name, section], { version }) => `${name}(${section}) "xen-network ${version}" "Xen networks"`,
  NAME: ([name = '']) => ofHook(name, ({ purpose }) => `${name} - ${escaped(purpose)}`),
  PURPOSE: ([name = '']) => ofHook(name, ({ purpose }) => escaped(purpose)),
  SYNOPSIS: ([name = '']) => ofHook(name, (hook) => synopsis(name, hook)),
  VARIABLES: ([name = '']) => ofHook(name, ({ variables }) => variables.map(variableText).join('\n')),
  OPTIONS: () => HOOK_OPTIONS.map(optionText).join('\n'),
  EXIT: ([name = '']) => (name.startsWith('vif-') ? VIF_EXIT : NETWORK_EXIT),
  FILES: () => FILES,
  COMMANDS: (_, { commands }) => commands.map(commandText).join('\n'),
};

const NETWORK_EXIT = `*0*
	success, or there was nothing to do
*1*
	failure, with one sentence that names the device, what failed, why and what to do; the host is as it was before`;

const VIF_EXIT = `*0*
	success; *offline* and *remove* always end with it
*1*
	failure, with one sentence that names the device, what failed, why and what to do, which xenstore has as well`;

const FILES = `_/run/xen-network_
	what a run changes until it is done, what guests were given, and what several hooks need of the host
_/var/log/xen/xen-hotplug.log_
	what the hooks said`;

const OPTIONS: Readonly<Record<string, string>> = {
  help: 'the command, its variables and what they mean',
  version: 'the version',
  'dry-run':
    'print the commands, each with its reason, and change nothing; *XEN_NETWORK_DRY_RUN=1* in the environment does the same',
  json: 'what *status* shows as JSON',
};

function ofHook(name: string, text: (hook: HookDescription) => string): string | undefined {
  const hook = DESCRIBED_HOOKS[name];
  return hook === undefined ? undefined : text(hook);
}

/**
 * A text with what scdoc(1) would take for its own marks made plain.
 * @param text in one line
 */
export function escaped(text: string): string {
  return text.replace(/[\\*_`<>#]/g, '\\$&');
}

function synopsis(name: string, { commands, words }: HookDescription): string {
  return `*${name}* {${commands.map((word) => `*${word}*`).join('|')}} ${placeholders(words)} [*--dry-run*] [*--json*]`;
}

/** Words in small letters stand as they are, those in capitals are to be filled in. */
function placeholders(text: string): string {
  return text
    .split(/([A-Z][A-Z0-9]*)/)
    .map((piece) => (/^[A-Z]/.test(piece) ? `_${piece}_` : escaped(piece)))
    .join('');
}

function variableText({ name, values, means, unless }: Described): string {
  const forms = values.map((word) => (/^[a-z0-9]+$/.test(word) ? `*${word}*` : placeholders(word))).join('|');
  return `*${escaped(name)}*=${forms}\n\t${sentences(means, unless)}`;
}

function sentences(means: string, unless: string | undefined): string {
  const meaning = `${escaped(means.replace(/^[a-z](?!\w*:)/, (letter) => letter.toUpperCase()))}.`;
  return unless === undefined ? meaning : `${meaning} Unless told: ${escaped(unless)}.`;
}

function optionText(option: string): string {
  const short = option === 'dry-run' ? '*-n*, ' : '';
  return `${short}*--${option}*\n\t${OPTIONS[option] ?? ''}`;
}

function commandText({ usage, means, words }: ToolCommand): string {
  const shown = words.map((word) => `\n\n\t${wordText(word)}`).join('');
  return `*xen-network ${escaped(usage)}*\n\t${sentences(means, undefined)}${shown}\n`;
}

function wordText({ form, means, takesText, choices, unless }: CommandWord): string {
  const behind = choices.length > 0 ? ` ${choices.join('|')}` : takesText ? ' _VALUE_' : '';
  return `*${escaped(form)}*${behind}: ${escaped(means)}${unless === undefined ? '' : `; unless told: ${escaped(unless)}`}`;
}
