// Measures how fast the hooks are, beside the stock scripts and the smallest shell scripts that do the same work, in
// throw-away namespaces. `npm run bench` takes about a minute; `npm run bench -- --long` measures more of everything.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { root } from '../runtime.ts';
import { Budget } from './budget.ts';
import { chart } from './chart.ts';
import { measureGrowth } from './growth.ts';
import { measureHooks } from './hooks.ts';
import { short } from './numbers.ts';
import { measureOutages } from './outage.ts';
import { measureRefilters } from './refilter.ts';
import {
  growthTable,
  hookTable,
  outageTable,
  refilterTable,
  stormTable,
  targetTable,
  throughputTable,
} from './report.ts';
import { measureStorms, type StormPlan, type StormResult } from './storm.ts';
import { STORM_MODES, stormsLeftOut } from './storm-modes.ts';
import type { Results } from './targets.ts';
import { targets } from './targets.ts';
import { type Lane, measureThroughput } from './throughput.ts';

const FOLDER = join(root, 'dist/bench');

/** One guest, and a thousand. */
function lanes(...filters: Lane['filter'][]): Lane[] {
  return filters.flatMap((filter) => [1, 1000].map((guests) => ({ filter, guests })));
}

/** Storms of the guests that all makers know. */
function compatible(...plans: readonly (readonly [vifs: number, rounds: number])[]): StormPlan[] {
  return plans.map(([vifs, rounds]) => ({ vifs, rounds, modes: ['compatible'], whole: false }));
}

const SHORT = {
  budgetS: 600,
  // How long each part takes on a quiet two-core machine, in seconds.
  expectedS: { hooks: 15, storm: 5, growth: 20, refilters: 30, throughput: 20, outages: 15 },
  rounds: 11,
  storms: compatible([1, 3], [10, 1], [100, 1]),
  growth: { sizes: [0, 1000], rounds: 5 },
  refilters: { sizes: [100, 1000], rounds: 3 },
  throughput: { lanes: lanes('strict'), rounds: 20 },
  outages: 3,
};
const LONG = {
  budgetS: 3300,
  expectedS: { hooks: 60, storm: 40, growth: 600, refilters: 150, throughput: 180, outages: 90 },
  rounds: 50,
  storms: [
    ...compatible([1, 15], [10, 9], [40, 5], [100, 3]),
    ...STORM_MODES.map(({ name }): StormPlan => ({ vifs: 400, rounds: 1, modes: [name], whole: true })),
  ],
  growth: { sizes: [0, 100, 1000, 4000], rounds: 9 },
  refilters: { sizes: [100, 1000, 4000], rounds: 3 },
  throughput: { lanes: lanes('none', 'counted', 'strict', 'compatible', 'stock'), rounds: 60 },
  outages: 10,
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const words = process.argv.slice(2);
const long = words.includes('--long');
const unknown = words.find((word) => word !== '--long');
if (unknown !== undefined) {
  process.stderr.write(`usage: npm run bench [-- --long]; ${unknown} is no option of it.\n`);
  process.exit(2);
}
const plan = long ? LONG : SHORT;
const begun = performance.now();
const [load = 0] = loadavg();
const failures: string[] = [];

const budget = new Budget(plan.budgetS, () => performance.now() / 1000, say);

/** Measures one part and shows it; when it fails the others are measured all the same. */
async function part<T>(
  name: string,
  expectedS: number,
  work: () => Promise<readonly T[]>,
  table: (results: readonly T[]) => string,
): Promise<readonly T[]> {
  try {
    const results = await budget.piece(name, expectedS, work);
    if (results !== undefined) say(table(results));
    return results ?? [];
  } catch (thrown) {
    failures.push(`failed: ${thrown instanceof Error ? thrown.message : thrown}`);
    return [];
  }
}

const differences: string[] = [];
const { expectedS } = plan;
const hooks = await part(
  'single hooks',
  expectedS.hooks,
  async () => {
    const found = await measureHooks(plan.rounds);
    differences.push(...found.notes);
    return found.hooks;
  },
  hookTable,
);
const storms: StormResult[] = [];
for (const each of plan.storms) {
  const name = `storms of ${each.vifs} guests (${each.modes.join(', ')})`;
  storms.push(...(await part(name, expectedS.storm, () => measureStorms(each), stormTable)));
}
const growth = await part(
  'one more guest',
  expectedS.growth,
  () => measureGrowth(plan.growth.sizes, plan.growth.rounds),
  growthTable,
);
const refilters = await part(
  'refilters after a flush',
  expectedS.refilters,
  () => measureRefilters(plan.refilters.sizes, plan.refilters.rounds),
  refilterTable,
);
const { lanes: roads, rounds } = plan.throughput;
const throughput = await part(
  'throughput',
  expectedS.throughput,
  () => measureThroughput(roads, rounds),
  throughputTable,
);
const outages = await part('outages', expectedS.outages, () => measureOutages(plan.outages), outageTable);
const notes = [
  ...failures,
  ...differences,
  ...budget.leftOut,
  ...(long ? stormsLeftOut() : []),
  '"sequence" is no stock script: it is what the network-bridge of old does, as a shell script of our own.',
  ...(load > cpus().length / 2
    ? [
        `other work kept this machine busy (load ${short(load)} on ${cpus().length} processors): all of it blurs.`,
      ]
    : []),
  ...(long
    ? []
    : [
        "4000 guests, storms of 40 and 400, storms of other guests and other filters' throughput take npm run bench -- --long.",
      ]),
];
for (const sentence of notes) say(`note: ${sentence}`);
const results: Results = {
  machine: { kernel: release(), cpus: cpus().length, model: cpus()[0]?.model ?? '', load },
  date: new Date().toISOString(),
  long,
  hooks,
  storms,
  growth,
  refilters,
  throughput,
  outages,
  notes,
};
say(`\n${targetTable(targets(results))}`);
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(join(FOLDER, 'results.svg'), chart(results));
say(
  `dist/bench/results.json and dist/bench/results.svg hold all of it. It took ${Math.round((performance.now() - begun) / 1000)} s.`,
);
if (failures.length > 0) process.exitCode = 1;
