// The end of the time that one call has in all, whatever it waits for: each wait has its own bound, and all together this
// one. By the monotonic clock, which nobody sets.

let end = Number.POSITIVE_INFINITY;
let total = 0;
let interrupted = false;

/** Ends the waits for locks, since a signal asked the run to stop. */
export function interruptWaits(): void {
  interrupted = true;
}

/** Whether waits have ended for a signal. */
export function areWaitsInterrupted(): boolean {
  return interrupted;
}

/**
 * Sets the time that this process has from now on.
 * @param ms milliseconds
 */
export function setDeadline(ms: number): void {
  total = ms;
  end = performance.now() + ms;
}

/**
 * Leaves at least so much time for what has to be done even when the time is over or a signal came: an undo, the word to
 * xenstore.
 * @param ms milliseconds; without a deadline there is time enough
 */
export function reserveTime(ms: number): void {
  interrupted = false;
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

/**
 * How long a wait was that is over, for the sentence that names what was waited for.
 * @param ms its own bound, in milliseconds
 * @param hadMs what it had of that
 * @returns "30 s", or how long it was when the time of the whole call was over
 */
export function waitText(ms: number, hadMs: number): string {
  const seconds = (time: number) => `${Math.round(time) / 1000} s`;
  return hadMs < ms
    ? `${seconds(hadMs)} (then the ${seconds(total)} of the whole call were over)`
    : seconds(ms);
}
