// Measures how fast the hooks are, beside the stock scripts and the smallest shell scripts that do the same work, in
// throw-away namespaces. `npm run bench` takes less than a minute; `npm run bench -- --long` measures more of everything.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { root } from '../runtime.ts';
import { chart } from './chart.ts';
import { measureGrowth } from './growth.ts';
import { measureHooks } from './hooks.ts';
import { measureOutages } from './outage.ts';
import {
  growthTable,
  hookTable,
  outageTable,
  type Results,
  stormTable,
  targetTable,
  throughputTable,
} from './report.ts';
import { measureStorms } from './storm.ts';
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
  throughput: { lanes: lanes('none', 'strict', 'compatible', 'stock'), rounds: 60 },
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
const { hooks, notes: differences } = await measureHooks(plan.rounds);
say(hookTable(hooks));
const storms = await measureStorms(plan.storms);
say(stormTable(storms));
const growth = await measureGrowth(plan.growth.sizes, plan.growth.rounds);
say(growthTable(growth));
const throughput = await measureThroughput(plan.throughput.lanes, plan.throughput.rounds);
say(throughputTable(throughput));
const outages = await measureOutages(plan.outages);
say(outageTable(outages));
const notes = [
  ...differences,
  '"sequence" is no stock script: it is what the network-bridge of old does, as a shell script of our own.',
  ...(long
    ? []
    : ["4000 guests, storms of 40 and 400 and other filters' throughput take npm run bench -- --long."]),
];
for (const sentence of notes) say(`note: ${sentence}`);
say('');
const results: Results = {
  machine: { kernel: release(), cpus: cpus().length, model: cpus()[0]?.model ?? '' },
  date: new Date().toISOString(),
  long,
  hooks,
  storms,
  growth,
  throughput,
  outages,
  notes,
};
say(targetTable(targets(results)));
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(join(FOLDER, 'results.svg'), chart(results));
say('dist/bench/results.json and dist/bench/results.svg hold all of it.');
