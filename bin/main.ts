import { isOutOfMemory, messageOf, XenNetworkError } from '../lib/errors.ts';
import type { Applet, Context } from '../lib/hook/context.ts';
import { noteRun } from '../lib/hook/noted-runs.ts';
import { openLog } from '../lib/system/files/log.ts';
import { withFirewall } from '../lib/system/kernel/firewall.ts';
import { loadNative } from '../lib/system/kernel/load-native.ts';
import { noteClock } from '../lib/system/processes/clock.ts';
import { interruptWaits, setDeadline } from '../lib/system/processes/deadline.ts';
import { openSystem } from '../lib/system/system.ts';
import { visible } from '../lib/text.ts';
import manifest from '../package.json' with { type: 'json' };
import { HOOKS, loadNetworkHooks } from './hooks.ts';

/** xl ends a hook after 40 s: this much for the work, the rest for its undo and the report in xenstore. */
const VIF_CALL_MS = 26_000;

/**
 * Does what the program was called for.
 * @returns the exit status
 */
async function main(): Promise<number> {
  const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
  const words = process.argv.slice(2);
  const linked = Object.hasOwn(HOOKS, called);
  const hook = linked ? called : (words[0] ?? '');
  const load = Object.hasOwn(HOOKS, hook) ? HOOKS[hook] : undefined;
  if (load === undefined) return runTool(words);
  const argv = linked ? words : words.slice(1);
  if (argv.includes('--help')) return print((await import('../lib/hook/help.ts')).helpText(hook));
  if (argv.includes('--version')) return print(`${hook} (xen-network) ${manifest.version}\n`);
  return runApplet(hook, argv, load);
}

async function runTool(words: readonly string[]): Promise<number> {
  if (words[0] === '--hooks') return print(`${Object.keys(HOOKS).join('\n')}\n`);
  if (words[0] === '--version') return print(`xen-network ${manifest.version}\n`);
  return runApplet('xen-network', words, async () =>
    (await import('../scripts/admin/tool.ts')).adminTool(HOOKS),
  );
}

async function runApplet(
  hook: string,
  argv: readonly string[],
  load: () => Promise<Applet>,
): Promise<number> {
  noteClock();
  const began = performance.now();
  const native = await loadNative();
  // Whatever the caller's umask: others must not be able to write in our folders, since root acts on their content.
  native.umask(0o022);
  if (hook.startsWith('vif-')) setDeadline(VIF_CALL_MS);
  const system = withFirewall(openSystem(native));
  const log = openLog(system, hook);
  let stop = false;
  const ask = () => {
    stop = true;
    interruptWaits();
  };
  const context: Context = {
    hook,
    argv,
    env: process.env,
    system: { ...system, notice: once(log.warn) },
    log,
    print: (text) => system.print(visible(text), 'out'),
    interrupted: () => stop,
    hooks: HOOKS,
    networkHooks: loadNetworkHooks,
  };
  // The terminal may go away while the host's only NIC is being moved; that must not end the run half-way.
  process.on('SIGHUP', () => {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, ask);
  let status = 1;
  try {
    status = await (await load())(context);
  } catch (thrown) {
    // Where there is no memory even for a message, the engine itself reports to xenstore.
    if (isOutOfMemory(thrown)) throw thrown;
    log.error(messageOf(thrown));
    if (!(thrown instanceof XenNetworkError) && thrown instanceof Error) log.info(thrown.stack ?? '');
    if (thrown instanceof XenNetworkError) status = thrown.exitCode;
  } finally {
    await log.flush();
  }
  if (hook !== 'xen-network') noteRun(system, hook, argv[0], status, performance.now() - began);
  return status;
}

/** Says a sentence only once, even if several looks at the host lead to it. */
function once(say: (sentence: string) => void): (sentence: string) => void {
  const said = new Set<string>();
  return (sentence) => {
    if (!said.has(sentence)) say(sentence);
    said.add(sentence);
  };
}

async function print(text: string): Promise<number> {
  (await loadNative()).print(text, 'out');
  return 0;
}

/** Runs a call, and ends the process with its exit status. */
export function runCall(): void {
  main().then((status) => {
    process.exitCode = status;
    process.exit();
  });
}
