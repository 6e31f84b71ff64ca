// Lets a second run in at each boundary between the steps of a first, and tells what is left each time. Run by Bun in a
// test host, fed with an Overlap as JSON on each line; answers with an OverlapOutcome each, and, at the end of its input, with
// what is left when the stage is struck. The first runs in this process, since it has to be held up between its steps; the
// second is the program itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { HOOKS, loadNetworkHooks } from '../../../bin/hooks.ts';
import { messageOf, XenNetworkError } from '../../../lib/errors.ts';
import type { Applet } from '../../../lib/hook/context.ts';
import { withFirewall } from '../../../lib/system/kernel/firewall.ts';
import type { FileLock, Native } from '../../../lib/system/kernel/native.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';
import { adminTool } from '../../../scripts/admin/tool.ts';
import { driverNative } from '../faults/driver-native.ts';
import { faultySystem, type StepWatch } from '../faults/faulty-system.ts';
import { mortal } from '../faults/mortal.ts';
import { Namespace } from '../hosts/namespace.ts';
import { differences } from '../models/bridge-state.ts';
import type { Snapshot } from '../models/snapshot.ts';
import { commandOf, envOf, nameOf } from './commands.ts';
import { look } from './look.ts';
import type { Act, Overlap, OverlapOutcome } from './overlap.ts';

const MOST_STEPS = 400;
/** What comes by itself a little later is waited for so long. */
const CALM_MS = 10_000;
const here = new Namespace([]);
const native = await driverNative();

/** Lets something happen once, after a number of steps, and notes which locks are held before each. */
class Boundary implements StepWatch {
  readonly #at: number;
  readonly #happens: () => void;
  readonly locks = new Set<string>();
  /** What is held before each step, in one text. */
  readonly held: string[] = [];
  passed = false;

  /**
   * @param at after so many steps
   * @param happens what happens then; when it throws, the step and all that is left of its call are not done
   */
  constructor(at: number, happens: () => void) {
    this.#at = at;
    this.#happens = happens;
  }

  through<T>(
    count: number,
    all: () => T,
    upTo: (n: number, skipped: boolean) => T,
    rest?: (n: number, done: T) => T,
  ): T {
    const n = this.#at - this.held.length;
    const held = [...this.locks].join(' ');
    for (let step = 0; step < count; step++) this.held.push(held);
    if (this.passed || n >= count) return all();
    this.passed = true;
    if (n === 0 || rest === undefined) {
      this.#happens();
      return all();
    }
    const done = upTo(n, false);
    this.#happens();
    return rest(n, done);
  }
}

/** As the faulty system, and words to xenstore and locks are steps as well: a lock's boundary is before it is asked for. */
function watched(watch: Boundary, door: 'kernel' | 'ip', isDead: () => boolean): System {
  const single = <T>(does: () => T): T => {
    const alive = () => {
      if (isDead()) throw new Error('The program is dead.');
      return does();
    };
    return watch.through(1, alive, alive);
  };
  const lock = async (path: string, waitMs: number): Promise<FileLock> => {
    const taken = await single(() => native.lock(path, waitMs));
    watch.locks.add(path);
    return {
      ...taken,
      release() {
        watch.locks.delete(path);
        taken.release();
      },
    };
  };
  const system = withFirewall(openSystem(native));
  const ways: Native = {
    ...native,
    lock,
    async connectStream(path, timeoutMs) {
      const channel = await native.connectStream(path, timeoutMs);
      return {
        send: (bytes) => single(() => channel.send(bytes)),
        receive: () => channel.receive(),
        close: () => channel.close(),
      };
    },
  };
  const steps = {
    ...faultySystem(system, watch, door),
    native: async () => ways,
    // The clock of a start that waits for its confirmation is set on by hand.
    startDetached: () => {},
  };
  return mortal(steps, isDead);
}

