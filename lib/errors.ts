export interface ErrorOptions {
  /** The error that led to this one, kept for the log. */
  readonly cause?: unknown;
  /** The process's exit status; 1 where it is not given. */
  readonly exitCode?: number;
}

/**
 * The base class of all errors that a caller is meant to read. The message is one or more full sentences: which device,
 * what failed, why, what to do. It goes to stderr, to syslog and, for a vif hook, to hotplug-error.
 */
export class XenNetworkError extends Error {
  // Not the name of the class, which the build shortens.
  override readonly name: string = 'XenNetworkError';
  readonly exitCode: number;
  // Not every engine sets it from the constructor's options.
  override readonly cause: unknown;

  constructor(message: string, options: ErrorOptions = {}) {
    super(message);
    this.cause = options.cause;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The request is malformed: an argument, an environment variable or a value in xenstore. */
export class RequestError extends XenNetworkError {
  override readonly name = 'RequestError';
}

/** The host's state does not allow the request (a bridge is missing, a name is taken). */
export class HostError extends XenNetworkError {
  override readonly name = 'HostError';
}

/** xenstore cannot be reached, refused a request or sent an invalid answer. */
export class XenstoreError extends XenNetworkError {
  override readonly name: string = 'XenstoreError';
}

/** The other side of a connection has closed it. */
export class ClosedError extends XenNetworkError {
  override readonly name = 'ClosedError';
}

/** Another process holds a lock for longer than a hook may wait. */
export class LockError extends XenNetworkError {
  override readonly name = 'LockError';
}

/** A step of a plan failed. */
export class StepError extends XenNetworkError {
  override readonly name = 'StepError';
  /** The kind of the command that failed: 'ip', 'iptables', … */
  readonly tool: string;

  constructor(message: string, tool: string) {
    super(message);
    this.tool = tool;
  }
}

/** The plan was carried out, but the check afterwards found a difference. */
export class VerifyError extends XenNetworkError {
  override readonly name = 'VerifyError';
}

/**
 * Whether an error means that there is no memory left. The engine throws null where it has no memory even for an Error.
 * @param thrown an Error or any other value
 */
export function isOutOfMemory(thrown: unknown): boolean {
  return thrown === null || (thrown instanceof Error && thrown.message === 'out of memory');
}

/**
 * The message of anything that was thrown.
 * @param thrown an Error or any other value
 */
export function messageOf(thrown: unknown): string {
  if (isOutOfMemory(thrown))
    return 'There is not enough memory for this program. Raise its limit (ulimit -v), or free some.';
  return thrown instanceof Error ? thrown.message : String(thrown);
}
