// The end of the time that one call has in all, whatever it waits for: each wait has its own bound, and all together this
// one. By the monotonic clock, which nobody sets.

let end = Number.POSITIVE_INFINITY;

/**
 * Sets the time that this process has from now on.
 * @param ms milliseconds
 */
export function setDeadline(ms: number): void {
  end = performance.now() + ms;
}

/**
 * Leaves at least so much time for what has to be done even when the time is over: an undo, the word to xenstore.
 * @param ms milliseconds; nothing changes where no deadline was set
 */
export function reserveTime(ms: number): void {
  if (Number.isFinite(end)) end = Math.max(end, performance.now() + ms);
}

/**
 * How long a wait may take.
 * @param ms its own bound, in milliseconds
 * @returns that, or what is left of the time if it is less
 */
export function within(ms: number): number {
  return Math.max(0, Math.min(ms, end - performance.now()));
}