/** Runs something in this process, and gives its exit status. */
async function runHere(act: Act, system: System, said: string[]): Promise<number> {
  const [hook = '', ...argv] = act.run ?? [];
  const applet: Applet | undefined = hook === 'xen-network' ? adminTool({}) : await HOOKS[hook]?.();
  if (applet === undefined) throw new Error(`${JSON.stringify(act)} cannot be the first.`);
  const log = {
    error: () => {},
    warn: (text: string) => void said.push(text),
    info: () => {},
    flush: async () => {},
  };
  const env = act.guest === undefined ? {} : envOf(act.guest, act.emulated);
  try {
    return await applet({
      hook,
      argv,
      env,
      system,
      log,
      print: () => {},
      interrupted: () => false,
      hooks: HOOKS,
      networkHooks: loadNetworkHooks,
    });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw new Error(messageOf(thrown), { cause: thrown });
    said.push(thrown.message);
    return thrown.exitCode;
  }
}

/** Runs something as the program itself, to its end. */
function runAway(act: Act): string {
  const { argv, env } = commandOf(act);
  const { status, stderr } = here.run(argv, { env });
  return `${status} ${stderr.trim()}`;
}

/** What became of the second so far. */
interface LetIn {
  readonly waits: boolean;
  readonly answer: Promise<string>;
}

/** Starts something, and comes back when it has ended or waits for a lock. */
function letIn(act: Act): LetIn {
  const {
    argv: [file = '', ...args],
    env,
  } = commandOf(act);
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'close');
  const waiting = new RegExp(`-> FLOCK +ADVISORY +WRITE ${child.pid} `);
  let waits = false;
  while (!waits && isRunning(child.pid ?? 0)) {
    Bun.sleepSync(1);
    waits = waiting.test(readFileSync('/proc/locks', 'utf8'));
  }
  return { waits, answer: ended.then(([status, signal]) => `${status ?? signal} ${said.trim()}`) };
}

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/**
 * A run that fails for another reason than in turn gives that one in xenstore: the model is that the reason is what the run
 * itself said.
 */
function withoutReasons(state: Snapshot, said: readonly string[]): Snapshot {
  const all = said.join('\n');
  const store = (state['store'] ?? []).map((line) => {
    const [, path, reason] = /^(.*\/hotplug-error) = "(?:\S+ \w+ \S+: )?(.+)"$/.exec(line) ?? [];
    return reason !== undefined && all.includes(reason) ? `${path} is what was said` : line;
  });
  return { ...state, store };
}

/** Looks until it is one of the expected; otherwise tells how it differs from the one that is nearest. */
function wrongAfter(expected: readonly Snapshot[], said: readonly string[] = []): string[] {
  const texts = expected.map((each) => JSON.stringify(each));
  for (const end = performance.now() + CALM_MS; ; Bun.sleepSync(20)) {
    const now = withoutReasons(look(here, existsSync('/run/openvswitch/db.sock')), said);
    if (texts.includes(JSON.stringify(now))) return [];
    if (performance.now() < end) continue;
    const all = expected.map((each) => differences(each, now));
    return all.sort((a, b) => a.length - b.length)[0] ?? [];
  }
}

/** Looks once the host has come to rest. */
function settled(): Snapshot {
  let before = '';
  for (let tries = 0; ; tries++) {
    const now = look(here, existsSync('/run/openvswitch/db.sock'));
    const text = JSON.stringify(now);
    if ((text === before && !text.includes('tentative')) || tries > 50) return now;
    before = text;
    Bun.sleepSync(100);
  }
}

/** What came of acts in turn, by all that was done: many pairs of a host have turns in common. */
const turns = new Map<string, Turn>();

/** What came of acts in turn. */
interface Turn {
  readonly state: Snapshot;
  /** What was left when all was taken away. */
  readonly wrong: readonly string[];
  readonly said: readonly string[];
  readonly failed: readonly boolean[];
}

/** Does acts one after the other, as the model of what may come of both. */
function inTurn(overlap: Overlap, acts: readonly Act[], stage: Snapshot): Turn {
  const said: string[] = [];
  const play = (act: Act): boolean => {
    const answer = runAway(act);
    said.push(`${nameOf(act)}: ${answer}`);
    return hasFailed(answer);
  };
  overlap.before.forEach(play);
  const failed = acts.map(play);
  overlap.after.forEach(play);
  const state = withoutReasons(settled(), said);
  for (const act of overlap.end) runAway(act);
  const wrong = wrongAfter([stage]);
  const faults = wrong.length === 0 ? [] : ['left at the end:', ...wrong, 'of:', ...said];
  return { state, wrong: faults, said, failed };
}

