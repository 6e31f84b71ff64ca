import { XenNetworkError } from '../errors.ts';
import { heldLocks } from './file-lock.ts';

/** What a child process left. */
export interface RunResult {
  /** Its exit status; 127 when it could not be started, 128 + n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Text for its standard input; it reads an empty one otherwise. */
  readonly input?: string;
  /** Variables beside the clean PATH and locale that every child gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** After this many milliseconds it is killed. */
  readonly timeoutMs?: number;
  /** It changes the host: what the terminal sends (hangup, Ctrl-C) does not reach it. */
  readonly ownSession?: boolean;
  /**
   * This process's locks stay held until it ends, even if this process is killed before. Not for what starts daemons,
   * which would hold them for ever.
   */
  readonly keepsLocks?: boolean;
}

/** Nothing of the caller's environment reaches a child: neither its PATH nor its locale nor a loader's variable. */
export const CHILD_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

export const DEFAULT_TIMEOUT_MS = 30_000;
const MOST_OUTPUT = 256 * 1024 * 1024;

/**
 * Runs a program and waits for it, with no shell.
 * @param argv the program, found by the clean PATH, and its arguments
 * @param options input, variables, time limit
 */
export function run(argv: readonly string[], options: RunOptions = {}): RunResult {
  const [file = '', ...args] = argv;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const done = spawnSync(file, args, {
    input: options.input ?? '',
    stdio: ['pipe', 'pipe', 'pipe', ...inherited(options)],
    ...(options.ownSession === true ? { detached: true } : {}),
    env: { ...CHILD_ENVIRONMENT, ...options.env },
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_OUTPUT,
    encoding: 'utf8',
    cwd: '/',
  });
  const why = done.error === undefined ? '' : done.error.message;
  const status = done.status ?? (done.signal === null ? 127 : signalStatus(done.signal));
  return { status, stdout: done.stdout ?? '', stderr: `${done.stderr ?? ''}${why}` };
}

function inherited({ keepsLocks }: RunOptions): number[] {
  return keepsLocks === true ? heldLocks() : [];
}

function signalStatus(signal: NodeJS.Signals): number {
  return 128 + process.getBuiltinModule('node:os').constants.signals[signal];
}

/**
 * Starts a program in a session of its own, with no terminal, and does not wait for it.
 * @param argv the program and its arguments
 * @param name what it is called by
 * @throws XenNetworkError when it cannot be started
 */
export function startDetached(argv: readonly string[], name: string): void {
  const [file = '', ...args] = argv;
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(file, args, {
    argv0: name,
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { ...CHILD_ENVIRONMENT },
  });
  child.on('error', () => {});
  if (child.pid === undefined) throw new XenNetworkError(`The program ${file} cannot be started.`);
  child.unref();
}

/** How a program ended that had this process's own place. */
export interface PassResult {
  readonly status: number;
  /** Why it could not be started. */
  readonly failure?: string;
}

/**
 * Runs a program in this process's place, with its standard streams and the environment given, and waits for it.
 * @param argv the program's path and its arguments
 * @param env its whole environment
 */
export function pass(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): PassResult {
  const [file = '', ...args] = argv;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const done = spawnSync(file, args, { stdio: 'inherit', env: { ...env } });
  if (done.error !== undefined) return { status: 127, failure: done.error.message };
  return { status: done.status ?? (done.signal === null ? 127 : signalStatus(done.signal)) };
}
