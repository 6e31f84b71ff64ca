import { HostError, RequestError, XenNetworkError } from '../lib/errors.ts';
import type { Applet, Context } from '../lib/hook/context.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { openLog } from '../lib/system/files/log.ts';
import { quote } from '../lib/text.ts';

/** Every hook by its name, loaded when it is called. */
type Hooks = Readonly<Record<string, () => Promise<Applet>>>;

const SCRIPTS = '/etc/xen/scripts';
/** Tells a script that it was called from here, so that it does not come back for ever. */
const CALLED = 'XEN_NETWORK_VIF_SETUP';
const MOST_LINKS = 8;

/**
 * What udev calls for a guest of xend (docs/contract.md, "vif-setup"): runs the guest's own script, which `$script`
 * names with or without arguments, else vif-bridge. A hook of ours runs in this process, any other file as a child.
 * @param hooks our hooks
 */
export function vifSetup(hooks: Hooks): Applet {
  return async (context) => {
    const [script = 'vif-bridge', ...words] = (context.env['script'] ?? '')
      .split(/\s+/)
      .filter((word) => word !== '');
    const path = script.includes('/') ? script : `${SCRIPTS}/${script}`;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const argv = [...words, ...context.argv];
    const load = isOurs(context, hooks, script, path) ? hooks[name] : undefined;
    if (name === 'vif-setup' || context.env[CALLED] === path) return refuse(context, loop(script));
    return load === undefined ? runFile(context, path, argv) : runHook(context, name, argv, load);
  };
}

/** A link of that name to this very program; or a hook's mere name, where its link is missing. */
function isOurs({ system }: Context, hooks: Hooks, script: string, path: string): boolean {
  if (!Object.hasOwn(hooks, path.slice(path.lastIndexOf('/') + 1))) return false;
  if (!script.includes('/') && !system.exists(path)) return true;
  let file = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const target = system.linkTarget(file);
    if (target === undefined) break;
    file = target.startsWith('/') ? target : `${file.slice(0, file.lastIndexOf('/') + 1)}${target}`;
  }
  return file === system.linkTarget('/proc/self/exe');
}

async function runHook(
  context: Context,
  hook: string,
  argv: readonly string[],
  load: () => Promise<Applet>,
): Promise<number> {
  const log = openLog(context.system, hook);
  try {
    return await (await load())({ ...context, hook, argv, log });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.error(thrown.message);
    return thrown.exitCode;
  } finally {
    await log.flush();
  }
}

async function runFile(context: Context, path: string, argv: readonly string[]): Promise<number> {
  const env = { ...context.env, [CALLED]: path };
  const first = await context.system.pass([path, ...argv], env);
  // As a shell that is asked to run it does: a text without "#!" is a script of the shell's own.
  const { status, failure } =
    first.code === 'ENOEXEC' ? await context.system.pass(['bash', path, ...argv], env) : first;
  if (failure === undefined) return status;
  return refuse(
    context,
    new HostError(
      `The guest's script ${quote(path)} cannot be run (${failure}). Correct script= of its vif, or make the file executable.`,
    ),
  );
}

function loop(script: string): RequestError {
  return new RequestError(
    `The guest's script ${quote(script)} leads back to vif-setup for ever. Name the hook that is meant, such as vif-bridge.`,
  );
}

/** Nobody else tells xenstore of it, and the guest would wait for ever. */
function refuse(context: Context, error: XenNetworkError): Promise<number> {
  return runVifHook(context, {
    attach: () => Promise.reject(error),
    detach: () => Promise.reject(error),
  });
}
