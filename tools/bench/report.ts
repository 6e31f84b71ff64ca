// The results as a table for people.

import type { GrowthResult } from './growth.ts';
import type { HookResult } from './hooks.ts';
import { short } from './numbers.ts';
import type { OutageResult } from './outage.ts';
import type { StormResult } from './storm.ts';

/** All that one run found. */
export interface Results {
  readonly machine: { readonly kernel: string; readonly cpus: number; readonly model: string };
  readonly date: string;
  readonly long: boolean;
  readonly hooks: readonly HookResult[];
  readonly storms: readonly StormResult[];
  readonly growth: readonly GrowthResult[];
  readonly outages: readonly OutageResult[];
  readonly skipped: readonly string[];
}

/** A number to reach, and what this run found for it. */
export interface Target {
  readonly name: string;
  readonly most: number;
  /** NaN when it was not measured. */
  readonly found: number;
}

/**
 * A table with its columns in line: the first one to the left, the others to the right.
 * @param rows the cells; the first row is the heading
 */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [line(rows[0] ?? []), rule, ...rows.slice(1).map(line), ''].join('\n');
}

function ratio(value: number | undefined, base: number | undefined): number {
  return value === undefined || base === undefined ? Number.NaN : value / base;
}

/** Events of the vif hooks: medians, and what part of the others' time ours takes. */
export function hookTable(hooks: readonly HookResult[]): string {
  const rows = hooks.map((result) => {
    const { hook, command, maker, wallMs, cpuMs, peakMb, children } = result;
    const ours = hooks.find(
      (each) => each.maker === 'ours' && each.hook === hook && each.command === command,
    );
    const part = (value: (each: HookResult) => number) =>
      maker === 'ours' ? '' : short(ratio(ours && value(ours), value(result)));
    return [
      `${hook} ${command}, ${maker}`,
      ...[wallMs, cpuMs, peakMb].map(short),
      `${children}`,
      part((each) => each.wallMs),
      part((each) => each.cpuMs),
    ];
  });
  return table([['event', 'wall ms', 'cpu ms', 'peak MB', 'children', 'ours/wall', 'ours/cpu'], ...rows]);
}

/** Guests that start at once. */
export function stormTable(storms: readonly StormResult[]): string {
  const rows = storms.map(({ maker, vifs, wallMs, slowestMs, cpuMs, failures, unruled }) => {
    const ours = storms.find((each) => each.maker === 'ours' && each.vifs === vifs);
    const part = maker === 'ours' ? '' : short(ratio(ours?.wallMs, wallMs));
    return [
      `${vifs} at once, ${maker}`,
      ...[wallMs, slowestMs, cpuMs].map(short),
      `${failures}`,
      `${unruled}`,
      part,
    ];
  });
  return table([['storm', 'wall ms', 'slowest ms', 'cpu ms', 'failed', 'lack rules', 'ours/wall'], ...rows]);
}

/** One more guest beside many. */
export function growthTable(growth: readonly GrowthResult[]): string {
  const rows = growth.map(({ mode, maker, present, onlineMs, offlineMs }) => {
    const alone = growth.find((each) => each.mode === mode && each.maker === maker && each.present === 0);
    return [
      `filter ${mode}, ${maker}, ${present} present`,
      ...[onlineMs, offlineMs, ratio(onlineMs, alone?.onlineMs), ratio(offlineMs, alone?.offlineMs)].map(
        short,
      ),
    ];
  });
  return table([['one more', 'online ms', 'offline ms', 'x none', 'x none'], ...rows]);
}

/** The host off the network. */
export function outageTable(outages: readonly OutageResult[]): string {
  const rows = outages.map(({ topology, command, maker, outageMs }) => {
    const ours = outages.find(
      (each) => each.maker === 'ours' && each.topology === topology && each.command === command,
    );
    const part = maker === 'ours' ? '' : short(ratio(ours?.outageMs, outageMs));
    return [`${topology} ${command}, ${maker}`, short(outageMs), part];
  });
  return table([['network-bridge', 'off the network, ms', 'ours/outage'], ...rows]);
}

/** What there is to reach, beside what was found. */
export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map(({ name, most, found }) => [
    name,
    short(most),
    short(found),
    Number.isNaN(found) ? 'not measured' : found <= most ? 'yes' : 'no',
  ]);
  return table([['to reach', 'at most', 'found', 'reached'], ...rows]);
}

/**
 * The numbers to reach.
 * @param results what was found
 */
export function targets({ hooks, storms, growth, outages }: Results): Target[] {
  const event = (hook: string, maker: string) =>
    hooks.find((each) => each.hook === hook && each.maker === maker && each.command === 'online');
  const most = (values: readonly number[]) => (values.length === 0 ? Number.NaN : Math.max(...values));
  const online = ['vif-bridge', 'vif-route', 'vif-nat'].flatMap((hook) => {
    const [ours, stock, smallest] = ['ours', 'stock', 'smallest'].map((maker) => event(hook, maker));
    return [
      { name: `${hook} online, wall / stock's`, most: 0.2, found: ratio(ours?.wallMs, stock?.wallMs) },
      { name: `${hook} online, cpu / stock's`, most: 0.2, found: ratio(ours?.cpuMs, stock?.cpuMs) },
      {
        name: `${hook} online, wall / smallest script's`,
        most: 1.5,
        found: ratio(ours?.wallMs, smallest?.wallMs),
      },
      { name: `${hook} online, children`, most: 2, found: ours?.children ?? Number.NaN },
    ];
  });
  const storm = (maker: string) => storms.find((each) => each.maker === maker && each.vifs === 100);
  const lost = storms.filter(({ maker }) => maker === 'ours').map((each) => each.failures + each.unruled);
  const grown = growth
    .filter((each) => each.maker === 'ours' && each.present === 4000)
    .map((each) => {
      const alone = growth.find(
        (other) => other.maker === 'ours' && other.mode === each.mode && other.present === 0,
      );
      return {
        name: `one more vif with 4000 present, filter ${each.mode} / with none`,
        most: 2,
        found: ratio(each.onlineMs, alone?.onlineMs),
      };
    });
  const outage = outages
    .filter(({ maker }) => maker === 'sequence')
    .map(({ topology, command, outageMs }) => {
      const ours = outages.find(
        (each) => each.maker === 'ours' && each.topology === topology && each.command === command,
      );
      return {
        name: `outage, ${topology} ${command} / the sequence's`,
        most: 0.25,
        found: ratio(ours?.outageMs, outageMs),
      };
    });
  return [
    ...online,
    {
      name: "storm of 100, wall / stock's",
      most: 0.2,
      found: ratio(storm('ours')?.wallMs, storm('stock')?.wallMs),
    },
    { name: 'storms, calls that failed or lack rules', most: 0, found: most(lost) },
    ...grown,
    ...outage,
  ];
}
