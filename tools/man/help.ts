// What the administrator's tool says of its commands, read from its help: yargs has it, and nobody has to say it twice.

import { run } from '../runtime.ts';

/** An option of a command, or one of the words behind it. */
export interface CommandWord {
  /** As one types it, such as `-n, --dry-run`. */
  readonly form: string;
  readonly means: string;
  /** A text stands behind it. */
  readonly takesText: boolean;
  readonly choices: readonly string[];
  /** Absent where it is not set, is an empty list, or has nothing but yes and no. */
  readonly unless?: string;
}

export interface ToolCommand {
  /** As one types it, without the tool's name: `vif [name] [setting] [value]`. */
  readonly usage: string;
  readonly name: string;
  readonly means: string;
  readonly words: readonly CommandWord[];
}

/**
 * The commands of the tool, in its order.
 * @param program the compiled program
 */
export async function toolCommands(program: string): Promise<ToolCommand[]> {
  const listed = entries(await help(program), 'Commands');
  const commands = listed.map(([usage, means]) => ({ usage: usage.replace(/^xen-network /, ''), means }));
  return Promise.all(
    commands.map(async ({ usage, means }) => {
      const [name = ''] = usage.split(' ');
      const text = await help(program, name);
      const words = [...entries(text, 'Positionals'), ...entries(text, 'Options')]
        .filter(([form]) => form !== '--help' && form !== '--hooks')
        .map(commandWord);
      return { usage, name, means, words };
    }),
  );
}

async function help(program: string, ...words: string[]): Promise<string> {
  return (await run({ env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })`${program} ${words} --help`).stdout;
}

/**
 * The two columns of a part of yargs's help, its broken lines joined.
 * @param text the help
 * @param part the part's heading
 */
export function entries(text: string, part: string): [form: string, means: string][] {
  const [, body = ''] = new RegExp(`^${part}:\\n((?: .*\\n)+)`, 'm').exec(text) ?? [];
  const found: [string, string][] = [];
  for (const line of body.split('\n').filter((one) => one !== '')) {
    // What begins further to the right goes on with the entry before.
    const [, form, rest = ''] = /^ {2}(?: {4})?(\S.*?)(?: {2,}(.*))?$/.exec(line) ?? [];
    const last = found.at(-1);
    if (form !== undefined) found.push([form, rest.trim()]);
    else if (last !== undefined) last[1] = `${last[1]} ${line.trim()}`.trim();
  }
  return found.map(([form, means]) => [form, means.replace(/ +/g, ' ')]);
}

/** What yargs says of a word in brackets; a default may itself be in brackets. */
const TAG = / ?\[((?:[^[\]]|\[[^\]]*\])*)\]/g;
/** Defaults that nobody has to be told. */
const NOTHING = ['false', '[]'];

function commandWord([form, text]: readonly [string, string]): CommandWord {
  const tags = [...text.matchAll(TAG)].map(([, tag = '']) => tag);
  const tagged = (key: string) => tags.find((tag) => tag.startsWith(`${key}: `))?.slice(key.length + 2);
  const unless = tagged('default')?.replaceAll('"', '');
  return {
    form,
    means: text.replace(TAG, '').trim(),
    takesText: tags.includes('string') && form.startsWith('-'),
    choices: [...(tagged('choices') ?? '').matchAll(/"([^"]+)"/g)].map(([, word = '']) => word),
    ...(unless === undefined || NOTHING.includes(unless) ? {} : { unless }),
  };
}
