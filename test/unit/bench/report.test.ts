import { describe, expect, test } from 'vitest';
import { chart } from '../../../tools/bench/chart.ts';
import { panels } from '../../../tools/bench/panels.ts';
import {
  growthTable,
  hookTable,
  outageTable,
  refilterTable,
  stormTable,
  targetTable,
  throughputTable,
} from '../../../tools/bench/report.ts';
import type { Results } from '../../../tools/bench/targets.ts';
import { isReached, targets, verdict } from '../../../tools/bench/targets.ts';

const event = (maker: 'ours' | 'stock' | 'smallest' | 'floor', wallMs: number, cpuMs: number) => ({
  hook: 'vif-bridge',
  command: 'online',
  maker,
  wallMs,
  cpuMs,
  peakMb: 38,
  children: maker === 'ours' ? 1 : 42,
  samples: [],
});
const storm = (maker: 'ours' | 'stock', wallMs: number, failures = 0, unruled = 0) => ({
  mode: 'compatible',
  act: 'online' as const,
  maker,
  memoryMb: Number.NaN,
  vifs: 100,
  wallMs,
  slowestMs: wallMs,
  cpuMs: wallMs,
  failures,
  unruled,
});
const grown = (mode: string, present: number, onlineMs: number) => ({
  mode,
  maker: 'ours' as const,
  present,
  onlineMs,
  offlineMs: onlineMs,
});
const lane = (guests: number, packetsPerS: number) => ({
  filter: 'strict' as const,
  guests,
  packetsPerS,
  lost: 0,
  tcpMbitPerS: packetsPerS / 10,
});
const outage = (maker: 'ours' | 'sequence', outageMs: number) => ({
  topology: 'plain' as const,
  command: 'start',
  maker,
  outageMs,
  allMs: [outageMs],
});

const RESULTS: Results = {
  machine: { kernel: '6.1', cpus: 2, model: 'a <fast> & good one', load: 0 },
  date: '2026-11-20T12:00:00.000Z',
  long: false,
  hooks: [event('ours', 20, 15), event('stock', 100, 60), event('smallest', 10, 8), event('floor', 8, 7)],
  storms: [storm('ours', 2000), storm('stock', 11000, 3, 4)],
  growth: [grown('strict', 0, 20), grown('strict', 1000, 30), grown('strict', 4000, 50)],
  refilters: [
    { mode: 'strict', present: 100, wallMs: 130, cpuMs: 100, unfilteredMs: 40 },
    { mode: 'strict', present: 1000, wallMs: 2000, cpuMs: 1200, unfilteredMs: 300 },
  ],
  throughput: [lane(1, 200_000), lane(1000, 190_000)],
  outages: [outage('ours', 2), outage('sequence', 40)],
  notes: [],
};
const NOTHING: Results = {
  ...RESULTS,
  hooks: [],
  storms: [],
  growth: [],
  refilters: [],
  throughput: [],
  outages: [],
};

const found = (results: Results) =>
  Object.fromEntries(targets(results).map((target) => [target.name, [target.found, verdict(target)]]));

