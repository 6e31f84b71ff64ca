// Lets a network hook fail, or be killed, at every single step, and tells what is left each time. Run by Bun in a test
// host, fed with a Trial as JSON: a process of its own for each step would take longer than the step by far.

import { readFileSync } from 'node:fs';
import { HOOKS, loadNetworkHooks } from '../../../bin/hooks.ts';
import { messageOf, XenNetworkError } from '../../../lib/errors.ts';
import type { Applet, Context } from '../../../lib/hook/context.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';
import { recover } from '../../../scripts/admin/recover.ts';
import { Namespace } from '../hosts/namespace.ts';
import { differences, lookFor, settled } from '../models/bridge-state.ts';
import type { Snapshot } from '../models/snapshot.ts';
import { driverNative } from './driver-native.ts';
import { Fault, type FaultMode, faultySystem } from './faulty-system.ts';
import { mortal } from './mortal.ts';

/** What is tried. */
export interface Trial {
  /** The hook; network-bridge unless told. */
  readonly hook?: string;
  /**
   * fail: the step is refused. twice: the run is killed after its last step, and the recovery after the step. Else the
   * run is killed right after the step, and what is said here comes next.
   */
  readonly fault: 'fail' | 'twice' | 'recover' | 'start' | 'stop';
  /** Only every so many-th step; each unless told. */
  readonly every?: number;
  /** The call that the fault strikes: start or stop, with its variables. */
  readonly words: readonly string[];
  /** What start and stop are given when they come next. */
  readonly variables: readonly string[];
  /** Lines for sh that change the host once more before the first fault, which is to be taken back. */
  readonly dress?: readonly string[];
}

/** How one step's fault ended. */
export interface Outcome {
  readonly at: number;
  readonly status: number;
  readonly said: readonly string[];
  /** How the host differs from what it should be. */
  readonly wrong: readonly string[];
}

const MOST_STEPS = 300;
const here = new Namespace([]);
const native = await driverNative();

interface Told {
  readonly status: number;
  readonly said: readonly string[];
}

async function call(
  system: System,
  hook: string,
  applet: (context: Context) => Promise<number>,
  argv: readonly string[],
): Promise<Told> {
  const said: string[] = [];
  const say = (sentence: string) => void said.push(sentence);
  const log = { error: say, warn: say, info: () => {}, flush: async () => {} };
  const context = {
    hook,
    argv,
    env: {},
    system,
    log,
    print: say,
    interrupted: () => false,
    hooks: HOOKS,
    networkHooks: loadNetworkHooks,
  };
  try {
    return { status: await applet(context), said };
  } catch (thrown) {
    say(messageOf(thrown));
    if (!(thrown instanceof XenNetworkError)) say(`This is a bare ${thrown}.`);
    return { status: 1, said };
  }
}

async function run({ hook = 'network-bridge' }: Trial, ...words: string[]): Promise<Told> {
  return call(openSystem(native), hook, await appletOf(hook), words);
}

async function appletOf(hook: string): Promise<Applet> {
  const applet = await HOOKS[hook]?.();
  if (applet === undefined) throw new Error(`There is no network hook ${hook}.`);
  return applet;
}

/** Runs something with a fault at a step; undefined when there is no such step. */
async function strike(
  mode: FaultMode,
  at: number,
  hook: string,
  applet: Applet,
  words: readonly string[],
): Promise<Told | undefined> {
  let dead = false;
  const fault = new Fault(mode, at, () => {
    dead = true;
  });
  const system = mortal(faultySystem(openSystem(native), fault, at % 2 === 0 ? 'kernel' : 'ip'), () => dead);
  const told = await call(system, hook, applet, words);
  return fault.struck ? told : undefined;
}

/** Runs start or stop, and kills it when it has done everything and is about to forget its journal. */
async function killAtTheEnd(hook: string, words: readonly string[]): Promise<void> {
  let dead = false;
  const real = openSystem(native);
  const dying: System = {
    ...real,
    remove(path) {
      dead ||= path.includes('/journal/');
      if (!dead) real.remove(path);
    },
  };
  const system = mortal(dying, () => dead);
  await call(system, hook, await appletOf(hook), words);
}

/** Lets the fault strike; undefined when there is no such step. */
async function hit({ fault, words, hook = 'network-bridge' }: Trial, at: number): Promise<Told | undefined> {
  if (fault !== 'twice')
    return strike(fault === 'fail' ? 'fail' : 'kill', at, hook, await appletOf(hook), words);
  await killAtTheEnd(hook, words);
  return strike('kill', at, 'xen-network', recover, []);
}

/** What the host has to look like after start, after stop, and before the call that is struck. */
interface States {
  readonly before: Snapshot;
  readonly start: Snapshot;
  readonly stop: Snapshot;
}

async function learn(trial: Trial): Promise<States> {
  const [command = ''] = trial.words;
  const before = await settled(here);
  await run(trial, command === 'start' ? 'start' : 'stop', ...trial.variables);
  const after = await settled(here);
  await run(trial, command === 'start' ? 'stop' : 'start', ...trial.variables);
  return command === 'start'
    ? { before, start: after, stop: before }
    : { before, start: before, stop: after };
}

async function dressed({ dress = [] }: Trial, states: States): Promise<States> {
  if (dress.length === 0) return states;
  here.ok('sh', '-e', '-c', dress.join('\n'));
  return { ...states, before: await settled(here) };
}

/** What comes after a fault. */
async function follow(trial: Trial, told: Told): Promise<Told> {
  if (trial.fault === 'fail') return told;
  if (trial.fault === 'recover' || trial.fault === 'twice')
    return call(openSystem(native), 'xen-network', recover, []);
  return run(trial, trial.fault, ...trial.variables);
}

async function tryAll(trial: Trial): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const states = await dressed(trial, await learn(trial));
  const opposite = trial.words[0] === 'start' ? 'stop' : 'start';
  for (let at = trial.fault === 'fail' ? 1 : 0; at < MOST_STEPS; at += trial.every ?? 1) {
    const struck = await hit(trial, at);
    if (struck === undefined) break;
    const told = await follow(trial, struck);
    const expected = trial.fault === 'start' || trial.fault === 'stop' ? states[trial.fault] : states.before;
    const wrong = differences(expected, await lookFor(here, expected));
    outcomes.push({ at, ...told, wrong });
    if (wrong.length > 0) break;
    if (expected !== states.before) await run(trial, opposite, ...trial.variables);
  }
  return outcomes;
}

if (process.argv[1] === import.meta.filename) {
  const trial: Trial = JSON.parse(readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(await tryAll(trial)));
}
