import { messageOf } from '../errors.ts';

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
}

/** Nothing of the caller's environment reaches a child: neither its PATH nor its locale nor a loader's variable. */
export const CHILD_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

const DEFAULT_TIMEOUT_MS = 30_000;
const MOST_OUTPUT = 256 * 1024 * 1024;

/**
 * Runs a program and waits for it, with no shell.
 * @param argv the program, found by the clean PATH, and its arguments
 * @param options input, variables, time limit
 */
export function run(argv: readonly string[], options: RunOptions = {}): RunResult {
  return process.versions.bun === undefined ? runByNode(argv, options) : runByBun(argv, options);
}

/** Bun's own call: through its node:child_process the first child would cost two milliseconds more. */
function runByBun(argv: readonly string[], options: RunOptions): RunResult {
  try {
    const done = Bun.spawnSync([...argv], {
      stdin: new TextEncoder().encode(options.input ?? ''),
      stdout: 'pipe',
      stderr: 'pipe',
      env: { ...CHILD_ENVIRONMENT, ...options.env },
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      cwd: '/',
    });
    const status = typeof done.signalCode === 'string' ? signalStatus(done.signalCode) : done.exitCode;
    return { status, stdout: `${done.stdout}`, stderr: `${done.stderr}` };
  } catch (thrown) {
    return { status: 127, stdout: '', stderr: messageOf(thrown) };
  }
}

function runByNode(argv: readonly string[], options: RunOptions): RunResult {
  const [file = '', ...args] = argv;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const done = spawnSync(file, args, {
    input: options.input ?? '',
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

function signalStatus(signal: NodeJS.Signals): number {
  return 128 + process.getBuiltinModule('node:os').constants.signals[signal];
}

/**
 * Starts a program in a session of its own, with no terminal, and does not wait for it.
 * @param argv the program and its arguments
 */
export function startDetached(argv: readonly string[]): void {
  const [file = '', ...args] = argv;
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(file, args, {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { ...CHILD_ENVIRONMENT },
  });
  child.unref();
}
