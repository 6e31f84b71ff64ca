import yargs, { type Argv } from 'yargs';
import { RequestError } from '../../lib/errors.ts';
import type { Applet, Context, Hooks } from '../../lib/hook/context.ts';
import type { Topology } from '../../lib/observe/bridge/uplink.ts';
import { confirm, expire } from './confirm.ts';
import { deskCommands } from './desk/commands.ts';
import { complete } from './desk/complete.ts';
import { doctor } from './doctor.ts';
import { reattachGuests } from './reattach.ts';
import { recover } from './recover.ts';
import { refilterAll } from './refilter.ts';
import { status } from './status.ts';
import { vif } from './vif.ts';

/** The maximum width of the help text, in characters. */
const WIDEST = 80;
const NEEDED = { type: 'string', demandOption: true } as const;
const TOPOLOGIES: readonly Topology[] = ['classic', 'rename', 'plain'];

/**
 * The administrator's tool, which runs under the name xen-network.
 * @param hooks all hooks, for the help text and to run them
 */
export function adminTool(hooks: Hooks): Applet {
  return async (context) => {
    let ended = 0;
    const done = (found: number) => {
      ended = found;
    };
    const [first, ...rest] = context.argv;
    // Its words are not the tool's: they are what somebody has typed so far.
    if (first === 'complete') return complete(context, rest, helpOf(context, hooks));
    await makeTool(context, hooks, done)
      .wrap(helpWidth(context))
      .parseAsync([...context.argv], {}, helpPrinter(context));
    return ended;
  };
}

/** The help text of the tool, or of a command, each line as long as it needs. */
function helpOf(context: Context, hooks: Hooks): (words: readonly string[]) => Promise<string> {
  return async (words) => {
    let text = '';
    const keep = (_error: unknown, _argv: unknown, help: string) => {
      text = help;
    };
    await makeTool(context, hooks, () => {})
      .wrap(null)
      .fail(() => {})
      .parseAsync([...words, '--help'], {}, keep);
    return text;
  };
}

function makeTool(context: Context, hooks: Hooks, done: (status: number) => void): Argv {
  const tool = yargs()
    .scriptName('xen-network')
    .usage(
      '$0 COMMAND\n\nThe Xen network hooks as one program. A hook runs by its own name, or as: xen-network HOOK WORDS…',
    )
    .epilogue(`Hooks: ${Object.keys(hooks).join(', ')}. "xen-network HOOK --help" explains each.`)
    .option('hooks', { type: 'boolean', describe: 'print the names of all hooks, one a line' });
  runningCommands(tool, context, done);
  deskCommands(tool, context, hooks, done);
  ownCommands(tool, context, Object.keys(hooks), done);
  return tool.demandCommand(1, 'Say what to do.').strict().version(false).help().fail(refuse);
}

/** The commands about what is running. */
function runningCommands(tool: Argv, context: Context, done: (status: number) => void): void {
  const run = (command: (context: Context) => Promise<number>) => async () => done(await command(context));
  tool
    .command(
      'status',
      'show the map of the host: bridges, switches, cards, guests, and what is wrong',
      (y) =>
        y
          .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
          .option('svg', { type: 'boolean', default: false, describe: 'as a picture (SVG)' })
          .check(({ json, svg }) => !(json && svg) || 'Say --json or --svg, not both.'),
      async ({ json, svg }) => done(await status(context, json ? 'json' : svg ? 'svg' : 'text')),
    )
    .command(
      'doctor [guest]',
      'look for what is wrong with networks and guests, and say what to do',
      doctorWords,
      async ({ guest, watch, count, json }) => done(await doctor(context, { guest, watch, count, json })),
    )
    .command('confirm', 'confirm a start with confirm=SECONDS, so that it stays', {}, run(confirm))
    .command('recover', 'undo interrupted runs', {}, run(recover))
    .command(
      'refilter',
      "restore all running guests' filters, after a firewall was reloaded",
      {},
      run(refilterAll),
    )
    .command(
      'reattach [guest]',
      'attach the devices of a running guest once more, by its own script',
      reattachWords,
      async ({ guest, all }) => done(await reattachGuests(context, { guest, all })),
    )
    .command(
      'vif [name] [setting] [value]',
      'show what antispoof=strict holds each guest to; set locked, unlocked, disabled, "log on" or "log off"',
      vifWords,
      async ({ name, setting, value, json }) => done(await vif(context, { name, setting, value, json })),
    );
}

/** The sandbox, and the commands that only the program itself calls. */
function ownCommands(
  tool: Argv,
  context: Context,
  names: readonly string[],
  done: (status: number) => void,
): void {
  tool
    .command(
      'sandbox',
      'show the main job in throw-away network namespaces',
      sandboxOptions,
      async ({ topology, shell, inside }) =>
        done(await (await import('./sandbox.ts')).sandbox(context, { topology, shell, inside }, names)),
    )
    .command(
      'expire <key>',
      false,
      (y) => y.positional('key', NEEDED),
      async ({ key }) => done(await expire(context, key)),
    )
    .command(
      'serve-xenstore <socket>',
      false,
      (y) => y.positional('socket', NEEDED),
      ({ socket }) => serveSandbox(context, socket),
    );
}

function helpWidth({ system }: Context): number {
  return Math.min(WIDEST, system.terminalWidth('out') ?? WIDEST);
}

/** With this function yargs neither prints nor ends the process itself. */
function helpPrinter({ print }: Context) {
  return (_error: unknown, _argv: unknown, help: string): void => {
    if (help !== '') print(`${help}\n`);
  };
}

/** Turns an error of yargs into one of ours; an error of a command stays as it is. */
function refuse(message: string, error: Error | undefined): never {
  if (error !== undefined && error.name !== 'YError') throw error;
  const said = message.trim().replace(/\.?$/, '.');
  throw new RequestError(`${said} "xen-network --help" shows what there is.`, { exitCode: 2 });
}

/** Returns only when a signal ends this process. */
async function serveSandbox({ system }: Context, socket: string): Promise<void> {
  const { serveXenstore } = await import('../../lib/sandbox/xenstored.ts');
  await serveXenstore(await system.native(), socket);
}

function doctorWords(y: Argv) {
  return y
    .positional('guest', {
      type: 'string',
      describe: "a guest's name or domain, or one of its devices: the way of its packets, too",
    })
    .option('watch', {
      type: 'boolean',
      default: false,
      describe: 'count its packets at each hop every second, to follow a ping of it',
    })
    .option('count', { type: 'number', requiresArg: true, describe: 'end --watch after so many seconds' })
    .option('json', { type: 'boolean', default: false, describe: 'as JSON' });
}

function reattachWords(y: Argv) {
  return y
    .positional('guest', { type: 'string', describe: "a guest's name or domain, or one of its devices" })
    .option('all', { type: 'boolean', default: false, describe: 'every guest' });
}

function vifWords(y: Argv) {
  return y
    .positional('name', { type: 'string', describe: "a port, or the kernel's name of it" })
    .positional('setting', { type: 'string', describe: 'what to set' })
    .positional('value', { type: 'string', describe: 'on or off, for log' })
    .option('json', { type: 'boolean', default: false, describe: 'as JSON' });
}

function sandboxOptions(y: Argv) {
  return y
    .option('topology', { choices: TOPOLOGIES, default: 'classic' as const, describe: 'of network-bridge' })
    .option('shell', {
      alias: 'keep',
      type: 'boolean',
      default: false,
      describe: 'open a shell in the running sandbox before it is taken down',
    })
    .option('inside', { type: 'string', hidden: true });
}