/** How one overlap ended. */
interface Ended {
  /** The second waited for a lock that the first held. */
  readonly waited: boolean;
  /** Whether the first and the second said that they failed; a killed one says nothing. */
  readonly failed: readonly [boolean, boolean];
  readonly said: readonly string[];
}

/** Lets the second in after `at` steps. */
async function overlapAt(overlap: Overlap, at: number): Promise<Ended> {
  let second: LetIn | undefined;
  let dead = false;
  let status = 0;
  const heard: string[] = [];
  const boundary = new Boundary(at, () => {
    if (overlap.how === 'paused') second = letIn(overlap.second);
    else {
      dead = true;
      throw new Error('The program is dead.');
    }
  });
  const system = watched(boundary, doorAt(at), () => dead);
  try {
    status = await runHere(overlap.first, system, heard);
  } catch (thrown) {
    if (!dead) throw thrown;
  }
  if (!boundary.passed) throw new Error(`The first has no boundary after ${at} steps.`);
  const answer = overlap.how === 'killed' ? runAway(overlap.second) : ((await second?.answer) ?? '');
  const said = [`first: ${dead ? 'killed' : status} ${heard.join(' ')}`, `second: ${answer}`];
  return {
    waited: second?.waits === true,
    failed: [dead || status !== 0, hasFailed(answer)],
    said,
  };
}

/** Whether an answer begins with an exit status that is not 0, or with a signal. */
const hasFailed = (answer: string): boolean => /^[1-9S]/.test(answer);

const doorAt = (at: number): 'kernel' | 'ip' => (at % 2 === 0 ? 'kernel' : 'ip');

/** What the first, when nobody comes between, holds before each of its steps. */
async function heldBySteps(overlap: Overlap): Promise<readonly string[]> {
  for (const act of overlap.before) runAway(act);
  const boundary = new Boundary(MOST_STEPS, () => {
    throw new Error('The first has no end.');
  });
  await runHere(
    overlap.first,
    watched(boundary, 'kernel', () => false),
    [],
  );
  for (const act of overlap.end) runAway(act);
  return boundary.held;
}

/**
 * The next boundary to try. Who waits for a lock that the first holds does the same wherever it came while that is held, but
 * for what it saw before it waited: of such boundaries the first and the last are tried.
 */
function nextAfter(at: number, { every }: Overlap, held: readonly string[], waited: boolean): number {
  if (!waited || held[at] === '') return at + every;
  const end = held.findIndex((locks, n) => n > at && locks !== held[at]);
  return Math.max(at + every, (end < 0 ? held.length : end) - 1);
}

/**
 * What may come of both: one after the other, or, where one of them says that it failed, the other alone. The second may also
 * fail since it finds what the first did, and the first be taken back then: nothing comes of both but the second's word.
 * Each is played when it is asked for.
 */
class Models {
  readonly #overlap: Overlap;
  readonly #stage: Snapshot;
  /** What is wrong already when they come in turn. */
  readonly wrong: string[] = [];

