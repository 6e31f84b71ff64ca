// The time of day, for comparison with the times of files. It may be set during a call, as happens at boot.

/** How far the time of day may move against the monotonic clock: a call is too short for more drift. */
const SET_MS = 50;

const sinceEpoch = (): number => timeOfDay() - performance.now();
let atFirst: number | undefined;

/** Notes the time of day at the beginning of a call. */
export function noteClock(): void {
  atFirst = sinceEpoch();
}

/** Whether somebody has set the time of day since the beginning of the call, or since the first question. */
export function wasClockSet(): boolean {
  atFirst ??= sinceEpoch();
  return Math.abs(sinceEpoch() - atFirst) > SET_MS;
}

/** The time of day in milliseconds since 1970. */
export function timeOfDay(): number {
  return Date.now();
}

/** The day, such as 2026-11-27, to be shown. */
export function today(): string {
  return new Date(timeOfDay()).toISOString().slice(0, 10);
}
