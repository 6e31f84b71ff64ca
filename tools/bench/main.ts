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
  targets,
  targetTable,
} from './report.ts';
import { measureStorms } from './storm.ts';

const FOLDER = join(root, 'dist/bench');

const SHORT = {
  rounds: 15,
  storms: { ours: [1, 10, 40, 100], stock: [1, 10, 40, 100], smallest: [1, 10, 40, 100] },
  growth: { sizes: [0, 100, 1000], rounds: 5 },
  outages: 3,
};
const LONG = {
  rounds: 100,
  storms: { ours: [1, 10, 40, 100, 400], stock: [1, 10, 40, 100, 400], smallest: [1, 10, 40, 100, 400] },
  growth: { sizes: [0, 100, 1000, 4000], rounds: 15 },
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
const { hooks, skipped } = await measureHooks(plan.rounds);
say(hookTable(hooks));
const storms = await measureStorms(plan.storms);
say(stormTable(storms));
const growth = await measureGrowth(plan.growth.sizes, plan.growth.rounds);
say(growthTable(growth));
const outages = await measureOutages(plan.outages);
say(outageTable(outages));
say(
  '"sequence" is not a stock script: it is what the network-bridge of Xen 4.4 does, as a shell script of our own.\n',
);
for (const sentence of skipped) say(`left out: ${sentence}`);
const results: Results = {
  machine: { kernel: release(), cpus: cpus().length, model: cpus()[0]?.model ?? '' },
  date: new Date().toISOString(),
  long,
  hooks,
  storms,
  growth,
  outages,
  skipped,
};
say(targetTable(targets(results)));
mkdirSync(FOLDER, { recursive: true });
writeFileSync(join(FOLDER, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(join(FOLDER, 'results.svg'), chart(results));
say('dist/bench/results.json and dist/bench/results.svg hold all of it.');
