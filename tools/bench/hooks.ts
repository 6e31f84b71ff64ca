// One event of each vif hook, by all makers in turn: time, processor time, memory, children. Beside them the C program that
// only makes the system calls of our online.

import { floorProgram, traceWords } from './floor.ts';
import { leftBy } from './left.ts';
import { type Job, measure, type Sample } from './meter.ts';
import { median, shuffled } from './numbers.ts';
import { MAKERS, type Maker, Stage } from './stage.ts';

const HOOKS = ['vif-bridge', 'vif-route', 'vif-nat'] as const;
const COMMANDS = ['online', 'offline'] as const;
const DOMID = 1;
const TRACE = '/run/bench/trace';

/** Medians of one maker's hook for one command. */
export interface HookResult {
  readonly hook: string;
  readonly command: string;
  /** floor: the C program. */
  readonly maker: Maker | 'floor';
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMb: number;
  readonly children: number;
  readonly samples: readonly Sample[];
}

export interface HookResults {
  readonly hooks: readonly HookResult[];
  /** A sentence for each hook that was left out, or that leaves something else than ours does. */
  readonly notes: readonly string[];
}

/**
 * Measures online and offline of all vif hooks.
 * @param rounds how often every maker has its turn
 */
export async function measureHooks(rounds: number): Promise<HookResults> {
  const results: HookResult[] = [];
  const notes: string[] = [];
  for (const hook of HOOKS) {
    const stage = await Stage.create();
    stage.cards(DOMID, 1);
    // Without an address vif-nat makes one up.
    if (hook === 'vif-nat') stage.store.remove(`/local/domain/0/backend/vif/${DOMID}/0/ip`);
    const left = new Map<string, readonly string[]>();
    const able = MAKERS.filter((maker) => {
      const found = stage.whyNot(maker, hook) ?? rehearse(stage, maker, hook);
      if (typeof found === 'string') notes.push(`${hook} (${maker}) is left out: ${found}.`);
      else for (const command of COMMANDS) left.set(`${maker} ${command}`, found[command]);
      return typeof found !== 'string';
    });
    notes.push(...differences(hook, able, left));
    results.push(...measureHook(stage, hook, able, rounds));
    await stage.host.close();
  }
  return { hooks: results, notes };
}

/** The device is as netback makes it, and xenstore as xl writes it. */
function reset(stage: Stage): Job {
  const vif = `vif${DOMID}.0`;
  const words = [
    `ip link set dev ${Stage.fresh(DOMID)}`,
    `ip address flush dev ${vif}`,
    `echo 0 >/proc/sys/net/ipv4/conf/${vif}/proxy_arp`,
    `xenstore-rm ${Stage.told(DOMID).join(' ')} 2>&1`,
  ];
  return stage.plain('sh', '-c', words.join('; '));
}

type Left = Readonly<Record<(typeof COMMANDS)[number], readonly string[]>>;

/** @returns what it leaves of online and of offline; in words why the hook does not do its work here */
function rehearse(stage: Stage, maker: Maker, hook: string): Left | string {
  const run = (job: Job) => measure(stage.host.enter, [[job]]).flat()[0]?.status;
  for (const key of ['hotplug-status', 'hotplug-error']) stage.store.remove(`backend/vif/${DOMID}/0/${key}`);
  run(reset(stage));
  const online = run(stage.call(maker, hook, 'online', DOMID));
  const { status, error } = stage.store.told(DOMID);
  const connected = leftBy(stage, DOMID);
  const offline = run(stage.call(maker, hook, 'offline', DOMID));
  const gone = leftBy(stage, DOMID);
  if (online !== 0 || status !== 'connected')
    return `online ended with status ${online} and told ${error ?? status ?? 'nothing'}`;
  return offline === 0 ? { online: connected, offline: gone } : `offline ended with status ${offline}`;
}

