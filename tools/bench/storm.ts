// Many guests that start at the same moment.

import { measure, type Sample, weigh } from './meter.ts';
import { median, shuffled } from './numbers.ts';
import { type Maker, Stage } from './stage.ts';
import { STORM_MODES, type StormMode } from './storm-modes.ts';

/** What the hooks of a storm are told: all online, all offline, or a half of each while a refilter goes on. */
export type StormAct = 'online' | 'offline' | 'mixed';

/** What became of a storm: medians, and all that went wrong. */
export interface StormResult {
  readonly mode: string;
  readonly act: StormAct;
  readonly maker: Maker;
  readonly vifs: number;
  /** From the first start to the last end. */
  readonly wallMs: number;
  /** The one that took longest. */
  readonly slowestMs: number;
  readonly cpuMs: number;
  /** At most in memory at once by all processes of the storm, what they share counted once; NaN where not weighed. */
  readonly memoryMb: number;
  /** Calls that failed, or did not tell `connected`. */
  readonly failures: number;
  /** Guests that lack something after an online, or still have something after an offline. */
  readonly unruled: number;
}

/** How many guests at once, and how often. */
export interface StormPlan {
  readonly vifs: number;
  readonly rounds: number;
  /** The kinds of guests. */
  readonly modes: readonly string[];
  /** Whether all go as well, half of them beside the others' coming, and memory is measured, in a storm of its own. */
  readonly whole: boolean;
}

/**
 * The stock scripts wait for each other so that the time grows with the square of their number: 100 at once take more than a
 * minute where starting a program is dear. More come never, and many of them once.
 */
const MANY_FOR_STOCK = 10;
const MOST_FOR_STOCK = 100;

function makersOf({ makers }: StormMode, vifs: number, round: number): readonly Maker[] {
  const isStockToo = vifs <= (round === 0 ? MOST_FOR_STOCK : MANY_FOR_STOCK);
  return makers.filter((maker) => maker !== 'stock' || isStockToo);
}

/**
 * Brings many guests at once.
 * @param plan how many, and which
 */
export async function measureStorms({ vifs, rounds, modes, whole }: StormPlan): Promise<StormResult[]> {
  const results: StormResult[] = [];
  for (const mode of STORM_MODES.filter(({ name }) => modes.includes(name))) {
    const stage = await Stage.create();
    mode.prepare?.(stage);
    stage.cards(1, vifs, mode.entries);
    const domids = Array.from({ length: vifs }, (_, i) => i + 1);
    // The first time only warms up.
    for (const maker of makersOf(mode, vifs, 0))
      calm(stage, mode, [1], storm(stage, mode, maker, 'online', [1]));
    const found = Array.from({ length: rounds }, (_, round) =>
      shuffled(makersOf(mode, vifs, round), vifs + round).flatMap((maker) =>
        turn(stage, mode, maker, domids, whole),
      ),
    ).flat();
    results.push(...summaries(found));
    await stage.host.close();
  }
  return results;
}

function summaries(storms: readonly StormResult[]): StormResult[] {
  const keyOf = ({ maker, act }: StormResult) => `${maker} ${act}`;
  return [...new Set(storms.map(keyOf))].map((key) => summary(storms.filter((each) => keyOf(each) === key)));
}

function summary(storms: readonly StormResult[]): StormResult {
  const [first] = storms;
  if (first === undefined) throw new Error('There is no storm without a round.');
  const middle = (value: (storm: StormResult) => number) => median(storms.map(value));
  const sum = (value: (storm: StormResult) => number) => storms.reduce((all, each) => all + value(each), 0);
  return {
    ...first,
    wallMs: middle(({ wallMs }) => wallMs),
    slowestMs: middle(({ slowestMs }) => slowestMs),
    cpuMs: middle(({ cpuMs }) => cpuMs),
    memoryMb: middle(({ memoryMb }) => memoryMb),
    failures: sum(({ failures }) => failures),
    unruled: sum(({ unruled }) => unruled),
  };
}

