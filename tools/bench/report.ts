// The results as a table for people.

import type { GrowthResult } from './growth.ts';
import type { HookResult } from './hooks.ts';
import { ratio, short } from './numbers.ts';
import type { OutageResult } from './outage.ts';
import type { RefilterResult } from './refilter.ts';
import type { StormResult } from './storm.ts';
import { type Target, verdict } from './targets.ts';
import type { ThroughputResult } from './throughput.ts';

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
  const rows = storms.map((storm) => {
    const { mode, act, maker, vifs, wallMs, slowestMs, cpuMs, memoryMb, failures, unruled } = storm;
    const ours = storms.find(
      (each) => each.maker === 'ours' && each.vifs === vifs && each.mode === mode && each.act === act,
    );
    const part = maker === 'ours' ? '' : short(ratio(ours?.wallMs, wallMs));
    return [
      `${mode}, ${vifs} ${act}, ${maker}`,
      ...[wallMs, slowestMs, cpuMs, memoryMb].map(short),
      `${failures}`,
      `${unruled}`,
      part,
    ];
  });
  return table([
    ['storm', 'wall ms', 'slowest ms', 'cpu ms', 'peak MB', 'failed', 'wrong', 'ours/wall'],
    ...rows,
  ]);
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

/** A refilter after a flush: its cost for each guest shows whether it grows faster than their number. */
export function refilterTable(refilters: readonly RefilterResult[]): string {
  const rows = refilters.map(({ mode, present, wallMs, cpuMs, unfilteredMs }) => [
    `filter ${mode}, ${present} guests`,
    ...[wallMs, cpuMs, unfilteredMs].map(short),
    short(cpuMs / present),
  ]);
  return table([['refilter after a flush', 'wall ms', 'cpu ms', 'unfiltered ms', 'cpu ms/guest'], ...rows]);
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

/** One guest's traffic through the bridge, with its own rules alone and with many guests'. */
export function throughputTable(throughput: readonly ThroughputResult[]): string {
  const rows = throughput.map(({ filter, guests, packetsPerS, lost, tcpMbitPerS }) => {
    const alone = throughput.find((each) => each.filter === filter && each.guests === 1);
    const part = (value: number, base: number | undefined) => (guests === 1 ? '' : short(ratio(value, base)));
    return [
      `filter ${filter}, ${guests} ${guests === 1 ? 'guest' : 'guests'}`,
      short(packetsPerS / 1000),
      short(100 * lost),
      short(tcpMbitPerS / 1000),
      part(packetsPerS, alone?.packetsPerS),
      part(tcpMbitPerS, alone?.tcpMbitPerS),
    ];
  });
  return table([['bridge', 'UDP kpkt/s', '% lost', 'TCP Gbit/s', 'UDP x one', 'TCP x one'], ...rows]);
}

/** What there is to reach, beside what was found. */
export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map((target) => [
    target.name,
    `${target.is === 'at most' ? '<=' : '>='} ${short(target.limit)}`,
    short(target.found),
    verdict(target),
  ]);
  return table([['to reach', 'limit', 'found', ''], ...rows]);
}
