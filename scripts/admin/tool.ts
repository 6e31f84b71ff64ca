import yargs from 'yargs';
import type { Applet, Context } from '../../lib/hook/context.ts';
import { printStatus } from '../../lib/hook/status.ts';
import { confirm, expire } from './confirm.ts';
import { recover } from './recover.ts';

/**
 * The administrator's tool, for the name xen-network itself.
 * @param hooks the names of all hooks, for the help text
 */
export function adminTool(hooks: readonly string[]): Applet {
  return async (context) => {
    let status = 0;
    const run = (command: (context: Context) => Promise<number>) => async () => {
      status = await command(context);
    };
    await yargs([...context.argv])
      .scriptName('xen-network')
      .usage(
        '$0 COMMAND\n\nThe Xen network hooks as one program. A hook runs by its own name, or as: xen-network HOOK WORDS…',
      )
      .epilogue(`Hooks: ${hooks.join(', ')}. "xen-network HOOK --help" explains each.`)
      .command(
        'status',
        'show addresses, bridges and routes',
        (y) => y.option('json', { type: 'boolean', default: false, describe: 'as JSON' }),
        ({ json }) => printStatus(context, {}, json),
      )
      .command('confirm', 'let a start with confirm=SECONDS stand', {}, run(confirm))
      .command('recover', 'take back what interrupted runs left', {}, run(recover))
      .command(
        'sandbox',
        'show the main job in throw-away network namespaces',
        {},
        run(async (given) => (await import('./sandbox.ts')).sandbox(given)),
      )
      .command(
        'expire <key>',
        false,
        (y) => y.positional('key', { type: 'string', demandOption: true }),
        async ({ key }) => {
          status = await expire(context, key);
        },
      )
      .option('hooks', { type: 'boolean', describe: 'print the names of all hooks, one a line' })
      .demandCommand(1, 'Say what to do.')
      .strict()
      .version(false)
      .help()
      .parseAsync();
    return status;
  };
}