/** A maker's guests come, and with ours for a whole storm also go and change over; then all is as before. */
function turn(
  stage: Stage,
  mode: StormMode,
  maker: Maker,
  domids: readonly number[],
  whole: boolean,
): StormResult[] {
  const come = storm(stage, mode, maker, 'online', domids);
  if (!whole) return calm(stage, mode, domids, [come]);
  const gone = storm(stage, mode, maker, 'offline', domids);
  if (maker !== 'ours') {
    const heavy = weighed(stage, mode, maker, domids);
    return calm(stage, mode, domids, [{ ...come, memoryMb: heavy }, gone]);
  }
  calm(stage, mode, domids, []);
  const memoryMb = weighed(stage, mode, maker, domids);
  const half = domids.filter((domid) => domid % 2 === 0);
  storm(stage, mode, maker, 'offline', half);
  const mixed = storm(stage, mode, maker, 'mixed', domids);
  return calm(stage, mode, domids, [{ ...come, memoryMb }, gone, mixed]);
}

/** Guests with even numbers are those that come in a mixed storm; before it only the others are there. */
function commandOf(act: StormAct, domid: number): 'online' | 'offline' {
  if (act !== 'mixed') return act;
  return domid % 2 === 0 ? 'online' : 'offline';
}

function jobs(
  stage: Stage,
  { hook, words }: StormMode,
  maker: Maker,
  act: StormAct,
  domids: readonly number[],
) {
  const told = maker === 'ours' ? words : [];
  return domids.map((domid) => stage.call(maker, hook, commandOf(act, domid), domid, told));
}

function weighed(stage: Stage, mode: StormMode, maker: Maker, domids: readonly number[]): number {
  return weigh(stage.host.enter, jobs(stage, mode, maker, 'online', domids));
}

function storm(
  stage: Stage,
  mode: StormMode,
  maker: Maker,
  act: StormAct,
  domids: readonly number[],
): StormResult {
  const told = domids.filter((domid) => commandOf(act, domid) === 'online');
  for (const domid of act === 'mixed' ? told : []) stage.store.remove(Stage.told(domid)[0] ?? '');
  const hooks = jobs(stage, mode, maker, act, domids);
  const beside = act === 'mixed' ? [stage.plain('/etc/xen/scripts/xen-network', 'refilter')] : [];
  const [samples = []] = measure(stage.host.enter, [[...hooks, ...beside]]);
  const connected = whoIsConnected(stage);
  const lost = told.filter((domid) => !connected.has(domid)).length;
  return {
    mode: mode.name,
    act,
    maker,
    vifs: domids.length,
    wallMs: Math.max(...samples.map(({ begunMs, wallMs }) => begunMs + wallMs)),
    slowestMs: Math.max(...samples.slice(0, hooks.length).map(({ wallMs }) => wallMs)),
    cpuMs: samples.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    memoryMb: Number.NaN,
    failures: Math.max(samples.filter((sample) => !worked(sample)).length, lost),
    unruled: wrong(stage, mode, act, domids),
  };
}

function worked(sample: Sample | undefined): boolean {
  return sample?.status === 0;
}

function whoIsConnected(stage: Stage): Set<number> {
  const told = stage.store.list('/local/domain/0/backend/vif').join('\n');
  const connected = [...told.matchAll(/^\S*\/vif\/(\d+)\/0\/hotplug-status = "connected"/gm)];
  return new Set(connected.map(([, domid]) => Number(domid)));
}

/** Guests that lack a part that they must have, or have one that must be gone. */
function wrong(stage: Stage, mode: StormMode, act: StormAct, domids: readonly number[]): number {
  const parts = mode.parts.map((part) => part(stage));
  return domids.filter((domid) => {
    const wanted = commandOf(act, domid) === 'online';
    return parts.some((part) => part.has(domid) !== wanted);
  }).length;
}

/** All is as if the guests had never been there. */
function calm<T>(stage: Stage, mode: StormMode, domids: readonly number[], results: T): T {
  if (mode.parts.some((part) => part(stage).size > 0))
    measure(stage.host.enter, [jobs(stage, mode, 'ours', 'offline', domids)]);
  stage.host.ok('iptables', '-F', 'FORWARD');
  stage.host.ok('rm', '-rf', '/run/xen-network/vif');
  stage.host.ip(...domids.map((domid) => `link set dev ${Stage.fresh(domid)}`));
  stage.host.run(['xenstore-rm', ...domids.flatMap((domid) => Stage.told(domid))]);
  return results;
}
