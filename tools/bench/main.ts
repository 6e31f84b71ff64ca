// Measures how fast the hooks are, beside the stock scripts and the smallest shell scripts that do the same work, in
// throw-away namespaces. `npm run bench` takes less than a minute; `npm run bench -- --long` measures more of everything.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { root } from '../runtime.ts';
import { chart } from './chart.ts';
import { measureGrowth } from './growth.ts';
import { measureHooks } from './hooks.ts';
import { short } from './numbers.ts';
import { measureOutages } from './outage.ts';
import { growthTable, hookTable, outageTable, stormTable, targetTable, throughputTable } from './report.ts';
import { measureStorms } from './storm.ts';
import type { Results } from './targets.ts';
import { targets } from './targets.ts';
import { type Lane, measureThroughput } from './throughput.ts';

const FOLDER = join(root, 'dist/bench');

/** One guest, and a thousand. */
function lanes(...filters: Lane['filter'][]): Lane[] {
  return filters.flatMap((filter) => [1, 1000].map((guests) => ({ filter, guests })));
}

const SHORT = {
  rounds: 11,
  storms: [
    { vifs: 1, rounds: 3 },
    { vifs: 10, rounds: 1 },
    { vifs: 100, rounds: 1 },
  ],
  growth: { sizes: [0, 1000], rounds: 5 },
  throughput: { lanes: lanes('strict'), rounds: 20 },
  outages: 3,
};
const LONG = {
  rounds: 100,
  storms: [
    { vifs: 1, rounds: 15 },
    { vifs: 10, rounds: 9 },
    { vifs: 40, rounds: 5 },
    { vifs: 100, rounds: 3 },
    { vifs: 400, rounds: 1 },
  ],
  growth: { sizes: [0, 100, 1000, 4000], rounds: 15 },
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

/** Measures one part and shows it; when it fails the others are measured all the same. */
async function part<T>(
  work: () => Promise<readonly T[]>,
  table: (results: readonly T[]) => string,
): Promise<readonly T[]> {
  try {
    const results = await work();
    say(table(results));
    return results;
  } catch (thrown) {
    failures.push(`failed: ${thrown instanceof Error ? thrown.message : thrown}`);
    return [];
  }
}

const differences: string[] = [];
const hooks = await part(async () => {
  const found = await measureHooks(plan.rounds);
  differences.push(...found.notes);
  return found.hooks;
}, hookTable);
const storms = await part(() => measureStorms(plan.storms), stormTable);
const growth = await part(() => measureGrowth(plan.growth.sizes, plan.growth.rounds), growthTable);
const { lanes: roads, rounds } = plan.throughput;
const throughput = await part(() => measureThroughput(roads, rounds), throughputTable);
const outages = await part(() => measureOutages(plan.outages), outageTable);
const notes = [
  ...failures,
  ...differences,
  '"sequence" is no stock script: it is what the network-bridge of old does, as a shell script of our own.',
  ...(load > cpus().length / 2
    ? [
        `other work kept this machine busy (load ${short(load)} on ${cpus().length} processors): all of it blurs.`,
      ]
    : []),
  ...(long
    ? []
    : ["4000 guests, storms of 40 and 400 and other filters' throughput take npm run bench -- --long."]),
];
for (const sentence of notes) say(`note: ${sentence}`);
const results: Results = {
  machine: { kernel: release(), cpus: cpus().length, model: cpus()[0]?.model ?? '', load },
  date: new Date().toISOString(),
  long,
  hooks,
  storms,
  growth,
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
