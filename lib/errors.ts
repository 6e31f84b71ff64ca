export interface ErrorOptions {
  /** What was thrown underneath, kept for the log. */
  readonly cause?: unknown;
  /** The process's exit status; 1 unless told. */
  readonly exitCode?: number;
}

/**
 * The root of every error that a caller is meant to read. The message is a full sentence (or several): which
 * device, what failed, why, what to do. It goes to stderr, to syslog and, for a vif hook, to hotplug-error.
 */
export class XenNetworkError extends Error {
  readonly exitCode: number;
  // Set here, since not every engine takes it with the message.
  override readonly cause: unknown;

  constructor(message: string, options: ErrorOptions = {}) {
    super(message);
    this.cause = options.cause;
    this.name = new.target.name;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What was asked for is malformed: an argument, an environment variable or a value in xenstore. */
export class RequestError extends XenNetworkError {}

/** The host is in a state in which the request cannot be met (a bridge is missing, a name is taken). */
export class HostError extends XenNetworkError {}

/** xenstore cannot be reached, refused a request or answered nonsense. */
export class XenstoreError extends XenNetworkError {}

/** A lock is held by somebody else for longer than a hook may wait. */
export class LockError extends XenNetworkError {}

/** A step of a plan could not be carried out. */
export class StepError extends XenNetworkError {
  /** What kind of command it was: 'ip', 'iptables', … */
  readonly tool: string;

  constructor(message: string, tool: string) {
    super(message);
    this.tool = tool;
  }
}

/** The plan was carried out, but the host does not look as it should. */
export class VerifyError extends XenNetworkError {}

/**
 * Whether there was no memory: the engine has nothing but null to throw where it cannot make an error any more.
 * @param thrown an Error or any other value
 */
export function isOutOfMemory(thrown: unknown): boolean {
  return thrown === null || (thrown instanceof Error && thrown.message === 'out of memory');
}

/**
 * The sentence for anything that was thrown.
 * @param thrown an Error or any other value
 */
export function messageOf(thrown: unknown): string {
  if (isOutOfMemory(thrown))
    return 'There is not enough memory for this program. Raise its limit (ulimit -v), or free some.';
  return thrown instanceof Error ? thrown.message : String(thrown);
}
