import { messageOf, StepError } from '../errors.ts';
import { type Command, commandText, type Step } from '../plan/step.ts';
import { isRecordPath } from '../record/paths.ts';
import { seal } from '../record/sealed.ts';
import type { Refusal, RtOutcome } from '../system/kernel/rtnetlink.ts';
import { DEFAULT_TIMEOUT_MS, failureText } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import { applyEdit } from '../wire/dhcp-conf.ts';
import { linesBefore } from '../wire/nf/changes.ts';
import { isKernelRequest } from '../wire/rtnetlink.ts';

/** Commands that one call carries out together. */
export interface Batch<T> {
  readonly tool: Command['tool'];
  readonly items: readonly T[];
}

const RESTORE: Record<'iptables' | 'ip6tables', string> = {
  iptables: 'iptables-restore',
  ip6tables: 'ip6tables-restore',
};

/** A running child must finish even if this process ends, and nobody may take the locks before that. */
const CHANGES = { ownSession: true, keepsLocks: true } as const;
/** The exit status of an `ip -force` that tried its whole batch and had failures. */
const SOME_FAILED = 1;

const GATHERED: ReadonlySet<Command['tool']> = new Set(['ip', 'bridge', 'iptables', 'ip6tables', 'nft']);
/** Commands that the kernel does at once, and whose undo is harmless where they were not done. */
const QUICK: ReadonlySet<Command['tool']> = new Set(['ip', 'write']);

/**
 * Puts consecutive commands together that one child process can do: `ip` commands, or firewall lines of one family.
 * @param items steps or commands, in order
 * @param commandOf the command of an item
 */
export function batches<T>(items: readonly T[], commandOf: (item: T) => Command): Batch<T>[] {
  const found: { tool: Command['tool']; items: T[] }[] = [];
  for (const item of items) {
    const { tool } = commandOf(item);
    const last = found.at(-1);
    if (GATHERED.has(tool) && last?.tool === tool) last.items.push(item);
    else found.push({ tool, items: [item] });
  }
  return found;
}

/**
 * Puts consecutive batches together that get one entry in the journal and between which nobody looks for signals: while
 * addresses move from one device to another the host is without network.
 * @param all the batches, in order
 */
export function quickRuns<T>(all: readonly Batch<T>[]): Batch<T>[][] {
  const found: Batch<T>[][] = [];
  for (const batch of all) {
    const last = found.at(-1);
    if (last !== undefined && QUICK.has(batch.tool) && QUICK.has(last[0]?.tool ?? 'run')) last.push(batch);
    else found.push([batch]);
  }
  return found;
}

/** How far a batch came: all commands were done, or `done` of them and then `error` happened. */
export interface Outcome {
  readonly done: number;
  /** Whether `done` is exact; it is not when a child was killed half-way. */
  readonly exact: boolean;
  readonly error?: string;
  /** The same failures one by one, where it is known of each whether its work was done already. */
  readonly refusals?: readonly Refusal[];
  /** Sentences about optional commands that failed. */
  readonly notes?: readonly string[];
}

/**
 * Runs the commands of a batch, of any tool but those that have a file of their own (locked.ts).
 * @param system the way to the host
 * @param tool the tool of all commands
 * @param commands the commands, in order
 * @param force whether to go on after a failure (only `ip`, `bridge` and nft can)
 */
export function execute(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
  force = false,
): Outcome {
  switch (tool) {
    case 'ip':
      return runIp(system, commands, force);
    case 'bridge':
      return runLines(system, tool, commands, force);
    case 'iptables':
    case 'ip6tables':
      return runRules(system, tool, commands);
    case 'nft':
      return runNft(system, commands, force);
    default:
      return runSingles(system, commands);
  }
}

function outcomeOf({ isUnknown = false, ...outcome }: RtOutcome): Outcome {
  return { ...outcome, exact: !isUnknown };
}

