import type { Argv } from 'yargs';
import { type Context, isDryRun } from '../../lib/hook/context.ts';
import type { Hooks } from '../../lib/hook/scripts.ts';
import { XEND_CONFIG } from '../../lib/wire/config/xend-config.ts';
import type { BootCommand } from './boot.ts';

const BOOT_COMMANDS: readonly (readonly [command: BootCommand, purpose: string])[] = [
  ['start', 'run the network-script of xend-config.sxp, as xend did at boot'],
  ['stop', 'run it with stop'],
  ['restart', 'run it with stop, then with start'],
];

/**
 * Adds the commands of the administrator's desk, each loaded when it is called.
 * @param tool the tool
 * @param context the call
 * @param hooks all hooks
 * @param done is told the exit status
 */
export function deskCommands(
  tool: Argv,
  context: Context,
  hooks: Hooks,
  done: (status: number) => void,
): void {
  for (const [command, purpose] of BOOT_COMMANDS)
    tool.command(command, purpose, bootOptions, async ({ config, dryRun }) => {
      const { boot } = await import('./boot.ts');
      const options = { config, dryRun: isDryRun(context, new Set(dryRun ? ['dry-run'] : [])) };
      done(await boot(context, command, options, hooks));
    });
}

function bootOptions(y: Argv) {
  return y
    .option('config', {
      type: 'string',
      requiresArg: true,
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
