// The deadline of one call. Each wait has its own limit, and all of them together must end by the deadline. Times are
// of the monotonic clock, which nobody sets.

let end = Number.POSITIVE_INFINITY;
let total = 0;
let interrupted = false;

/** Ends the waits for locks, because a signal asked the run to stop. */
export function interruptWaits(): void {
  interrupted = true;
}

/** Whether a signal has ended the waits. */
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
 * Keeps at least this much time for work that must be done even after the deadline or a signal: an undo, the report in
 * xenstore.
 * @param ms milliseconds; without a deadline there is always enough time
 */
export function reserveTime(ms: number): void {
  interrupted = false;
  if (Number.isFinite(end)) end = Math.max(end, performance.now() + ms);
}

/**
 * How long a wait may take.
 * @param ms the wait's own limit, in milliseconds
 * @returns the limit, or the time until the deadline if that is shorter
 */
export function within(ms: number): number {
  return Math.max(0, Math.min(ms, end - performance.now()));
}

/** What a call still has to do after a wait that may fail without harm: post hooks, the report in xenstore. */
const REST_MS = 6000;

/**
 * How long a wait may take whose failure does not end the call: it leaves time for what follows.
 * @param ms the wait's own limit, in milliseconds
 * @returns the limit, or a shorter time where the deadline would leave too little
 */
export function withinShare(ms: number): number {
  const left = end - performance.now();
  return Math.max(0, Math.min(ms, Math.max(left - REST_MS, left / 2)));
}

/**
 * How long a finished wait was, for the message that names what was waited for.
 * @param ms the wait's own limit, in milliseconds
 * @param hadMs how long it was allowed to take
 * @returns "30 s", or the shorter time that the deadline of the whole call left
 */
export function waitText(ms: number, hadMs: number): string {
  const seconds = (time: number) => `${Math.round(time) / 1000} s`;
  return hadMs < ms
    ? `${seconds(hadMs)} (then the ${seconds(total)} of the whole call were over)`
    : seconds(ms);
}