/** Messages to the kernel do the commands up to the first that needs `ip`; one child does the rest. */
function runIp(system: System, commands: readonly Command[], force: boolean): Outcome {
  const all = commands.flatMap((command) => (command.tool === 'ip' ? [command.args] : []));
  // Nearly always the kernel can do all of them, which the attempt tells; only otherwise they are looked at one by one.
  const whole = system.rtnetlink?.(all, force);
  if (whole !== undefined) return outcomeOf(whole);
  const odd = all.findIndex((args) => !isKernelRequest(args));
  const first = all.slice(0, Math.max(odd, 0));
  const direct = first.length === 0 ? undefined : system.rtnetlink?.(first, force);
  if (direct === undefined) return runLines(system, 'ip', commands, force);
  const before = outcomeOf(direct);
  if (before.error !== undefined && !force) return before;
  const rest = runLines(system, 'ip', commands.slice(first.length), force);
  return { ...gathered([before, rest]), done: before.done + rest.done, exact: rest.exact };
}

/** One child of iproute2 does all commands. */
function runLines(
  system: System,
  program: 'ip' | 'bridge',
  commands: readonly Command[],
  force: boolean,
): Outcome {
  const input = commands
    .map((command) =>
      command.tool === 'ip' || command.tool === 'bridge' ? `${command.args.map(batchWord).join(' ')}\n` : '',
    )
    .join('');
  const result = system.run([program, ...(force ? ['-force'] : []), '-batch', '-'], { input, ...CHANGES });
  if (result.status === 0) return { done: commands.length, exact: true };
  // In spite of -force some failures, and signals, end ip at once: the commands are then run one by one.
  if (force && result.status !== SOME_FAILED && commands.length > 1)
    return gathered(commands.map((command) => runLines(system, program, [command], force)));
  const line = /^Command failed -:(\d+)/m.exec(result.stderr)?.[1];
  const error = failureText(result, /^Command failed .*$/gm);
  if (line === undefined || force)
    return { done: force ? commands.length : 0, exact: force || result.status === 127, error };
  return { done: Number(line) - 1, exact: true, error };
}

function gathered(outcomes: readonly Outcome[]): Outcome {
  const failed = outcomes.filter(({ error }) => error !== undefined);
  const done = { done: outcomes.length, exact: true };
  if (failed.length === 0) return done;
  const error = failed.map((outcome) => outcome.error).join('; ');
  if (failed.some(({ refusals }) => refusals === undefined)) return { ...done, error };
  return { ...done, error, refusals: failed.flatMap(({ refusals = [] }) => refusals) };
}

function runRules(system: System, tool: 'iptables' | 'ip6tables', commands: readonly Command[]): Outcome {
  const lines = commands.flatMap((command) => (command.tool === tool ? [command] : []));
  const direct = system.nfTables?.(tool === 'iptables' ? 4 : 6, lines);
  if (direct === undefined) return runRestore(system, RESTORE[tool], commands);
  return direct.error === undefined
    ? { done: commands.length, exact: true }
    : { done: 0, exact: false, error: direct.error };
}

/** A refilter of thousands of guests may take longer than any other work of a hook. */
function timeFor(commands: readonly (Command | string)[]): { readonly timeoutMs: number } {
  return { timeoutMs: Math.max(DEFAULT_TIMEOUT_MS, commands.length * 10) };
}

/** The errno of a failure that never means that the work was done already. */
const NO_NUMBER = 0;
/** nft's message when the object of a command does not exist (ENOENT). */
const IS_GONE = /Error: (Could not process rule: )?No such file or directory$/;