/** The same work is what the others are compared by: what they leave otherwise than ours is told. */
function differences(
  hook: string,
  makers: readonly Maker[],
  left: ReadonlyMap<string, readonly string[]>,
): string[] {
  return COMMANDS.flatMap((command) => {
    const ours = left.get(`ours ${command}`) ?? [];
    return makers.flatMap((maker) => {
      const theirs = left.get(`${maker} ${command}`) ?? [];
      const more = theirs.filter((line) => !ours.includes(line)).map((line) => `also ${line}`);
      const less = ours.filter((line) => !theirs.includes(line)).map((line) => `not ${line}`);
      const all = [...more, ...less];
      return all.length === 0
        ? []
        : [`${hook} ${command} (${maker}) leaves, unlike ours, ${all.join(', ')}.`];
    });
  });
}

interface Part {
  readonly key: string;
  readonly job: Job;
}

function measureHook(stage: Stage, hook: string, makers: readonly Maker[], rounds: number): HookResult[] {
  const floor = makers.includes('ours') ? floorOf(stage, hook) : undefined;
  const turns = [
    ...makers.map((maker) => turnOf(stage, hook, maker)),
    ...(floor === undefined ? [] : [floor]),
  ];
  const parts = Array.from({ length: rounds }, (_, round) => shuffled(turns, round).flat()).flat();
  const measured = measure(
    stage.host.enter,
    parts.map(({ job }) => [job]),
  ).flat();
  const samples = new Map<string, Sample[]>();
  for (const [i, { key }] of parts.entries()) {
    const sample = measured[i];
    if (sample === undefined || key === '') continue;
    if (sample.status !== 0) throw new Error(`${hook}: ${key} ended with status ${sample.status}.`);
    samples.set(key, [...(samples.get(key) ?? []), sample]);
  }
  const results = makers.flatMap((maker) =>
    COMMANDS.map((command) => ({
      ...resultOf(hook, command, maker, samples),
      children: countChildren(stage, maker, hook, command),
    })),
  );
  return floor === undefined ? results : [...results, resultOf(hook, 'online', 'floor', samples)];
}

function turnOf(stage: Stage, hook: string, maker: Maker): Part[] {
  const events = COMMANDS.map((command) => ({
    key: `${maker} ${command}`,
    job: stage.call(maker, hook, command, DOMID),
  }));
  return [{ key: '', job: reset(stage) }, ...events];
}

/** What the C program makes is what our online makes, so our offline takes it away. */
function floorOf(stage: Stage, hook: string): Part[] {
  const { argv, env } = stage.call('ours', hook, 'online', DOMID);
  const offline = stage.call('ours', hook, 'offline', DOMID);
  const traced = { argv: [...traceWords(TRACE), ...argv], env };
  // Twice, so that the second finds what each one finds that comes after another.
  for (let i = 0; i < 2; i++) measure(stage.host.enter, [[reset(stage)], [traced], [offline]]);
  const online = stage.plain(floorProgram(stage.host.ok('cat', TRACE)));
  return [
    { key: '', job: reset(stage) },
    { key: 'floor online', job: online },
    { key: '', job: offline },
  ];
}

function resultOf(
  hook: string,
  command: string,
  maker: HookResult['maker'],
  samples: ReadonlyMap<string, readonly Sample[]>,
): HookResult {
  const own = samples.get(`${maker} ${command}`) ?? [];
  const middle = (value: (sample: Sample) => number) => median(own.map(value));
  return {
    hook,
    command,
    maker,
    wallMs: middle((sample) => sample.wallMs),
    cpuMs: middle((sample) => sample.cpuMs),
    peakMb: middle((sample) => sample.peakMb),
    children: 0,
    samples: own,
  };
}

/** Programs that a hook starts, by strace; a shell's own forks are not even counted. */
function countChildren(stage: Stage, maker: Maker, hook: string, command: string): number {
  const { argv, env } = stage.call(maker, hook, command, DOMID);
  const strace = ['strace', '-f', '-qq', '-e', 'trace=execve', '-e', 'signal=none', '-o', TRACE];
  if (command === 'online') measure(stage.host.enter, [[reset(stage)]]);
  measure(stage.host.enter, [[{ argv: [...strace, ...argv], env }]]);
  const started = stage.host.ok('cat', TRACE).match(/execve\(.*= 0$|execve resumed.*= 0$/gm);
  return (started?.length ?? 0) - 1;
}
