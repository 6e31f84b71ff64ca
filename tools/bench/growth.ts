// What one more guest costs when there are many already.

import { type Job, measure } from './meter.ts';
import { median } from './numbers.ts';
import { MAKERS, type Maker, PORTS_PER_BRIDGE, Stage } from './stage.ts';

/** A filter mode, as the benchmark can set it up: an entry more is a mode more in the table. */
interface Mode {
  readonly name: string;
  /** What is written beside a guest's other entries in xenstore. */
  readonly entries: Readonly<Record<string, string>>;
  /** Who knows this mode. */
  readonly makers: readonly Maker[];
  /** Makes the rules of many guests that are there already, in one go. */
  readonly fill: (stage: Stage, domids: readonly number[]) => void;
}

const MODES: readonly Mode[] = [
  { name: 'none', entries: { filter: 'no' }, makers: ['ours'], fill: () => {} },
  { name: 'compatible', entries: {}, makers: MAKERS, fill: fillForward },
];

/** Medians of one more guest's time. */
export interface GrowthResult {
  readonly mode: string;
  readonly maker: Maker;
  readonly present: number;
  readonly onlineMs: number;
  readonly offlineMs: number;
}

/**
 * Measures one more guest beside many.
 * @param sizes how many guests are there already
 * @param rounds how often
 */
export async function measureGrowth(sizes: readonly number[], rounds: number): Promise<GrowthResult[]> {
  const results: GrowthResult[] = [];
  for (const mode of MODES) {
    const stages = await Promise.all(sizes.map((present) => crowded(mode, present)));
    results.push(...measureMode(mode, sizes, stages, rounds));
    for (const stage of stages) await stage.host.close();
  }
  return results;
}

/** A host with guests whose devices, rules and records are as online leaves them. */
async function crowded(mode: Mode, present: number): Promise<Stage> {
  const stage = await Stage.create();
  const domids = Array.from({ length: present }, (_, i) => i + 1);
  for (let i = 1; i * PORTS_PER_BRIDGE <= present; i++)
    stage.host.ip(`link add xenbr${i} type bridge`, `link set xenbr${i} up`);
  stage.cards(1, present + 1);
  stage.host.ip(
    ...domids.flatMap((id) => [
      `link set dev vif${id}.0 address fe:ff:ff:ff:ff:ff master ${Stage.bridge(id)}`,
      `link set dev vif${id}.0 up`,
    ]),
  );
  mode.fill(stage, domids);
  const path = `/local/domain/0/backend/vif/${present + 1}/0`;
  const entries = Object.entries(mode.entries).map(([key, value]) => [`${path}/${key}`, value]);
  if (entries.length > 0) stage.store.write(Object.fromEntries(entries));
  return stage;
}

function fillForward(stage: Stage, domids: readonly number[]): void {
  const lines = domids.flatMap((id) => {
    const [from, to] = ['in', 'out'].map(
      (way) => `-m physdev --physdev-is-bridged --physdev-${way} vif${id}.0`,
    );
    return [
      `-A FORWARD -s ${Stage.address(id)} ${from} -j ACCEPT`,
      `-A FORWARD -p udp ${from} -m udp --sport 68 --dport 67 -j ACCEPT`,
      `-A FORWARD ${to} -j ACCEPT`,
    ];
  });
  const input = ['*filter', ...lines, 'COMMIT', ''].join('\n');
  const done = stage.host.run(['iptables-restore', '--noflush', '-w'], { input });
  if (done.status !== 0) throw new Error(`iptables-restore failed: ${done.stderr}`);
}

function measureMode(
  mode: Mode,
  sizes: readonly number[],
  stages: readonly Stage[],
  rounds: number,
): GrowthResult[] {
  const turns = stages.flatMap((stage, i) =>
    mode.makers.map((maker) => ({ stage, maker, present: sizes[i] ?? 0, online: [0], offline: [0] })),
  );
  for (const turn of turns) turn.online.pop();
  for (const turn of turns) turn.offline.pop();
  for (let round = 0; round < rounds; round++) {
    for (const { stage, maker, present, online, offline } of turns) {
      const call = (command: string): Job[] => [stage.call(maker, 'vif-bridge', command, present + 1)];
      const [first, second] = measure(stage.host.enter, [call('online'), call('offline')]).flat();
      if (first?.status !== 0 || second?.status !== 0)
        throw new Error(`${maker}: vif-bridge failed with ${present} guests present.`);
      online.push(first.wallMs);
      offline.push(second.wallMs);
    }
  }
  return turns.map(({ maker, present, online, offline }) => ({
    mode: mode.name,
    maker,
    present,
    onlineMs: median(online),
    offlineMs: median(offline),
  }));
}
