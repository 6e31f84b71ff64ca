import type { ChildProcess } from 'node:child_process';
import { HostError } from '../errors.ts';
import { CHILD_ENVIRONMENT, type RunResult } from '../system/exec.ts';

/** xl gives a hook 40 s (contract 1); nothing else in the sandbox may take longer either. */
const TIMEOUT_MS = 40_000;

export interface ChildOptions {
  /** Text for its standard input; /dev/null otherwise, as xl has it. */
  readonly input?: string;
  /** Variables beside the clean PATH and locale. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program while this process goes on serving xenstore, which a hook asks.
 * @param argv the program and its arguments; the program's path is also its argv[0]
 * @param options input and variables
 */
export async function runChild(argv: readonly string[], options: ChildOptions = {}): Promise<RunResult> {
  const [file = '', ...args] = argv;
  const child = childProcess().spawn(file, args, {
    env: { ...CHILD_ENVIRONMENT, ...options.env },
    cwd: '/',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A program that ends before it has read its input is judged by its exit status.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  const { status, problem } = await ended(child);
  return { status, stdout, stderr: `${stderr}${problem}` };
}

/**
 * Runs a program on this process's own terminal and waits until it has ended.
 * @param argv the program and its arguments
 * @param env all of its variables
 * @param started given its process id; undefined when it could not be started
 * @returns its exit status; 128 + n when signal n ended it
 * @throws HostError when it cannot be started
 */
export async function runInTerminal(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  started: (pid: number | undefined) => void = () => {},
): Promise<number> {
  const [file = '', ...args] = argv;
  const child = childProcess().spawn(file, args, { env, stdio: 'inherit' });
  started(child.pid);
  const { status, problem } = await ended(child);
  if (problem !== '') throw new HostError(`${file} cannot be started: ${problem}`);
  return status;
}

/** Asked for when needed: as an import, Bun's compiler would load it at the start of every hook. */
function childProcess() {
  return process.getBuiltinModule('node:child_process');
}

function ended(child: ChildProcess): Promise<{ status: number; problem: string }> {
  const { signals } = process.getBuiltinModule('node:os').constants;
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: 127, problem: error.message }));
    child.on('close', (status, signal) =>
      resolve({ status: status ?? 128 + (signal === null ? 0 : signals[signal]), problem: '' }),
    );
  });
}
