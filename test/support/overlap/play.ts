import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { HOOKS, loadNetworkHooks } from '../../../bin/hooks.ts';
import { messageOf, XenNetworkError } from '../../../lib/errors.ts';
import type { Applet } from '../../../lib/hook/context.ts';
import type { System } from '../../../lib/system/system.ts';
import { adminTool } from '../../../scripts/admin/tool.ts';
import { Namespace } from '../hosts/namespace.ts';
import { commandOf, envOf } from './commands.ts';
import type { Act } from './overlap.ts';

/** The host in which this process runs. */
export const here = new Namespace([]);

/**
 * Runs something in this process.
 * @param act a hook or xen-network
 * @param system the system on which it runs
 * @param said gets what it says
 * @returns its exit status
 */
export async function runHere(act: Act, system: System, said: string[]): Promise<number> {
  const [hook = '', ...argv] = act.run ?? [];
  const applet: Applet | undefined = hook === 'xen-network' ? adminTool({}) : await HOOKS[hook]?.();
  if (applet === undefined) throw new Error(`${JSON.stringify(act)} cannot be the first.`);
  const log = {
    error: () => {},
    warn: (text: string) => void said.push(text),
    info: () => {},
    flush: async () => {},
  };
  const env = act.guest === undefined ? {} : envOf(act.guest, act.emulated);
  try {
    return await applet({
      hook,
      argv,
      env,
      system,
      log,
      print: () => {},
      interrupted: () => false,
      hooks: HOOKS,
      networkHooks: loadNetworkHooks,
    });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw new Error(messageOf(thrown), { cause: thrown });
    said.push(thrown.message);
    return thrown.exitCode;
  }
}

/**
 * Runs something as the program itself, to its end.
 * @param act what is done
 * @returns its exit status, and what it said
 */
export function runAway(act: Act): string {
  const { argv, env } = commandOf(act);
  const { status, stderr } = here.run(argv, { env });
  return `${status} ${stderr.trim()}`;
}

/** What became of the second so far. */
export interface LetIn {
  readonly waits: boolean;
  readonly answer: Promise<string>;
}

/**
 * Starts something, and comes back when it has ended or waits for a lock.
 * @param act what is done
 */
export function letIn(act: Act): LetIn {
  const {
    argv: [file = '', ...args],
    env,
  } = commandOf(act);
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'close');
  const waiting = new RegExp(`-> FLOCK +ADVISORY +WRITE ${child.pid} `);
  let waits = false;
  while (!waits && isRunning(child.pid ?? 0)) {
    Bun.sleepSync(1);
    waits = waiting.test(readFileSync('/proc/locks', 'utf8'));
  }
  return { waits, answer: ended.then(([status, signal]) => `${status ?? signal} ${said.trim()}`) };
}

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/**
 * Whether an answer begins with an exit status that is not 0, or with a signal.
 * @param answer of `runAway` or `letIn`
 */
export const hasFailed = (answer: string): boolean => /^[1-9S]/.test(answer);
