/** The calls of hooks since they are noted, by hook and command: "vif-bridge online". */
export type HookRuns = Readonly<Record<string, HookTotals>>;

/** The calls of one hook with one command. */
export interface HookTotals {
  readonly runs: number;
  readonly failures: number;
  readonly seconds: number;
}

/** The record of the calls that are added up. */
export interface HookRecord {
  readonly runs: HookRuns;
  /** The last part that is among them. */
  readonly part: number;
}

const NONE: HookTotals = { runs: 0, failures: 0, seconds: 0 };
const LINE = /^(\S+ \S+) (\d+) ([\d.]+)$/;

/**
 * Adds calls to those that were noted before. A line that was not written whole is passed over.
 * @param before the calls so far
 * @param text the lines of further calls
 */
export function withRuns(before: HookRuns, text: string): HookRuns {
  const all: Record<string, HookTotals> = { ...before };
  for (const line of text.split('\n')) {
    const [, call, status, seconds] = LINE.exec(line) ?? [];
    if (call === undefined) continue;
    const { runs, failures, seconds: sum } = all[call] ?? NONE;
    all[call] = {
      runs: runs + 1,
      failures: failures + (status === '0' ? 0 : 1),
      seconds: Number((sum + Number(seconds)).toFixed(6)),
    };
  }
  return all;
}