/** One transaction for each table: either all its lines take effect or none. */
function runRestore(system: System, program: string, commands: readonly Command[]): Outcome {
  const tables = new Map<string, string[]>();
  for (const command of commands) {
    if (command.tool !== 'iptables' && command.tool !== 'ip6tables') continue;
    const lines = tables.get(command.table) ?? [];
    lines.push(command.line);
    tables.set(command.table, lines);
  }
  const input = [...tables].map(([table, lines]) => `*${table}\n${lines.join('\n')}\nCOMMIT\n`).join('');
  const result = system.run([program, '--noflush', '-w'], { input, ...CHANGES, ...timeFor(commands) });
  if (result.status === 0) return { done: commands.length, exact: true };
  return {
    done: 0,
    exact: tables.size === 1,
    error: failureText(result, /^(Try `.*|Error occurred at line: \d+)$/gm),
  };
}

/**
 * One transaction too; where the kernel itself takes the elements, what makes their table comes before it in one of its own,
 * which nft has to read.
 */
function runNft(system: System, commands: readonly Command[], force: boolean): Outcome {
  const lines = commands.flatMap((command) => (command.tool === 'nft' ? [command.line] : []));
  const first = system.changeTables === undefined ? 0 : linesBefore(lines);
  // What is removed goes in the same moment in which the new comes.
  if (first === 0 || first === lines.length || lines.slice(0, first).some((line) => /\bdelete /.test(line)))
    return runTransaction(system, lines, force);
  const made = runTransaction(system, lines.slice(0, first), force);
  if (made.error !== undefined && !force) return made;
  const rest = runTransaction(system, lines.slice(first), force);
  return { ...gathered([made, rest]), done: made.done + rest.done, exact: made.exact && rest.exact };
}

/**
 * In an undo or teardown one element that is gone must not stop the removal of all others: the commands are then run in
 * halves, and a removal whose object is gone counts as done.
 */
function runTransaction(system: System, lines: readonly string[], force: boolean): Outcome {
  const done = lines.length;
  if (system.changeTables?.(lines) === true) return { done, exact: true };
  const input = lines.map((line) => `${line}\n`).join('');
  const result = system.run(['nft', '-f', '-'], { input, ...CHANGES, ...timeFor(lines) });
  if (result.status === 0) return { done, exact: true };
  if (force && done > 1) {
    const parts = [lines.slice(0, done >> 1), lines.slice(done >> 1)];
    return { ...gathered(parts.map((part) => runTransaction(system, part, true))), done };
  }
  const [said = ''] = failureText(result, /^\s*$/gm).split('; ');
  if (force && IS_GONE.test(said) && /^(delete|flush) /.test(input)) return { done, exact: true };
  const error = said.replace(/^\/dev\/stdin:[\d:-]+: Error: /, '');
  // What could not be put in again has no place any more; that is no work done.
  return { done: 0, exact: true, error, refusals: [{ errno: NO_NUMBER, text: error }] };
}

function runSingles(system: System, commands: readonly Command[]): Outcome {
  for (const [done, command] of commands.entries()) {
    const error = runSingle(system, command);
    if (error !== undefined) return { done, exact: true, error };
  }
  return { done: commands.length, exact: true };
}

function runSingle(system: System, command: Command): string | undefined {
  try {
    if (command.tool === 'write') system.writeText(command.path, command.text);
    else if (command.tool === 'record' && command.text === undefined) system.remove(command.path);
    else if (command.tool === 'record') system.replaceFile(command.path, contentOf(command));
    else if (command.tool === 'edit') {
      const before = system.readBytes(command.path);
      const after = applyEdit(before ?? '', command.edit);
      if (before !== after) system.rewriteFile(command.path, after);
    }
    return undefined;
  } catch (thrown) {
    return messageOf(thrown).replace(/\.$/, '');
  }
}

/** Records carry a seal, so that damage to one is found. */
function contentOf({ path, text = '' }: Extract<Command, { tool: 'record' }>): string {
  return isRecordPath(path) ? `${seal(text.replace(/\n$/, ''))}\n` : text;
}

/**
 * iproute2 splits a line of its batch at blanks, knows quotes and ends the line at any "#"; a plain word needs no
 * quotes.
 */
function batchWord(word: string): string {
  return /^[^\s"'#\\]+$/.test(word) ? word : `"${word.replace(/["#\\\n]/g, '')}"`;
}

/** A whole record in the message would leave no room in hotplug-error for the rest of the sentence. */
const LONGEST_SHOWN = 200;

/**
 * The error for a step that failed.
 * @param step the step
 * @param error the tool's message
 * @param after what was done about it, a sentence
 */
export function stepError(step: Step, error: string, after: string): StepError {
  const text = commandText(step.do);
  const shown = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
  return new StepError(`Could not ${step.why}: "${shown}" failed (${error}). ${after}`, step.do.tool);
}
