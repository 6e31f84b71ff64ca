import { waitText } from './deadline.ts';

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
  /** After this many milliseconds it and the children that it has by then are killed; its stderr ends by saying so. */
  readonly timeoutMs?: number;
  /**
   * Its output is understood as a whole, as a listing is; it fails where that is longer than MOST_LISTED. Of any other's
   * output the last MOST_SAID bytes are kept.
   */
  readonly isListing?: boolean;
  /** It changes the host: what the terminal sends (hangup, Ctrl-C) does not reach it. */
  readonly ownSession?: boolean;
  /**
   * This process's locks stay held until it ends, even if this process is killed before. Not for what starts daemons,
   * which would hold them for ever.
   */
  readonly keepsLocks?: boolean;
}

/** How a program ended that had this process's own place. */
export interface PassResult {
  /** As of any child. */
  readonly status: number;
  /** Why it could not be started. */
  readonly failure?: string;
  /** The error's name, such as ENOENT, where it could not be started. */
  readonly code?: string;
}

/** A process's variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Nothing of the caller's environment reaches a child: neither its PATH nor its locale nor a loader's variable. */
export const CHILD_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

export const DEFAULT_TIMEOUT_MS = 30_000;
/** So many bytes of each output are kept of a program whose output nobody knows beforehand. */
export const MOST_SAID = 64 * 1024;
/** So many bytes a listing may have: the rules of thousands of guests, and a full table of routes. */
export const MOST_LISTED = 64 * 1024 * 1024;
/** How long a program that was ended may take to go; one that hangs in the kernel does not. */
export const GOING_MS = 1000;
/** How often somebody is called who wants to be while a program runs in this process's place. */
export const WAITING_MS = 20;

/**
 * What is added to the stderr of a program that was ended for its time.
 * @param argv the program and its arguments
 * @param options with its time limit
 * @param hadMs how long it had of that
 */
export function timeOutText(argv: readonly string[], options: RunOptions, hadMs: number): string {
  const wait = waitText(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, hadMs);
  return `${argv[0]} did not end within ${wait} and was ended`;
}

/**
 * What is added to the stderr of a program whose listing is too long to be understood.
 * @param argv the program and its arguments
 */
export function tooLongText(argv: readonly string[]): string {
  return `the listing of ${argv[0]} is longer than ${MOST_LISTED / 1024 / 1024} MB`;
}

/**
 * What a child said of its failure, on one line.
 * @param result what it left
 * @param noise lines that say nothing
 */
export function failureText(result: RunResult, noise = /^$/g): string {
  const text = result.stderr
    .replace(noise, '')
    .trim()
    .replace(/\s*\n\s*/g, '; ');
  if (result.status === 127 && text === '') return 'the program is not installed';
  return text === '' ? `exit status ${result.status}` : text;
}
