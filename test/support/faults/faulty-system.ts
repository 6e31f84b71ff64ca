import { XenNetworkError } from '../../../lib/errors.ts';
import { encodeRules, NO_RULES_FOUND, rulesToFind, type TableLine } from '../../../lib/filter/nf-rules.ts';
import { RUN_FOLDER, TABLES_RECORD } from '../../../lib/record/paths.ts';
import type { Family } from '../../../lib/request/addresses.ts';
import type { RtOutcome } from '../../../lib/system/kernel/rtnetlink.ts';
import type { RunResult } from '../../../lib/system/processes/exec.ts';
import type { System } from '../../../lib/system/system.ts';
import { encodeChanges } from '../../../lib/wire/nf/changes.ts';
import { parsePortChange } from '../../../lib/wire/ovsdb.ts';
import { isKernelRequest } from '../../../lib/wire/rtnetlink.ts';

/** What happens at the step: it is refused, or the program is killed (-9) right after it. */
export type FaultMode = 'fail' | 'kill';

/** How devices and rules are changed: by asking the kernel where that can be, or always by ip and iptables, as in Node. */
export type Door = 'kernel' | 'ip';

/** The exit status of a run that has fewer steps than the one at which the fault was to strike. */
export const BEYOND_LAST_STEP = 99;

/** Programs that change the host; each call is one step. All others only look. */
const CHANGING = new Set([
  'ifup',
  'ifdown',
  'modprobe',
  'iptables-restore',
  'ip6tables-restore',
  'nft',
  'dhcpd',
  'dnsmasq',
]);

/** Comes between the changes that a run makes to the host. */
export interface StepWatch {
  /**
   * Lets a number of steps be done, which are one call of the run's.
   * @param count how many there are
   * @param all does all of them
   * @param upTo does the first n of them; `skipped` says that the next one is refused, and then n may be 0
   * @param rest does those after the first n, and joins what that gives to what those gave
   * @returns what they gave
   */
  through<T>(
    count: number,
    all: () => T,
    upTo: (n: number, skipped: boolean) => T,
    rest?: (n: number, done: T) => T,
  ): T;
}

/** Counts the changes that a run makes to the host, in order, and strikes at one of them. */
export class Fault implements StepWatch {
  readonly #mode: FaultMode;
  readonly #at: number;
  readonly #die: () => void;
  #steps = 0;
  struck = false;

  /**
   * @param mode what happens
   * @param at at which step, counted from 1; with kill 0 means before the first
   * @param die how the program is killed
   */
  constructor(mode: FaultMode, at: number, die = () => void process.kill(process.pid, 'SIGKILL')) {
    this.#mode = mode;
    this.#at = at;
    this.#die = die;
  }

