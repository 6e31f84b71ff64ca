// The numbers to reach, and what a run found for them.

import type { GrowthResult } from './growth.ts';
import type { HookResult } from './hooks.ts';
import { ratio } from './numbers.ts';
import type { OutageResult } from './outage.ts';
import type { RefilterResult } from './refilter.ts';
import type { StormResult } from './storm.ts';
import type { ThroughputResult } from './throughput.ts';

/** All that one run found. */
export interface Results {
  readonly machine: {
    readonly kernel: string;
    readonly cpus: number;
    readonly model: string /** Of the last minute before the run. */;
    readonly load: number;
  };
  readonly date: string;
  readonly long: boolean;
  readonly hooks: readonly HookResult[];
  readonly storms: readonly StormResult[];
  readonly growth: readonly GrowthResult[];
  readonly refilters: readonly RefilterResult[];
  readonly throughput: readonly ThroughputResult[];
  readonly outages: readonly OutageResult[];
  /** What a reader has to know beside the numbers. */
  readonly notes: readonly string[];
}

/** A number to reach. */
export interface Target {
  readonly name: string;
  readonly is: 'at most' | 'at least';
  readonly limit: number;
  /** NaN when it was not measured. */
  readonly found: number;
}

/** Whether a number was reached; one that was not measured was not. */
export function isReached({ is, limit, found }: Target): boolean {
  return is === 'at most' ? found <= limit : found >= limit;
}

/**
 * Whether a number was reached, in words.
 * @param target the number
 */
export function verdict(target: Target): string {
  if (Number.isNaN(target.found)) return 'not measured';
  return isReached(target) ? 'reached' : 'missed';
}

/**
 * The numbers to reach.
 * @param results what was found
 */
export function targets({ hooks, storms, growth, refilters, throughput, outages }: Results): Target[] {
  return [
    ...['vif-bridge', 'vif-route', 'vif-nat'].flatMap((hook) => hookTargets(hooks, hook)),
    ...stormTargets(storms),
    ...growthTargets(growth),
    ...refilterTargets(refilters),
    ...throughputTargets(throughput),
    ...outageTargets(outages),
  ];
}

function atMost(limit: number, name: string, found: number): Target {
  return { name, is: 'at most', limit, found };
}

function hookTargets(hooks: readonly HookResult[], hook: string): Target[] {
  const by = (maker: string) =>
    hooks.find((each) => each.hook === hook && each.maker === maker && each.command === 'online');
  const [ours, stock, smallest, floor] = [by('ours'), by('stock'), by('smallest'), by('floor')];
  return [
    atMost(0.2, `${hook} online, wall / stock's`, ratio(ours?.wallMs, stock?.wallMs)),
    atMost(0.2, `${hook} online, cpu / stock's`, ratio(ours?.cpuMs, stock?.cpuMs)),
    atMost(0.5, `${hook} online, wall / smallest script's`, ratio(ours?.wallMs, smallest?.wallMs)),
    atMost(2.5, `${hook} online, wall / C program's`, ratio(ours?.wallMs, floor?.wallMs)),
    atMost(0, `${hook} online, children`, ours?.children ?? Number.NaN),
  ];
}

function stormTargets(storms: readonly StormResult[]): Target[] {
  const wall = (maker: string) =>
    storms.find(
      (each) =>
        each.maker === maker && each.vifs === 100 && each.mode === 'compatible' && each.act === 'online',
    )?.wallMs;
  const large = storms.filter((each) => each.maker === 'ours' && each.vifs === 400);
  const slowest = large.map(({ slowestMs }) => slowestMs / 1000);
  const lost = storms.filter(({ maker }) => maker === 'ours').map((each) => each.failures + each.unruled);
  return [
    atMost(0.2, "storm of 100, wall / stock's", ratio(wall('ours'), wall('stock'))),
    atMost(
      0,
      'storms, calls that failed or guests that are not as they must be',
      lost.length === 0 ? Number.NaN : lost.reduce((a, b) => a + b, 0),
    ),
    // xl waits for 40 s.
    atMost(
      10,
      'storms of 400, the slowest hook in s',
      slowest.length === 0 ? Number.NaN : Math.max(...slowest),
    ),
  ];
}

function growthTargets(growth: readonly GrowthResult[]): Target[] {
  const online = (mode: string, present: number) =>
    growth.find((each) => each.maker === 'ours' && each.mode === mode && each.present === present)?.onlineMs;
  const grown = (mode: string, present: number) =>
    atMost(
      2,
      `one more vif with ${present} present / with none, filter ${mode}`,
      ratio(online(mode, present), online(mode, 0)),
    );
  const modes = ['none', 'strict', 'compatible'];
  return [grown('strict', 1000), ...modes.map((mode) => grown(mode, 4000))];
}

function refilterTargets(refilters: readonly RefilterResult[]): Target[] {
  const cost = (mode: string, present: number) =>
    ratio(refilters.find((each) => each.mode === mode && each.present === present)?.cpuMs, present);
  return ['strict', 'compatible'].flatMap((mode) => [
    atMost(1, `refilter of 1000, ms of cpu for each guest, filter ${mode}`, cost(mode, 1000)),
    ...[1000, 4000].map((present) =>
      atMost(
        1.25,
        `refilter of ${present} / of 100, cpu for each guest, filter ${mode}`,
        ratio(cost(mode, present), cost(mode, 100)),
      ),
    ),
  ]);
}

function throughputTargets(throughput: readonly ThroughputResult[]): Target[] {
  const strict = (guests: number) =>
    throughput.find((each) => each.filter === 'strict' && each.guests === guests);
  const [many, one] = [strict(1000), strict(1)];
  const target = (name: string, found: number): Target => ({ name, is: 'at least', limit: 0.9, found });
  return [
    target(
      "small packets with 1000 guests' strict rules / with one's",
      ratio(many?.packetsPerS, one?.packetsPerS),
    ),
    target("TCP with 1000 guests' strict rules / with one's", ratio(many?.tcpMbitPerS, one?.tcpMbitPerS)),
  ];
}

function outageTargets(outages: readonly OutageResult[]): Target[] {
  const outage = (maker: string, topology: string, command: string) =>
    outages.find((each) => each.maker === maker && each.topology === topology && each.command === command)
      ?.outageMs;
  return ['classic', 'rename', 'plain'].flatMap((topology) =>
    ['start', 'stop'].map((command) =>
      atMost(
        0.25,
        `outage, ${topology} ${command} / the sequence's`,
        ratio(outage('ours', topology, command), outage('sequence', topology, command)),
      ),
    ),
  );
}