describe('what is to be reached', () => {
  test('is told by medians of the same run', () => {
    expect(found(RESULTS)).toMatchObject({
      "vif-bridge online, wall / stock's": [0.2, 'reached'],
      "vif-bridge online, cpu / stock's": [0.25, 'missed'],
      "vif-bridge online, wall / smallest script's": [2, 'missed'],
      "vif-bridge online, wall / C program's": [2.5, 'reached'],
      'vif-bridge online, children': [1, 'missed'],
      "storm of 100, wall / stock's": [2 / 11, 'reached'],
      'storms, calls that failed or guests that are not as they must be': [0, 'reached'],
      'one more vif with 1000 present / with none, filter strict': [1.5, 'reached'],
      'one more vif with 4000 present / with none, filter strict': [2.5, 'missed'],
      'refilter of 1000, ms of cpu for each guest, filter strict': [1.2, 'missed'],
      'refilter of 1000 / of 100, cpu for each guest, filter strict': [1.2, 'reached'],
      "small packets with 1000 guests' strict rules / with one's": [0.95, 'reached'],
      "outage, plain start / the sequence's": [0.05, 'reached'],
    });
  });

  test('is missed by one call of ours that fails, or guest that lacks a rule, but not by those of others', () => {
    const name = 'storms, calls that failed or guests that are not as they must be';
    expect(found({ ...RESULTS, storms: [storm('ours', 2000, 1, 0)] })[name]).toEqual([1, 'missed']);
    expect(found({ ...RESULTS, storms: [storm('ours', 2000, 0, 2)] })[name]).toEqual([2, 'missed']);
  });

  test('names all of it even where nothing was measured, and nothing is reached then', () => {
    const all = targets(NOTHING);
    expect(all.map(({ name }) => name)).toEqual(targets(RESULTS).map(({ name }) => name));
    expect(new Set(all.map(verdict))).toEqual(new Set(['not measured']));
    expect(all.filter(isReached)).toEqual([]);
  });

  test('of a storm of 400 is its slowest hook in any mode, beside the 10 s that leave xl four times as long', () => {
    const name = 'storms of 400, the slowest hook in s';
    const slow = { ...storm('ours', 11_000), mode: 'routed', vifs: 400 };
    const storms = [slow, { ...slow, mode: 'none', slowestMs: 400 }, storm('stock', 60_000)];
    expect(found({ ...RESULTS, storms })[name]).toEqual([11, 'missed']);
    expect(found(RESULTS)[name]).toEqual([Number.NaN, 'not measured']);
  });

  test('is less for costs and more for throughput', () => {
    const target = { name: 'it', limit: 1, found: 0.5 };
    expect(isReached({ ...target, is: 'at most' })).toBe(true);
    expect(isReached({ ...target, is: 'at least' })).toBe(false);
    expect(isReached({ ...target, is: 'at least', found: 1 })).toBe(true);
  });
});

describe('tables', () => {
  test('have their columns in line', () => {
    const { hooks, storms, growth, refilters, throughput, outages } = RESULTS;
    const tables = [
      hookTable(hooks),
      stormTable(storms),
      growthTable(growth),
      refilterTable(refilters),
      throughputTable(throughput),
      outageTable(outages),
      targetTable(targets(RESULTS)),
    ];
    for (const text of tables) {
      const lines = text.trimEnd().split('\n');
      expect(new Set(lines.map((line) => line.length)).size).toBe(1);
      expect(lines.length).toBeGreaterThan(2);
    }
  });

  test("compare others' time with ours, and many guests with one", () => {
    expect(hookTable(RESULTS.hooks)).toMatch(/vif-bridge online, stock +100 +60.0 +38.0 +42 +0.20 +0.25\n/);
    expect(stormTable(RESULTS.storms)).toMatch(
      /compatible, 100 online, stock +11000 +11000 +11000 +- +3 +4 +0.18\n/,
    );
    expect(growthTable(RESULTS.growth)).toMatch(
      /filter strict, ours, 4000 present +50.0 +50.0 +2.50 +2.50\n/,
    );
    expect(refilterTable(RESULTS.refilters)).toMatch(/filter strict, 1000 guests +2000 +1200 +300 +1.20\n/);
    expect(refilterTable(RESULTS.refilters)).toMatch(/filter strict, 100 guests +130 +100 +40.0 +1.00\n/);
    expect(throughputTable(RESULTS.throughput)).toMatch(
      /filter strict, 1000 guests +190 +0.00 +19.0 +0.95 +0.95\n/,
    );
    expect(outageTable(RESULTS.outages)).toMatch(/plain start, sequence +40.0 +0.05\n/);
  });
});

describe('the picture', () => {
  test('has a bar for each number, and only panels that have any', () => {
    expect(panels(RESULTS).map(({ groups }) => groups.flatMap(({ bars }) => bars).length)).toEqual([
      4, 2, 3, 2, 2, 2,
    ]);
    expect(panels(NOTHING)).toEqual([]);
    expect(chart(RESULTS).match(/ height="13" /g)).toHaveLength(15);
  });

  test('is well-formed whatever the machine is called, and holds no NaN', () => {
    for (const results of [RESULTS, NOTHING]) {
      const svg = chart(results);
      expect(svg).toContain('a &lt;fast> &amp; good one');
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      const opened = svg.match(/<(text|svg)\b/g) ?? [];
      const closed = svg.match(/<\/(text|svg)>/g) ?? [];
      expect(closed).toHaveLength(opened.length);
    }
  });

  test('draws the longest bar of a panel to its full length, and of storms that of each size', () => {
    const storms = [storm('ours', 10), { ...storm('ours', 1000), vifs: 400 }];
    const widths = [...chart({ ...NOTHING, storms }).matchAll(/width="([\d.]+)" height="13"/g)];
    expect(new Set(widths.map(([, width]) => width)).size).toBe(1);
  });
});
