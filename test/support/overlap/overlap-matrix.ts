// `npm run overlaps -- FILE [NUMBER]` tries all pairs, NUMBER of them at the same time, and writes into FILE how each came out;
// what is in it already is left out.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { messageOf } from '../../../lib/errors.ts';
import { randomNumbers } from '../random.ts';
import { OverlapHost } from './overlap-host.ts';
import { nameOfPair, type Pair, pairsOf } from './overlap-pairs.ts';
import { WORLDS } from './overlap-worlds.ts';

/** The order is the same each time, and all kinds of pairs come early. */
const SEED = 12;
/** Against hangs only: beside much else a pair of long acts takes a quarter of an hour. */
const LIMIT_MS = 4 * 3_600_000;
/** So many pairs at the same time, unless told. */
const AT_ONCE = 2;

/** All pairs that are not in the file yet. */
function pairsToTry(file: string): Pair[] {
  const done = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  // A pair whose driver failed has not been tried.
  const ended = done.filter((line) => !line.includes('\tfailed '));
  const names = new Set(ended.map((line) => line.split('\t', 1)[0]));
  const random = randomNumbers(SEED);
  return Object.keys(WORLDS)
    .flatMap(pairsOf)
    .map((pair) => ({ pair, order: random(1 << 30) }))
    .sort((a, b) => a.order - b.order)
    .map(({ pair }) => pair)
    .filter((pair) => !names.has(nameOfPair(pair)));
}

/** Tries a pair at each of its boundaries, and gives its line. */
async function lineOf(host: OverlapHost, pair: Pair): Promise<string> {
  try {
    const { steps, tried, wrong } = await host.run(pair, 1);
    const outcome = wrong.length === 0 ? 'fine' : `wrong ${JSON.stringify(wrong)}`;
    return [nameOfPair(pair), steps, tried, outcome].join('\t');
  } catch (thrown) {
    return [nameOfPair(pair), 0, 0, `failed ${JSON.stringify(messageOf(thrown))}`].join('\t');
  }
}

/** Tries pairs until there are no more, on a host for each world. */
async function tryPairs(pairs: Pair[], file: string): Promise<void> {
  const hosts = new Map<string, OverlapHost>();
  for (let pair = pairs.shift(); pair !== undefined; pair = pairs.shift()) {
    const host = hosts.get(pair.world) ?? new OverlapHost(pair.world, LIMIT_MS);
    hosts.set(pair.world, host);
    appendFileSync(file, `${await lineOf(host, pair)}\n`);
  }
  for (const [world, host] of hosts) {
    const left = await host.strike();
    if (left.length > 0) appendFileSync(file, `${world}\twrong ${JSON.stringify(left)}\n`);
  }
}

const [file, number = `${AT_ONCE}`] = process.argv.slice(2);
if (file === undefined || !/^[1-9]\d*$/.test(number)) {
  process.stderr.write('Usage: npm run overlaps -- FILE [NUMBER]\n');
  process.exit(2);
}
const pairs = pairsToTry(file);
process.stdout.write(`${pairs.length} pairs\n`);
await Promise.all(Array.from({ length: Number(number) }, () => tryPairs(pairs, file)));
