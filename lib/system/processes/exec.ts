import { HostError } from '../../errors.ts';
import { waitText } from './deadline.ts';

/** The result of a child process. */
export interface RunResult {
  /** Its exit status; 127 when it could not be started, 128 + n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Text for its standard input, which is empty otherwise. */
  readonly input?: string;
  /** Variables in addition to the clean PATH and locale that every child gets. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * After this many milliseconds the child and its own children are killed; its stderr then ends with a sentence about
   * that.
   */
  readonly timeoutMs?: number;
  /**
   * The output is a listing that is only useful as a whole: the run throws HostError where the program could not tell
   * (`silenceText`), and where the output is longer than MOST_LISTED. Of any other output the last MOST_SAID bytes are
   * kept.
   */
  readonly isListing?: boolean;
  /** The child changes the host, so signals of the terminal (hangup, Ctrl-C) must not reach it. */
  readonly ownSession?: boolean;
  /**
   * The child keeps this process's locks until it ends, even if this process is killed before. Not for a program that
   * starts daemons, which would hold the locks forever.
   */
  readonly keepsLocks?: boolean;
}

/** The result of a program that ran in this process's place. */
export interface PassResult {
  /** Its exit status, as in RunResult. */
  readonly status: number;
  /** Why it could not be started; undefined where it was. */
  readonly failure?: string;
  /** The error's name, such as ENOENT, where it could not be started. */
  readonly code?: string;
}

/** A process's variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment of every child. Nothing of the caller's environment reaches it: no PATH, no locale, no variable of
 * the loader.
 */
export const CHILD_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  LANG: 'C',
};

export const DEFAULT_TIMEOUT_MS = 30_000;
/** How many bytes of each output are kept, where it is unknown how much a program writes. */
export const MOST_SAID = 64 * 1024;
/** The maximum length of a listing in bytes: enough for the rules of thousands of guests, or a full routing table. */
export const MOST_LISTED = 64 * 1024 * 1024;
/** How long to wait for a killed program to end; one that hangs in the kernel does not end. */
export const GOING_MS = 1000;
/** How often `waiting` is called while a program runs in this process's place. */
export const WAITING_MS = 20;

/**
 * The sentence that is added to the stderr of a program that was killed for its time limit.
 * @param argv the program and its arguments
 * @param options with its time limit
 * @param hadMs how long it was allowed to run
 */
export function timeOutText(argv: readonly string[], options: RunOptions, hadMs: number): string {
  const wait = waitText(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, hadMs);
  return `${argv[0]} did not end within ${wait} and was ended`;
}

/**
 * The error text for a listing that is too long.
 * @param argv the program and its arguments
 */
export function tooLongText(argv: readonly string[]): string {
  return `the listing of ${argv[0]} is longer than ${MOST_LISTED / 1024 / 1024} MB`;
}

/**
 * Why a child failed, by its own words, on one line.
 * @param result the child's result
 * @param noise matches lines without information, which are removed
 */
export function failureText(result: RunResult, noise = /^$/g): string {
  const text = result.stderr
    .replace(noise, '')
    .trim()
    .replace(/\s*\n\s*/g, '; ');
  if (isMissing({ ...result, stderr: text })) return 'the program is not installed';
  return text === '' ? `exit status ${result.status}` : text;
}

/**
 * Whether a program could not be started because it is not installed, rather than for want of memory or the like.
 * @param result what came of it
 */
export function isMissing({ status, stderr }: Pick<RunResult, 'status' | 'stderr'>): boolean {
  return status === 127 && stderr === '';
}

/** Signals end a program with the status 128 + n (`RunResult`), and Linux has this many. */
const [ENDED, SIGNALS] = [128, 64];
/** What programs say where they, or the kernel, lack something for the moment. */
const SHORT =
  /memory allocation failure|cannot allocate memory|out of memory|memory exhausted|no buffer space|too many open files/i;

/**
 * Why a program could not tell what it was asked, which is no answer: it was killed or ran out of time, it could not be
 * started though it is installed, or it lacked memory or the like.
 * @param result what came of it
 * @returns undefined where it answered, also where it refused or is not installed
 */
export function silenceText(result: RunResult): string | undefined {
  const { status, stderr } = result;
  if (status > ENDED && status <= ENDED + SIGNALS)
    return stderr.trim() === '' ? `it was killed by signal ${status - ENDED}` : failureText(result);
  const isUnable = status === 127 ? !isMissing(result) : status !== 0 && SHORT.test(stderr);
  return isUnable ? failureText(result) : undefined;
}

/** How ovs-vsctl(8) says that the database ended its connection, as it does to some where hundreds ask at once. */
const IS_LOST = /database connection failed \(Protocol error\)/;
/** How often a program is run whose connection was lost. */
const MOST_RUNS = 3;

/**
 * Runs a program again whose connection was lost. All steps of Open vSwitch may be done twice: they replace a port by one
 * of its name, or remove it if it is there.
 * @param run runs the program
 */
export function unlessLost(run: () => RunResult): RunResult {
  let result = run();
  for (let runs = 1; runs < MOST_RUNS && IS_LOST.test(result.stderr); runs++) result = run();
  return result;
}

/** How ip(8) and bridge(8) say that what they list changed meanwhile. */
const IS_TORN = /^Dump was interrupted/m;
/** How often such a listing is asked for. */
const MOST_LISTINGS = 20;

/**
 * Repeats listings that changed while the kernel sent them, since they may lack what was there all the time. One that
 * cannot be had is an error: whoever took it for an empty one would believe that nothing is there.
 * @param run runs a program
 * @returns the same for whole listings; it throws HostError where a program could not list what there is
 */
export function wholeListings(
  run: (argv: readonly string[], options?: RunOptions) => RunResult,
): (argv: readonly string[], options?: RunOptions) => RunResult {
  return (argv, options) => {
    let result = run(argv, options);
    if (options?.isListing !== true) return result;
    for (let tries = 1; IS_TORN.test(result.stderr) || IS_LOST.test(result.stderr); tries++) {
      if (tries === MOST_LISTINGS)
        throw unlisted(
          argv,
          IS_LOST.test(result.stderr) ? failureText(result) : `it changed each of ${tries} times meanwhile`,
        );
      result = run(argv, options);
    }
    const why = result.stderr === tooLongText(argv) ? result.stderr : silenceText(result);
    if (why !== undefined) throw unlisted(argv, why);
    return result;
  };
}

function unlisted(argv: readonly string[], why: string): HostError {
  return new HostError(
    `"${argv.join(' ')}" could not list what this host has (${why}), so that nobody knows what is there. Mend the cause ` +
      '(is there memory left?) and try again.',
  );
}
