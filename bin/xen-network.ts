import { messageOf, XenNetworkError } from '../lib/errors.ts';
import type { Applet, Context } from '../lib/hook/context.ts';
import { helpText } from '../lib/hook/help.ts';
import { openLog } from '../lib/system/log.ts';
import { openSystem } from '../lib/system/system.ts';
import manifest from '../package.json' with { type: 'json' };

/** Every hook by the name it has in /etc/xen/scripts, loaded only when it is called. */
const HOOKS: Readonly<Record<string, () => Promise<Applet>>> = {
  'network-bridge': async () => (await import('../scripts/network-bridge.ts')).networkBridge,
  'vif-bridge': async () => (await import('../scripts/vif-bridge.ts')).vifBridge,
};

async function main(): Promise<number> {
  const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
  const words = process.argv.slice(2);
  const linked = Object.hasOwn(HOOKS, called);
  const hook = linked ? called : (words[0] ?? '');
  const load = Object.hasOwn(HOOKS, hook) ? HOOKS[hook] : undefined;
  if (load === undefined) return runTool(words);
  const argv = linked ? words : words.slice(1);
  if (argv.includes('--help')) return print(helpText(hook));
  if (argv.includes('--version')) return print(`${hook} (xen-network) ${manifest.version}\n`);
  return runApplet(hook, argv, load);
}

async function runTool(words: readonly string[]): Promise<number> {
  if (words[0] === '--hooks') return print(`${Object.keys(HOOKS).join('\n')}\n`);
  if (words[0] === '--version') return print(`xen-network ${manifest.version}\n`);
  return runApplet('xen-network', words, async () =>
    (await import('../scripts/admin/tool.ts')).adminTool(Object.keys(HOOKS)),
  );
}

async function runApplet(
  hook: string,
  argv: readonly string[],
  load: () => Promise<Applet>,
): Promise<number> {
  const system = openSystem();
  const log = openLog(system, hook);
  let stop = false;
  const ask = () => {
    stop = true;
  };
  const context: Context = {
    hook,
    argv,
    env: process.env,
    system,
    log,
    print: (text) => void print(text),
    interrupted: () => stop,
  };
  // The terminal may go away while the host's only NIC is being moved: that must not end the run half-way.
  process.on('SIGHUP', () => {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, ask);
  try {
    return await (await load())(context);
  } catch (thrown) {
    log.error(messageOf(thrown));
    if (!(thrown instanceof XenNetworkError) && thrown instanceof Error) log.info(thrown.stack ?? '');
    return thrown instanceof XenNetworkError ? thrown.exitCode : 1;
  } finally {
    await log.flush();
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

main().then((status) => {
  process.exitCode = status;
  process.exit();
});
