import { RUN_FOLDER } from '../../lib/contract/paths.ts';
import type { RunResult } from '../../lib/system/exec.ts';
import type { System } from '../../lib/system/system.ts';

/** What happens at the step: it is refused, or the program is killed (-9) right after it. */
export type FaultMode = 'fail' | 'kill';

/** The exit status of a run that has fewer steps than the one at which the fault was to strike. */
export const BEYOND_LAST_STEP = 99;

/** Programs that change the host; each call is one step. All others only look. */
const CHANGING = new Set(['ifup', 'ifdown', 'iptables-restore', 'ip6tables-restore', 'nft']);

/** Counts the changes that a run makes to the host, in order, and strikes at one of them. */
export class Fault {
  readonly #mode: FaultMode;
  readonly #at: number;
  #steps = 0;
  struck = false;

  /**
   * @param mode what happens
   * @param at at which step, counted from 1; with kill 0 means before the first
   */
  constructor(mode: FaultMode, at: number) {
    this.#mode = mode;
    this.#at = at;
  }

  /**
   * Does a number of steps, or as many as the fault allows.
   * @param count how many there are
   * @param all does all of them
   * @param upTo does the first n of them; `skipped` says that the next one is refused, and then n may be 0
   * @returns what `all` or `upTo` returned
   */
  through<T>(count: number, all: () => T, upTo: (n: number, skipped: boolean) => T): T {
    const before = this.#steps;
    this.#steps += count;
    if (this.struck || this.#steps < this.#at) return all();
    this.struck = true;
    if (this.#mode === 'fail') return upTo(this.#at - before - 1, true);
    if (this.#at > before) upTo(this.#at - before, false);
    process.kill(process.pid, 'SIGKILL');
    throw new Error('The program outlived its own SIGKILL.');
  }
}

/**
 * The real system, but for one step.
 * @param system the real one
 * @param fault which step, and what happens to it
 */
export function faultySystem(system: System, fault: Fault): System {
  const single = <T>(does: () => T, refused: () => T): T =>
    fault.through(1, does, (n) => (n > 0 ? does() : refused()));
  const file = (path: string, does: () => void): void => {
    if (path.startsWith(`${RUN_FOLDER}/journal/`)) does();
    else single(does, noSpace);
  };
  return {
    ...system,
    // Steps are counted as lines of a batch, which the kernel is then asked to do by ip.
    rtnetlink: () => undefined,
    run(argv, options) {
      const [program = ''] = argv;
      if (program === 'ip' && argv.includes('-batch'))
        return runBatch(system, fault, argv, options?.input ?? '');
      if (!CHANGING.has(program)) return system.run(argv, options);
      return single(
        () => system.run(argv, options),
        () => ({ status: 1, stdout: '', stderr: `${program}: line 2 failed: Operation not permitted.\n` }),
      );
    },
    writeText: (path, text) => single(() => system.writeText(path, text), noSpace),
    replaceFile: (path, text) => file(path, () => system.replaceFile(path, text)),
    remove: (path) => file(path, () => system.remove(path)),
  };
}

function noSpace(): never {
  throw new Error('ENOSPC: no space left on device, write');
}

/** Each line is a step. What comes before the refused one is really done, and what follows it where `-force` is given. */
function runBatch(system: System, fault: Fault, argv: readonly string[], input: string): RunResult {
  const lines = input.split('\n').filter((line) => line !== '');
  const feed = (some: readonly string[]): RunResult =>
    some.length === 0
      ? { status: 0, stdout: '', stderr: '' }
      : system.run(argv, { input: `${some.join('\n')}\n` });
  return fault.through(
    lines.length,
    () => feed(lines),
    (n, skipped) => {
      const rest = skipped && argv.includes('-force') ? lines.slice(n + 1) : [];
      const done = feed([...lines.slice(0, n), ...rest]);
      if (!skipped) return done;
      const said = `RTNETLINK answers: Operation not permitted\nCommand failed -:${n + 1}\n`;
      return { ...done, status: 1, stderr: `${done.stderr}${said}` };
    },
  );
}
