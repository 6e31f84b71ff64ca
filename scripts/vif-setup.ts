import { HostError, RequestError, type XenNetworkError } from '../lib/errors.ts';
import type { Applet, Context, Hooks } from '../lib/hook/context.ts';
import { findScript, runHook, runScript } from '../lib/hook/scripts.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { quote } from '../lib/text.ts';

/** Tells a script that vif-setup called it, so that it does not call vif-setup again without end. */
const CALLED = 'XEN_NETWORK_VIF_SETUP';

/**
 * The hook that udev calls for a guest of xend (docs/contract.md, "vif-setup"). It runs the guest's own script, which
 * `$script` names with or without arguments, otherwise vif-bridge. A hook of ours runs in this process, any other file
 * as a child.
 * @param hooks our hooks
 */
export function vifSetup(hooks: Hooks): Applet {
  return async (context) => {
    const [script = 'vif-bridge', ...words] = (context.env['script'] ?? '')
      .split(/\s+/)
      .filter((word) => word !== '');
    const { path, name, isOurs } = findScript(context.system, hooks, script);
    const argv = [...words, ...context.argv];
    const load = isOurs ? hooks[name] : undefined;
    if (name === 'vif-setup' || context.env[CALLED] === path) return refuse(context, loop(script));
    return load === undefined ? runFile(context, path, argv) : runHook(context, name, argv, load);
  };
}

async function runFile(context: Context, path: string, argv: readonly string[]): Promise<number> {
  const env = { ...context.env, [CALLED]: path };
  const { status, failure } = await runScript(context.system, [path, ...argv], env);
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

/** Nobody else reports this to xenstore, and the guest would wait forever. */
function refuse(context: Context, error: XenNetworkError): Promise<number> {
  return runVifHook(context, {
    attach: () => Promise.reject(error),
    detach: () => Promise.reject(error),
  });
}