  /** Does as many of the steps as the fault allows. */
  through<T>(count: number, all: () => T, upTo: (n: number, skipped: boolean) => T): T {
    const before = this.#steps;
    this.#steps += count;
    if (this.struck || this.#steps < this.#at) return all();
    this.struck = true;
    if (this.#mode === 'fail') return upTo(this.#at - before - 1, true);
    if (this.#at > before) upTo(this.#at - before, false);
    this.#die();
    throw new Error('The program outlived its own SIGKILL.');
  }
}

/**
 * The real system, but for what comes between its steps.
 * @param system the real one
 * @param fault at which step, and what happens there
 * @param door how devices are changed
 */
export function faultySystem(system: System, fault: StepWatch, door: Door): System {
  const single = <T>(does: () => T, refused: () => T): T =>
    fault.through(1, does, (n) => (n > 0 ? does() : refused()));
  const file = (path: string, does: () => void): void => {
    // What is beside the plan: a journal, and what is tried and no more.
    if (path.startsWith(`${RUN_FOLDER}/journal/`) || path === TABLES_RECORD) does();
    else single(does, () => noSpace(path));
  };
  let iptablesRefused = false;
  let nftRefused = false;
  return {
    ...system,
    nfTables(family, lines) {
      const { nfTables } = system;
      if (door === 'ip' || nfTables === undefined || !isEncodable(family, lines)) return undefined;
      return single(
        () => nfTables(family, lines),
        () => {
          // What the kernel refuses is left to iptables, and refused to that as well.
          iptablesRefused = true;
          return undefined;
        },
      );
    },
    changeTables(lines) {
      const { changeTables } = system;
      if (door === 'ip' || changeTables === undefined || encodeChanges(lines) === undefined) return false;
      return single(
        () => changeTables(lines),
        () => {
          // What the kernel refuses is left to nft, and refused to that as well.
          nftRefused = true;
          return false;
        },
      );
    },
    async changePort(socket, argv) {
      const { changePort } = system;
      if (door === 'ip' || changePort === undefined || parsePortChange(argv) === undefined) return undefined;
      return single(
        () => changePort(socket, argv),
        async () => ({ error: 'ovs-vswitchd did not do it' }),
      );
    },
    rtnetlink(commands, force) {
      if (door === 'ip' || system.rtnetlink === undefined || !commands.every(isKernelRequest))
        return undefined;
      return askKernel(system.rtnetlink, fault, commands, force);
    },
    run(argv, options) {
      const [program = ''] = argv;
      if (program === 'ip' && argv.includes('-batch'))
        return runBatch(system, fault, argv, options?.input ?? '');
      const changes =
        program === 'nft'
          ? argv.includes('-f') && !argv.includes('-c')
          : CHANGING.has(program) ||
            (program === 'ip' && argv.includes('rule')) ||
            parsePortChange(argv) !== undefined;
      if (!changes) return system.run(argv, options);
      const refused = () => ({
        status: 1,
        stdout: '',
        stderr: `${program}: line 2 failed: Operation not permitted.\n`,
      });
      if (iptablesRefused && program.endsWith('-restore')) {
        iptablesRefused = false;
        return refused();
      }
      if (nftRefused && program === 'nft') {
        nftRefused = false;
        return refused();
      }
      return single(() => system.run(argv, options), refused);
    },
    writeText: (path, text) =>
      single(
        () => system.writeText(path, text),
        () => noSpace(path),
      ),
    replaceFile: (path, text) => file(path, () => system.replaceFile(path, text)),
    remove: (path) => file(path, () => system.remove(path)),
    endProcess: (pid) =>
      single(
        () => system.endProcess(pid),
        () => noSpace('/proc'),
      ),
    rewriteFile: (path, bytes) =>
      single(
        () => system.rewriteFile(path, bytes),
        () => noSpace(path),
      ),
    rename: (path, to) => file(path, () => system.rename(path, to)),
  };
}

/** As the real system says it. */
function noSpace(path: string): never {
  throw new XenNetworkError(`${path} cannot be written: no space is left (ENOSPC).`);
}

function isEncodable(family: Family, lines: readonly TableLine[]): boolean {
  const fresh = lines.filter(({ line }) => line.startsWith('-I '));
  const [old, changes] = [rulesToFind(family, lines), encodeRules(family, fresh, NO_RULES_FOUND)];
  return old !== undefined && changes !== undefined && old.length + fresh.length === lines.length;
}

/** Each command is a step, as each line is of what `ip -batch` would be fed. */
function askKernel(
  rtnetlink: NonNullable<System['rtnetlink']>,
  fault: StepWatch,
  commands: readonly (readonly string[])[],
  force: boolean,
): RtOutcome | undefined {
  return fault.through(
    commands.length,
    () => rtnetlink(commands, force),
    (n, skipped) => {
      const rest = skipped && force ? commands.slice(n + 1) : [];
      const done = rtnetlink([...commands.slice(0, n), ...rest], force);
      if (!skipped) return done;
      return { done: force ? commands.length : n, error: 'RTNETLINK answers: Operation not permitted' };
    },
    (n, done) => {
      if (done === undefined || (done.error !== undefined && !force)) return done;
      const later = rtnetlink(commands.slice(n), force);
      if (later === undefined) throw new Error('The kernel takes some of the commands only.');
      const error = done.error ?? later.error;
      return { done: n + later.done, ...(error === undefined ? {} : { error }) };
    },
  );
}

/** Each line is a step. What comes before the refused one is really done, and what follows it where `-force` is given. */
function runBatch(system: System, fault: StepWatch, argv: readonly string[], input: string): RunResult {
  const lines = input.split('\n').filter((line) => line !== '');
  if (lines.every((line) => line.includes(' show'))) return system.run(argv, { input });
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
    (n, done) => {
      if (done.status !== 0 && !argv.includes('-force')) return done;
      const later = feed(lines.slice(n));
      return {
        status: Math.max(done.status, later.status),
        stdout: done.stdout + later.stdout,
        stderr: done.stderr + later.stderr.replace(/(?<=failed -:)\d+/g, (line) => `${Number(line) + n}`),
      };
    },
  );
}
