import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** What a command left. */
export interface Ran {
  /** Its exit status; 128 + n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command leaves that succeeds without a word. */
export const FINE: Ran = { status: 0, stdout: '', stderr: '' };

export interface RunOptions {
  readonly input?: string;
  /** The whole environment; PATH and a plain locale unless told. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long it may take; five minutes unless told. */
  readonly limitMs?: number;
}

/** What a child of the test finds set, unless told otherwise. */
export const PLAIN_ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/** Against hangs only: a busy machine may be ten times slower. */
const LIMIT_MS = 300_000;
const MOST_OUTPUT = 64 * 1024 * 1024;

/** A network namespace (and what belongs to it) that commands are run in. */
export class Namespace {
  /** The words that, put before a command, run it in here. */
  readonly enter: readonly string[];

  constructor(enter: readonly string[]) {
    this.enter = enter;
  }

  /**
   * Runs a command and waits for it.
   * @param argv program and arguments
   * @param options input and environment
   * @throws Error when it does not end in time
   */
  run(argv: readonly string[], options: RunOptions = {}): Ran {
    const [file = '', ...args] = [...this.enter, ...argv];
    const done = spawnSync(file, args, {
      input: options.input ?? '',
      env: options.env ?? PLAIN_ENV,
      encoding: 'utf8',
      timeout: options.limitMs ?? LIMIT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_OUTPUT,
    });
    if (done.error !== undefined) throw new Error(`${argv.join(' ')}: ${done.error.message}\n${done.stderr}`);
    return { status: statusOf(done.status, done.signal), stdout: done.stdout, stderr: done.stderr };
  }

  /**
   * Starts a command, for several at once.
   * @param argv program and arguments
   * @param options input and environment
   * @returns what it left, once it has ended
   */
  start(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const [file = '', ...args] = [...this.enter, ...argv];
    const child = spawn(file, args, {
      env: { ...(options.env ?? PLAIN_ENV) },
      timeout: options.limitMs ?? LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve({ status: statusOf(status, signal), stdout, stderr }));
    });
  }

  /**
   * Runs a command that has to succeed.
   * @param argv program and arguments
   * @returns its output
   * @throws Error with what it said
   */
  ok(...argv: string[]): string {
    const ran = this.run(argv);
    if (ran.status === 0) return ran.stdout;
    throw new Error(`${argv.join(' ').slice(0, 300)} ended with status ${ran.status}: ${ran.stderr}`);
  }

  /**
   * Runs a command that prints JSON.
   * @param argv program and arguments
   * @throws Error when it fails or prints none
   */
  json(...argv: string[]): unknown {
    const text = this.ok(...argv).trim();
    return text === '' ? [] : JSON.parse(text);
  }

  /**
   * Whether a ping is answered, within two seconds: the first may still wait for a neighbour that was not there before.
   * @param address whom to ask
   * @param options more of ping's options
   */
  reaches(address: string, ...options: string[]): boolean {
    return (
      this.run(['ping', '-n', '-q', '-c', '1', '-i', '0.2', '-w', '2', ...options, address]).status === 0
    );
  }

  /**
   * Runs several `ip` commands in one go.
   * @param lines what follows `ip`, one command each
   * @throws Error with what failed
   */
  ip(...lines: string[]): void {
    const ran = this.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    if (ran.status !== 0) throw new Error(`ip -batch failed: ${ran.stderr}in\n${lines.join('\n')}`);
  }
}

function statusOf(status: number | null, signal: NodeJS.Signals | null): number {
  if (status !== null) return status;
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}
