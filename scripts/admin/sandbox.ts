import { RequestError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import type { Topology } from '../../lib/observe/bridge/uplink.ts';
import { enterSandbox, networkNamespace } from '../../lib/sandbox/enter.ts';
import { runInside } from '../../lib/sandbox/inside.ts';
import { openShow, type Show } from '../../lib/sandbox/show.ts';
import { wantsColour } from '../../lib/text.ts';

/** The command's options. */
export interface SandboxOptions {
  readonly topology: Topology;
  /** Open a shell in the running sandbox. */
  readonly shell: boolean;
  /** The caller's network namespace; only set for the process that runs inside the sandbox. */
  readonly inside: string | undefined;
}

/**
 * Shows the main job in throw-away network namespaces: a host is bridged, guests join, packets pass, everything is
 * undone.
 * @param context the call
 * @param options the command's options
 * @param hooks the names of all hooks
 * @throws RequestError when a shell is asked for without a terminal
 * @throws HostError when the machine lacks something, and at the first act that fails
 */
export async function sandbox(
  context: Context,
  options: SandboxOptions,
  hooks: readonly string[],
): Promise<number> {
  const show = showOf(context);
  return options.inside === undefined
    ? outside(context, show, options)
    : inside(context, show, { ...options, inside: options.inside }, hooks);
}

async function outside(context: Context, show: Show, { topology, shell }: SandboxOptions): Promise<number> {
  const { system } = context;
  if (shell && (['in', 'out'] as const).some((end) => system.terminalWidth(end) === undefined))
    throw new RequestError('--shell needs a terminal for standard input and output; leave it out.');
  const begun = performance.now();
  const words = ['sandbox', '--inside', networkNamespace(system), '--topology', topology];
  const status = await enterSandbox(context, shell ? [...words, '--shell'] : words);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  if (status === 0) show.title(`\nNothing is left of the sandbox. It took ${seconds} s.`);
  return status;
}

async function inside(
  { system, env }: Context,
  show: Show,
  options: SandboxOptions & { readonly inside: string },
  hooks: readonly string[],
): Promise<number> {
  const { topology, shell } = options;
  await runInside({ show, system, env, topology, shell, hooks, outside: options.inside });
  return 0;
}

function showOf({ env, system }: Context): Show {
  const width = system.terminalWidth('out');
  // The colours of the demo are control characters, which context.print would escape.
  const print = (text: string) => system.print(text, 'out');
  return openShow(print, wantsColour(width !== undefined, env), width ?? Infinity);
}
