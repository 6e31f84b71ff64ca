import { visible } from '../lib/contract/text.ts';
import { isOutOfMemory, messageOf, XenNetworkError } from '../lib/errors.ts';
import type { Applet, Context } from '../lib/hook/context.ts';
import { interruptWaits, setDeadline } from '../lib/system/deadline.ts';
import { withFirewall } from '../lib/system/firewall.ts';
import { loadNative } from '../lib/system/load-native.ts';
import { openLog } from '../lib/system/log.ts';
import { openSystem } from '../lib/system/system.ts';
import manifest from '../package.json' with { type: 'json' };

/** Every hook by the name it has in /etc/xen/scripts, loaded only when it is called. */
const HOOKS: Readonly<Record<string, () => Promise<Applet>>> = {
  'network-bridge': async () => (await import('../scripts/network-bridge.ts')).networkBridge,
  'network-multi-bridge': async () => (await import('../scripts/network-multi-bridge.ts')).networkMultiBridge,
  'network-nat': async () => (await import('../scripts/network-nat.ts')).networkNat,
  'network-route': async () => (await import('../scripts/network-route.ts')).networkRoute,
  'network-virtual': async () => (await import('../scripts/network-virtual.ts')).networkVirtual,
  'vif-bridge': async () => (await import('../scripts/vif-bridge.ts')).vifBridge,
  'vif-nat': async () => (await import('../scripts/vif-nat.ts')).vifNat,
  'vif-openvswitch': async () => (await import('../scripts/vif-openvswitch.ts')).vifOpenvswitch,
  'vif-route': async () => (await import('../scripts/vif-route.ts')).vifRoute,
  'vif-setup': async () => (await import('../scripts/vif-setup.ts')).vifSetup(HOOKS),
};

/** xl ends a hook after 40 s: so much for the work, and the rest for its undo and the word to xenstore. */
const VIF_CALL_MS = 26_000;

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
    (await import('../scripts/admin/tool.ts')).adminTool(Object.keys(HOOKS)),
  );
}

async function runApplet(
  hook: string,
  argv: readonly string[],
  load: () => Promise<Applet>,
): Promise<number> {
  const native = await loadNative();
  // Whatever the caller's is: a folder that others may write is one that others may command root by.
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
  };
  // The terminal may go away while the host's only NIC is being moved: that must not end the run half-way.
  process.on('SIGHUP', () => {});
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, ask);
  try {
    return await (await load())(context);
  } catch (thrown) {
    // The engine itself has the means to tell xenstore where there is no memory even for that.
    if (isOutOfMemory(thrown)) throw thrown;
    log.error(messageOf(thrown));
    if (!(thrown instanceof XenNetworkError) && thrown instanceof Error) log.info(thrown.stack ?? '');
    return thrown instanceof XenNetworkError ? thrown.exitCode : 1;
  } finally {
    await log.flush();
  }
}

/** What several looks at the host find is said once. */
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

main().then((status) => {
  process.exitCode = status;
  process.exit();
});
