// One event of each vif hook, by all makers in turn: time, processor time, memory, children.

import { type Job, measure, type Sample } from './meter.ts';
import { median } from './numbers.ts';
import { MAKERS, type Maker, Stage } from './stage.ts';

const HOOKS = ['vif-bridge', 'vif-route', 'vif-nat'] as const;
const COMMANDS = ['online', 'offline'] as const;
const DOMID = 1;
const TRACE = '/run/bench/trace';

/** Medians of one maker's hook for one command. */
export interface HookResult {
  readonly hook: string;
  readonly command: string;
  readonly maker: Maker;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMb: number;
  readonly children: number;
  readonly samples: readonly Sample[];
}

export interface HookResults {
  readonly hooks: readonly HookResult[];
  /** A sentence for each hook that was left out. */
  readonly skipped: readonly string[];
}

/**
 * Measures online and offline of all vif hooks.
 * @param rounds how often every maker has its turn
 */
export async function measureHooks(rounds: number): Promise<HookResults> {
  const results: HookResult[] = [];
  const skipped: string[] = [];
  for (const hook of HOOKS) {
    const stage = await Stage.create();
    stage.cards(DOMID, 1);
    // Without an address vif-nat makes one up.
    if (hook === 'vif-nat') stage.store.remove(`/local/domain/0/backend/vif/${DOMID}/0/ip`);
    const able = MAKERS.filter((maker) => {
      const why = stage.whyNot(maker, hook) ?? rehearse(stage, maker, hook);
      if (why !== undefined) skipped.push(`${hook} (${maker}): ${why}.`);
      return why === undefined;
    });
    results.push(...measureHook(stage, hook, able, rounds));
    await stage.host.close();
  }
  return { hooks: results, skipped };
}

/** What netback does between two guests: the device is new. */
function reset(stage: Stage): Job {
  const vif = `vif${DOMID}.0`;
  const words = `ip link set dev ${vif} down nomaster alias "" && ip address flush dev ${vif}`;
  return stage.plain('sh', '-c', words);
}

/** @returns why the hook does not do its work here; undefined when it does */
function rehearse(stage: Stage, maker: Maker, hook: string): string | undefined {
  const groups = COMMANDS.map((command) => [stage.call(maker, hook, command, DOMID)]);
  stage.store.remove(`backend/vif/${DOMID}/0/hotplug-status`);
  stage.store.remove(`backend/vif/${DOMID}/0/hotplug-error`);
  const [online] = measure(stage.host.enter, groups.slice(0, 1)).flat();
  const { status, error } = stage.store.told(DOMID);
  const [offline] = measure(stage.host.enter, [...groups.slice(1), [reset(stage)]]).flat();
  if (online?.status !== 0 || status !== 'connected')
    return `online ended with status ${online?.status} and told ${error ?? status ?? 'nothing'}`;
  return offline?.status === 0 ? undefined : `offline ended with status ${offline?.status}`;
}

function measureHook(stage: Stage, hook: string, makers: readonly Maker[], rounds: number): HookResult[] {
  const samples = new Map<string, Sample[]>();
  const turn = (maker: Maker) => [
    ...COMMANDS.map((command) => ({
      key: `${maker} ${command}`,
      job: stage.call(maker, hook, command, DOMID),
    })),
    { key: '', job: reset(stage) },
  ];
  const jobs = Array.from({ length: rounds }, (_, round) =>
    // Nobody always follows the same one.
    makers.flatMap((_maker, i) => turn(makers[(i + round) % makers.length] ?? 'ours')),
  ).flat();
  const measured = measure(
    stage.host.enter,
    jobs.map(({ job }) => [job]),
  ).flat();
  for (const [i, { key }] of jobs.entries()) {
    const sample = measured[i];
    if (sample === undefined || key === '') continue;
    if (sample.status !== 0) throw new Error(`${hook}: ${key} ended with status ${sample.status}.`);
    samples.set(key, [...(samples.get(key) ?? []), sample]);
  }
  return makers.flatMap((maker) =>
    COMMANDS.map((command) => {
      const own = samples.get(`${maker} ${command}`) ?? [];
      const middle = (value: (sample: Sample) => number) => median(own.map(value));
      return {
        hook,
        command,
        maker,
        wallMs: middle((sample) => sample.wallMs),
        cpuMs: middle((sample) => sample.cpuMs),
        peakMb: middle((sample) => sample.peakMb),
        children: countChildren(stage, maker, hook, command),
        samples: own,
      };
    }),
  );
}

/** Programs that a hook starts, by strace; a shell's own forks are not even counted. */
function countChildren(stage: Stage, maker: Maker, hook: string, command: string): number {
  const { argv, env } = stage.call(maker, hook, command, DOMID);
  const strace = ['strace', '-f', '-qq', '-e', 'trace=execve', '-e', 'signal=none', '-o', TRACE];
  measure(stage.host.enter, [[{ argv: [...strace, ...argv], env }]]);
  if (command === 'offline') measure(stage.host.enter, [[reset(stage)]]);
  const started = stage.host.ok('cat', TRACE).match(/execve\(.*= 0$|execve resumed.*= 0$/gm);
  return (started?.length ?? 0) - 1;
}
