import type { Argv } from 'yargs';
import { completionScript, SHELLS } from '../../../lib/desk/completion-scripts.ts';
import { type Context, type Hooks, isDryRun } from '../../../lib/hook/context.ts';
import { SCRIPTS } from '../../../lib/hook/scripts.ts';
import { XEND_CONFIG } from '../../../lib/wire/config/xend-config.ts';
import { type BootCommand, boot } from './boot.ts';
import { check } from './check.ts';
import { type HooksWord, hooksCommand } from './hooks.ts';
import { mac } from './mac.ts';
import { traffic } from './traffic.ts';

const HOOKS_WORDS: readonly HooksWord[] = ['enable', 'disable', 'status'];
/** An option with a value; if it is given several times, the last one counts. */
const ONE_TEXT = {
  type: 'string',
  requiresArg: true,
  coerce: (given: string | readonly string[]): string =>
    typeof given === 'string' ? given : (given.slice(-1)[0] ?? ''),
} as const;
const JSON_OPTION = { type: 'boolean', default: false, describe: 'as JSON' } as const;
const BOOT_COMMANDS: readonly (readonly [command: BootCommand, purpose: string])[] = [
  ['start', 'run the network-script of xend-config.sxp, as xend did at boot'],
  ['stop', 'run it with stop'],
  ['restart', 'run it with stop, then with start'],
];

/**
 * Adds the commands of the administrator's desk. None is loaded lazily: each module that is splits what the hooks share
 * into more pieces, and a hook has to load them all.
 * @param tool the tool
 * @param context the call
 * @param hooks all hooks
 * @param done gets the exit status
 */
export function deskCommands(
  tool: Argv,
  context: Context,
  hooks: Hooks,
  done: (status: number) => void,
): void {
  for (const [command, purpose] of BOOT_COMMANDS)
    tool.command(command, purpose, bootOptions, async ({ config, dryRun }) => {
      const options = { config, dryRun: isDryRun(context, new Set(dryRun ? ['dry-run'] : [])) };
      done(await boot(context, command, options, hooks));
    });
  tool.command(
    'hooks <word>',
    'put this program in the place of the scripts in /etc/xen/scripts, take it back, or tell how they stand',
    hooksOptions,
    async ({ word, scriptsDir, root, program, dryRun, json }) =>
      done(hooksCommand(context, word, { scriptsDir, root, program, dryRun, json }, Object.keys(hooks))),
  );
  tool.command(
    'mac [words..]',
    'give a free MAC address, or one made of an IPv4 address; --check: look for those that two cards have',
    macOptions,
    async ({ words, check, prefix, json }) => done(await mac(context, { words, check, prefix, json })),
  );
  tool.command(
    'check [paths..]',
    'look through guest files, xend-config.sxp, xl.conf and network-multi-bridge.conf before anything runs',
    checkOptions,
    async ({ paths, json }) => done(await check(context, { paths, json }, hooks)),
  );
  tool.command(
    'traffic [guest]',
    'show what each guest has sent and received, over restarts, renames and reboots, where account=yes counts it',
    trafficOptions,
    async ({ guest, json, prometheus, save, textfile, forget }) =>
      done(await traffic(context, { guest, json, prometheus, save, textfile, forget })),
  );
  tool.command(
    'completion <shell>',
    'print what a shell is to read so that it completes words: bash, zsh or fish',
    (y) => y.positional('shell', { choices: SHELLS, demandOption: true, describe: 'whose' }),
    ({ shell }) => context.print(completionScript(shell, ['xen-network', ...Object.keys(hooks)])),
  );
}

function bootOptions(y: Argv) {
  return y
    .option('config', {
      ...ONE_TEXT,
      default: XEND_CONFIG,
      describe: 'the file that names the script',
    })
    .option('dry-run', {
      alias: 'n',
      type: 'boolean',
      default: false,
      describe: 'show what would be run, and change nothing',
    });
}

function hooksOptions(y: Argv) {
  return y
    .positional('word', { choices: HOOKS_WORDS, demandOption: true, describe: 'what to do' })
    .option('scripts-dir', {
      ...ONE_TEXT,
      default: SCRIPTS,
      describe: 'where Xen looks for its scripts',
    })
    .option('root', {
      ...ONE_TEXT,
      describe: 'a tree to be treated as /, for a package',
    })
    .option('program', {
      ...ONE_TEXT,
      describe: 'what the hooks lead to; this program unless told',
    })
    .option('dry-run', {
      alias: 'n',
      type: 'boolean',
      default: false,
      describe: 'say what would be done, and change nothing',
    })
    .option('json', JSON_OPTION);
}

function macOptions(y: Argv) {
  return y
    .positional('words', {
      type: 'string',
      array: true,
      default: [],
      describe: "an IPv4 address; with --check guests' files, folders of them, other hosts' --check --json",
    })
    .option('check', {
      type: 'boolean',
      default: false,
      describe: "look at this host's addresses, running and in /etc/xen, and those given",
    })
    .option('prefix', {
      ...ONE_TEXT,
      describe: 'two bytes before the address, the second digit 2, 6, A or E; 02:00 unless told',
    })
    .option('json', JSON_OPTION);
}

function checkOptions(y: Argv) {
  return y
    .positional('paths', {
      type: 'string',
      array: true,
      default: [],
      describe: 'files, and folders of them; all of /etc/xen unless told',
    })
    .option('json', JSON_OPTION);
}

function trafficOptions(y: Argv) {
  const word = { type: 'boolean', default: false } as const;
  return y
    .positional('guest', { type: 'string', describe: "a guest's name, uuid or domain" })
    .option('json', JSON_OPTION)
    .option('prometheus', { ...word, describe: 'in the text format of Prometheus' })
    .option('save', { ...word, describe: 'write the totals to the disk, and show nothing unless told' })
    .option('textfile', {
      ...ONE_TEXT,
      describe: 'write xen-network.prom into this folder of node_exporter, if there is such a folder',
    })
    .option('forget', { ...word, describe: 'forget the totals of a guest that is not counted now' });
}