  /**
   * @param overlap the pair
   * @param stage what they begin on, and what has to be left
   */
  constructor(overlap: Overlap, stage: Snapshot) {
    this.#overlap = overlap;
    this.#stage = stage;
    const { first, second } = overlap;
    this.play([overlap.how === 'killed', false]);
    const [one, other] = [this.#turn([first, second]), this.#turn([second, first])];
    if (!overlap.anyOrder || this.wrong.length > 0) return;
    const [{ files: _ours, ...state }, { files: _either, ...reversed }] = [one.state, other.state];
    const orders = differences(state, reversed);
    if (orders.length === 0) return;
    const said = [...one.said, 'the other order:', ...other.said];
    this.wrong.push('the other order comes to something else:', ...orders, 'of:', ...said);
  }

  /**
   * Plays what may come of both when they ended so, on the stage.
   * @param failed which of them said that it failed
   */
  play(failed: Ended['failed']): void {
    for (const acts of this.#casesOf(failed)) this.#turn(acts);
  }

  /** @returns what may come of both when they ended so; undefined unless that has been played */
  statesAfter(failed: Ended['failed']): Snapshot[] | undefined {
    const cases = this.#casesOf(failed);
    if (!cases.every((acts) => turns.has(this.#keyOf(acts)))) return undefined;
    const { first, second } = this.#overlap;
    const word = storeOf(second.guest, this.#turn([first, second]).state);
    return cases.map((acts) => (acts.length > 0 ? this.#turn(acts).state : word(this.#turn([]).state)));
  }

  #casesOf(failed: Ended['failed']): Act[][] {
    const { first, second } = this.#overlap;
    return [
      [first, second],
      [second, first],
      ...(failed[0] ? [[second]] : []),
      ...(failed[1] ? [[first]] : []),
      ...(failed[0] && failed[1] && this.#turn([first, second]).failed[1] === true ? [[]] : []),
    ];
  }

  #turn(acts: readonly Act[]): Turn {
    const key = this.#keyOf(acts);
    const turn = turns.get(key) ?? inTurn(this.#overlap, acts, this.#stage);
    if (!turns.has(key)) this.wrong.push(...turn.wrong);
    turns.set(key, turn);
    return turn;
  }

  #keyOf(acts: readonly Act[]): string {
    const { before, after, end } = this.#overlap;
    return JSON.stringify([before, acts, after, end]);
  }
}

/** A state in which xenstore says of a guest what it says in another. */
function storeOf(guest: number | undefined, of: Snapshot): (others: Snapshot) => Snapshot {
  const isHis = (line: string) => line.startsWith(`/local/domain/0/backend/vif/${guest}/`);
  return (others) => {
    const [its = [], rest = []] = [of['store'], others['store']];
    return { ...others, store: [...its.filter(isHis), ...rest.filter((line) => !isHis(line))].sort() };
  };
}

/** Tries a pair at its boundaries. */
async function tryPair(overlap: Overlap, stage: Snapshot): Promise<OverlapOutcome> {
  const models = new Models(overlap, stage);
  if (models.wrong.length > 0) return { steps: 0, tried: 0, wrong: ['already in turn:', ...models.wrong] };
  const held = await heldBySteps(overlap);
  let tried = 0;
  for (let at = 0; at < held.length; ) {
    const { ended, wrong, isKnown } = await tryOnce(overlap, at, models, stage);
    if (wrong.length > 0)
      return {
        steps: at,
        tried,
        wrong: [`after ${at} steps, which hold ${held[at] || 'nothing'}:`, ...ended.said, ...wrong],
      };
    // What may come of it when one fails is found out when one does; then it is tried again.
    if (isKnown) {
      tried++;
      at = nextAfter(at, overlap, held, ended.waited);
    } else models.play(ended.failed);
    if (models.wrong.length > 0) return { steps: at, tried, wrong: ['in turn:', ...models.wrong] };
  }
  return { steps: held.length, tried, wrong: [] };
}

/** Tries a pair at one boundary. */
async function tryOnce(
  overlap: Overlap,
  at: number,
  models: Models,
  stage: Snapshot,
): Promise<{ ended: Ended; wrong: string[]; isKnown: boolean }> {
  for (const act of overlap.before) runAway(act);
  const ended = await overlapAt(overlap, at);
  for (const act of overlap.after) runAway(act);
  const expected = models.statesAfter(ended.failed);
  const wrong = expected === undefined ? [] : wrongAfter(expected, ended.said);
  const ends = overlap.end.map((act) => `${nameOf(act)}: ${runAway(act)}`);
  const left = wrongAfter([stage]);
  const leftovers = left.length === 0 ? [] : ['left at the end:', ...left, ...ends];
  return { ended, wrong: [...wrong, ...leftovers], isKnown: expected !== undefined };
}

if (process.argv[1] === import.meta.filename) {
  const bare = settled();
  let stage: Snapshot | undefined;
  let strike: readonly Act[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    const overlap: Overlap = JSON.parse(line);
    if (stage === undefined) {
      for (const act of overlap.stage) runAway(act);
      stage = settled();
      strike = overlap.strike;
    }
    process.stdout.write(`${JSON.stringify(await tryPair(overlap, stage))}\n`);
  }
  for (const act of strike) runAway(act);
  process.stdout.write(`${JSON.stringify(wrongAfter([bare]))}\n`);
}
