// What one more guest costs when there are many already.

import { type Job, measure } from './meter.ts';
import { median, shuffled } from './numbers.ts';
import { MAKERS, type Maker, PORTS_PER_BRIDGE, Stage } from './stage.ts';

/** A filter mode, as the benchmark can set it up: an entry more is a mode more in the table. */
export interface Mode {
  readonly name: string;
  /** What hooks are told beside the command. */
  readonly words: readonly string[];
  /** What is written beside each guest's other entries in xenstore. */
  readonly entries: Readonly<Record<string, string>>;
  /** Who knows this mode. */
  readonly makers: readonly Maker[];
}

/** The filter modes that are measured. */
export const MODES: readonly Mode[] = [
  { name: 'none', words: ['filter=no'], entries: {}, makers: ['ours'] },
  { name: 'strict', words: [], entries: { locking: 'locked' }, makers: ['ours'] },
  { name: 'compatible', words: [], entries: {}, makers: MAKERS },
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

/**
 * A host with guests, and one that is to come; whoever's hook brings it, the others have our filters.
 * @param mode their filter
 * @param present how many guests are there
 */
export async function crowded({ name, entries }: Mode, present: number): Promise<Stage> {
  const stage = await Stage.create();
  for (let i = 1; i * PORTS_PER_BRIDGE <= present; i++)
    stage.host.ip(`link add xenbr${i} type bridge`, `link set xenbr${i} up`);
  if (present > 0) {
    stage.guests(1, present, entries);
    if (name !== 'none') stage.refilter();
  }
  stage.cards(present + 1, 1, entries);
  return stage;
}

interface Turn {
  readonly mode: Mode;
  readonly stage: Stage;
  readonly maker: Maker;
  readonly present: number;
  readonly online: number[];
  readonly offline: number[];
}

function rehearse({ stage, mode, maker, present }: Turn): void {
  const call = (command: string) => stage.call(maker, 'vif-bridge', command, present + 1, mode.words);
  measure(stage.host.enter, [[call('online')]]);
  const vif = `vif${present + 1}.0`;
  const filters = [
    stage.host.ok('iptables', '-S', 'FORWARD').includes(` ${vif} `) ? ['compatible'] : [],
    stage.host.run(['nft', 'list', 'map', 'bridge', 'xen_network', 'guests']).stdout.includes(`"${vif}"`)
      ? ['strict']
      : [],
  ].flat();
  if ((filters.join() || 'none') !== mode.name)
    throw new Error(
      `${maker}: ${vif} should have the filter ${mode.name} and has ${filters.join() || 'none'}.`,
    );
  measure(stage.host.enter, [[call('offline')]]);
}

/** @returns how long its online and its offline took, in milliseconds */
function bringOneMore({ stage, mode, maker, present }: Turn): [online: number, offline: number] {
  const call = (command: string): Job[] => [
    stage.call(maker, 'vif-bridge', command, present + 1, mode.words),
  ];
  const [first, second] = measure(stage.host.enter, [call('online'), call('offline')]).flat();
  if (first?.status !== 0 || second?.status !== 0)
    throw new Error(`${maker}: vif-bridge failed with ${present} guests present.`);
  return [first.wallMs, second.wallMs];
}

function measureMode(
  mode: Mode,
  sizes: readonly number[],
  stages: readonly Stage[],
  rounds: number,
): GrowthResult[] {
  const turns = stages.flatMap((stage, i) =>
    mode.makers.map(
      (maker): Turn => ({ mode, stage, maker, present: sizes[i] ?? 0, online: [], offline: [] }),
    ),
  );
  // The first round only warms up, and shows that what is measured is what it is called.
  for (const turn of turns) rehearse(turn);
  for (let round = 0; round < rounds; round++) {
    for (const turn of shuffled(turns, round)) {
      const [online, offline] = bringOneMore(turn);
      turn.online.push(online);
      turn.offline.push(offline);
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
