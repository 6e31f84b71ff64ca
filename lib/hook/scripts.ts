import { XenNetworkError } from '../errors.ts';
import { openLog } from '../system/files/log.ts';
import type { Environment, PassResult } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import type { Applet, Context, Hooks } from './context.ts';

/** The folder in which Xen's toolstacks look for a script whose name has no slash. */
export const SCRIPTS = '/etc/xen/scripts';
const MOST_LINKS = 8;

/** A script that a configuration names. */
export interface Script {
  readonly path: string;
  /** Without the folder. */
  readonly name: string;
  /** Whether the script is a hook of this program: a link to it, or a plain name whose link is missing. */
  readonly isOurs: boolean;
}

/**
 * Finds the script that a name means.
 * @param system the way to the files
 * @param hooks our hooks
 * @param script a name in the folder of scripts, or a path
 */
export function findScript(system: System, hooks: Hooks, script: string): Script {
  const isPath = script.includes('/');
  const path = isPath ? script : `${SCRIPTS}/${script}`;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const isOurs =
    Object.hasOwn(hooks, name) && ((!isPath && !system.exists(path)) || isThisProgram(system, path));
  return { path, name, isOurs };
}

function isThisProgram(system: System, path: string): boolean {
  let file = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const target = system.linkTarget(file);
    if (target === undefined) break;
    file = target.startsWith('/') ? target : `${file.slice(0, file.lastIndexOf('/') + 1)}${target}`;
  }
  return file === system.linkTarget('/proc/self/exe');
}

/**
 * Runs a hook of ours in this process, under its own name.
 * @param context the call
 * @param name the hook's name
 * @param argv its arguments
 * @param load loads the hook
 * @returns its exit status
 */
export async function runHook(
  context: Context,
  name: string,
  argv: readonly string[],
  load: () => Promise<Applet>,
): Promise<number> {
  const log = openLog(context.system, name);
  try {
    return await (await load())({ ...context, hook: name, argv, log });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.error(thrown.message);
    return thrown.exitCode;
  } finally {
    await log.flush();
  }
}

/**
 * Runs a file in this process's place.
 * @param system the way to the file
 * @param argv its path and its arguments
 * @param env its environment
 * @returns its exit status, or why it could not be started
 */
export async function runScript(
  system: System,
  argv: readonly string[],
  env: Environment,
): Promise<PassResult> {
  const first = await system.pass(argv, env);
  // Like a shell: a text file without "#!" is run as a shell script.
  return first.code === 'ENOEXEC' ? system.pass(['bash', ...argv], env) : first;
}
