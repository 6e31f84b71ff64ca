import type { ChildProcess } from 'node:child_process';
import { XenNetworkError } from '../../errors.ts';
import { heldLocks } from '../files/file-lock.ts';
import { errnoName } from '../kernel/native-errors.ts';
import { within } from '../processes/deadline.ts';
import {
  CHILD_ENVIRONMENT,
  DEFAULT_TIMEOUT_MS,
  type Environment,
  MOST_LISTED,
  MOST_SAID,
  type PassResult,
  type RunOptions,
  type RunResult,
  timeOutText,
  tooLongText,
  WAITING_MS,
} from '../processes/exec.ts';

const { spawn, spawnSync } = process.getBuiltinModule('node:child_process');
const { constants } = process.getBuiltinModule('node:os');

const MOST_OUTPUT = 256 * 1024 * 1024;

/**
 * Runs a program without a shell and waits for it.
 * @param argv the program, found by the clean PATH, and its arguments
 * @param options input, variables, time limit
 */
export function runByNode(argv: readonly string[], options: RunOptions = {}): RunResult {
  const [file = '', ...args] = argv;
  // In Node 0 means no limit.
  const timeoutMs = Math.max(1, Math.ceil(within(options.timeoutMs ?? DEFAULT_TIMEOUT_MS)));
  const done = spawnSync(file, args, {
    input: options.input ?? '',
    stdio: ['pipe', 'pipe', 'pipe', ...(options.keepsLocks === true ? heldLocks() : [])],
    ...(options.ownSession === true ? { detached: true } : {}),
    env: { ...CHILD_ENVIRONMENT, ...options.env },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_OUTPUT,
    encoding: 'utf8',
    cwd: '/',
  });
  const late = errnoName(done.error) === 'ETIMEDOUT';
  // Nothing is said of a program that is not installed.
  const failure = errnoName(done.error) === 'ENOENT' ? '' : (done.error?.message ?? '');
  const why = late ? `\n${timeOutText(argv, options, timeoutMs)}` : failure;
  const status = exitStatus(done.status, done.signal);
  if (options.isListing === true && (done.stdout ?? '').length > MOST_LISTED)
    return { status: status || 1, stdout: '', stderr: tooLongText(argv) };
  const most = options.isListing === true ? MOST_LISTED : MOST_SAID;
  return { status, stdout: lastOf(done.stdout, most), stderr: `${lastOf(done.stderr, most)}${why}` };
}

/**
 * Starts a program in a session of its own, without a terminal, and does not wait for it.
 * @param argv the program and its arguments
 * @param name the name that it runs under (argv[0])
 * @throws XenNetworkError when it cannot be started
 */
export function startDetachedByNode(argv: readonly string[], name: string): void {
  const [file = '', ...args] = argv;
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

/**
 * Runs a program in this process's place, with its standard streams and the given environment, and waits for it.
 * @param argv the program and its arguments
 * @param env its whole environment
 * @param waiting called repeatedly while it runs
 */
export async function passByNode(
  argv: readonly string[],
  env: Environment,
  waiting: (pid: number) => void = () => {},
): Promise<PassResult> {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: 'inherit', env: { ...env } });
  const { pid } = child;
  const timer = pid === undefined ? undefined : setInterval(() => waiting(pid), WAITING_MS);
  try {
    return await ended(child);
  } finally {
    clearInterval(timer);
  }
}

function ended(child: ChildProcess): Promise<PassResult> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: 127, failure: error.message, ...codeOf(error) }));
    child.on('close', (status, signal) => resolve({ status: exitStatus(status, signal) }));
  });
}

function lastOf(text: string | undefined, most: number): string {
  return (text ?? '').slice(-most);
}

function exitStatus(status: number | null, signal: NodeJS.Signals | null): number {
  return status ?? (signal === null ? 127 : 128 + constants.signals[signal]);
}

function codeOf(error: Error): { readonly code?: string } {
  const code = errnoName(error);
  return code === undefined ? {} : { code };
}
