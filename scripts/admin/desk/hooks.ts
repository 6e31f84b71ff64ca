import { HostError, RequestError } from '../../../lib/errors.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { hostName } from '../../../lib/observe/host/config-file.ts';
import { type HookLinks, readHookLinks } from '../../../lib/observe/host/hook-links.ts';
import {
  type HookState,
  hookState,
  type LinkChange,
  planLinks,
  planNoLinks,
  sweepCommands,
} from '../../../lib/plan/hook-links.ts';
import { failureText } from '../../../lib/system/processes/exec.ts';
import type { System } from '../../../lib/system/system.ts';
import { quote } from '../../../lib/text.ts';
import { table } from '../table.ts';

/** The commands of "xen-network hooks". */
export type HooksWord = 'enable' | 'disable' | 'status';

/** The options of these commands. */
export interface HooksOptions {
  readonly scriptsDir: string;
  /** A tree to treat as if it were /. */
  readonly root: string | undefined;
  /** The target of the links, as a path below the root; this program where it is not given. */
  readonly program: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** The exit status when the links could not be read or changed. */
const COULD_NOT_LOOK = 2;
/** What the program is called wherever it is installed. */
const NAME = 'xen-network';
/** The form of what --json prints. */
const JSON_VERSION = 1;

/**
 * Replaces the hook scripts by links to this program, restores them, or shows their state. What is done already is left
 * as it is.
 * @param context the call
 * @param word the command
 * @param options the options
 * @param hooks the names of all hooks
 * @returns 0 where all hooks have the wanted state (for status: enabled), 1 where one has not
 * @throws RequestError, HostError
 */
export function hooksCommand(
  context: Context,
  word: HooksWord,
  options: HooksOptions,
  hooks: readonly string[],
): number {
  const { system, log } = context;
  const root = rootOf(options.root);
  const folder = folderPath(options.scriptsDir, '--scripts-dir');
  const program =
    options.program === undefined ? ownProgram(system, root) : folderPath(options.program, '--program');
  const read = () => readHookLinks(system, { root, folder, program, hooks });
  if (word === 'status') return showStatus(context, read(), program, hooks, options.json);
  if (root === '' && !options.dryRun && system.userId() !== 0)
    throw new HostError(`Only root may ${word} hooks in ${folder}; --dry-run shows what would be done.`, {
      exitCode: COULD_NOT_LOOK,
    });
  if (word === 'enable' && !options.dryRun && system.kindOf(`${root}${program}`) !== 'file')
    throw new HostError(`There is no program ${root}${program} that hooks could lead to.`, {
      exitCode: COULD_NOT_LOOK,
    });
  const links = read();
  const { changes, left } = word === 'enable' ? planLinks(links, hooks) : planNoLinks(links);
  for (const change of changes) carryOut(context, change, options.dryRun);
  for (const sentence of left) log.warn(sentence);
  if (!options.dryRun && word === 'disable') for (const argv of sweepCommands(links.folder)) system.run(argv);
  if (options.json) printJson(context, options.dryRun ? links : read(), program, hooks);
  else if (system.terminalWidth('out') !== undefined)
    context.print(summary(word, links.folder, changes.length, left.length));
  return left.length === 0 ? 0 : 1;
}

function summary(word: HooksWord, folder: string, changes: number, left: number): string {
  const nothing = changes === 0 && left === 0 ? '; there was nothing to change' : '';
  const but = left === 0 ? '' : ' but for those named above';
  return `The hooks in ${folder} are ${word}d${but}${nothing}.\n`;
}

/** Parts of the path that do not exist yet may contain "..". */
function rootOf(given: string | undefined): string {
  if (given === undefined) return '';
  if (!given.startsWith('/'))
    throw new RequestError(`--root is ${quote(given)}; give an absolute path.`, { exitCode: COULD_NOT_LOOK });
  return given.replace(/\/+$/, '');
}

function folderPath(path: string, option: string): string {
  const plain = path.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
  if (plain.startsWith('/') && !/\/\.{1,2}(\/|$)/.test(plain) && !/[\n\0]/.test(plain)) return plain;
  throw new RequestError(`${option} is ${quote(path)}; give an absolute path without . and .. in it.`, {
    exitCode: COULD_NOT_LOOK,
  });
}

function ownProgram(system: System, root: string): string {
  const program = system.linkTarget('/proc/self/exe') ?? '';
  if (!program.endsWith(`/${NAME}`))
    throw new RequestError(
      `This program is ${quote(program)}, and hooks lead to one that is called ${NAME}. Name it by --program.`,
      { exitCode: COULD_NOT_LOOK },
    );
  if (root === '') return program;
  if (program.startsWith(`${root}/`)) return program.slice(root.length);
  throw new RequestError(
    `This program is not below ${root}; say by --program what it is called there, such as /usr/lib/xen-network/xen-network.`,
    { exitCode: COULD_NOT_LOOK },
  );
}

function carryOut(
  { system, print }: Context,
  { what, commands, instead }: LinkChange,
  dryRun: boolean,
): void {
  if (dryRun) {
    print(`would ${what}\n`);
    return;
  }
  for (const [i, argv] of commands.entries()) {
    const first = system.run(argv);
    const isLast = i === commands.length - 1;
    const ran = first.status !== 0 && isLast && instead !== undefined ? system.run(instead) : first;
    if (ran.status !== 0)
      throw new HostError(`It is not possible to ${what}: ${failureText(ran)}.`, {
        exitCode: COULD_NOT_LOOK,
      });
  }
  print(`${what}\n`);
}

const WORDS: Readonly<Record<HookState, string>> = {
  enabled: 'this program',
  replaced: 'somebody put a file over our link, such as an upgrade of Xen',
  interrupted: 'a run was interrupted; enable or disable again',
  stock: "somebody else's script",
  missing: 'nothing',
};

function showStatus(
  context: Context,
  links: HookLinks,
  program: string,
  hooks: readonly string[],
  json: boolean,
): number {
  if (!links.isThere)
    throw new HostError(`There is no folder ${links.folder}; "xen-network hooks enable" makes it.`, {
      exitCode: COULD_NOT_LOOK,
    });
  const states = links.places
    .filter(({ name }) => hooks.includes(name))
    .map((place) => ({ place, state: hookState(place) }));
  if (json) printJson(context, links, program, hooks);
  else
    context.print(
      table([
        ['HOOK', 'STATE', 'WHAT IS THERE'],
        ...states.map(({ place, state }) => [place.name, state, WORDS[state]]),
      ]),
    );
  return states.every(({ state }) => state === 'enabled') ? 0 : 1;
}

function printJson(
  { system, print }: Context,
  links: HookLinks,
  program: string,
  hooks: readonly string[],
): void {
  const found = {
    version: JSON_VERSION,
    host: hostName(system),
    scripts: links.folder,
    program,
    hooks: links.places
      .filter(({ name }) => hooks.includes(name))
      .map((place) => ({
        name: place.name,
        state: hookState(place),
        path: place.path,
        stock: place.hasStock ? place.stock : null,
      })),
  };
  print(`${JSON.stringify(found, null, 2)}\n`);
}
