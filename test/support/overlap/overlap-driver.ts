// Lets a second run in at each boundary between the steps of a first, and tells what is left each time. Run by Bun in a
// test host, fed with an Overlap as JSON on each line; answers with an OverlapOutcome each, and, at the end of its input, with
// what is left when the stage is struck. The first runs in this process, since it has to be held up between its steps; the
// second is the program itself.

import { readSync } from 'node:fs';
import type { Snapshot } from '../models/snapshot.ts';
import { nameOf } from './commands.ts';
import { type Failed, Models, settled, wrongAfter } from './models.ts';
import type { Act, Overlap, OverlapOutcome } from './overlap.ts';
import { hasFailed, type LetIn, letIn, runAway, runHere } from './play.ts';
import { Boundary, watched } from './watched.ts';

const MOST_STEPS = 400;

/** How one overlap ended. */
interface Ended {
  /** The second waited for a lock that the first held. */
  readonly waited: boolean;
  readonly failed: Failed;
  readonly said: readonly string[];
}

/** Lets the second in after `at` steps. */
async function overlapAt(overlap: Overlap, at: number): Promise<Ended> {
  let second: LetIn | undefined;
  let dead = false;
  let status = 0;
  const heard: string[] = [];
  const boundary = new Boundary(at, () => {
    if (overlap.how === 'paused') second = letIn(overlap.second);
    else {
      dead = true;
      throw new Error('The program is dead.');
    }
  });
  const system = watched(boundary, doorAt(at), () => dead);
  try {
    status = await runHere(overlap.first, system, heard);
  } catch (thrown) {
    if (!dead) throw thrown;
  }
  if (!boundary.passed) throw new Error(`The first has no boundary after ${at} steps.`);
  const answer = overlap.how === 'killed' ? runAway(overlap.second) : ((await second?.answer) ?? '');
  const said = [`first: ${dead ? 'killed' : status} ${heard.join(' ')}`, `second: ${answer}`];
  return {
    waited: second?.waits === true,
    failed: [dead || status !== 0, hasFailed(answer)],
    said,
  };
}

const doorAt = (at: number): 'kernel' | 'ip' => (at % 2 === 0 ? 'kernel' : 'ip');

/** The steps of a first that nobody disturbs, by what was done before it and itself. */
const undisturbed = new Map<string, Boundary>();

/** What the first, when nobody comes between, holds before each of its steps, and which of them only ask. */
async function stepsOf({ beside, before, first, end }: Overlap): Promise<Boundary> {
  const key = JSON.stringify([beside, before, first]);
  const known = undisturbed.get(key);
  if (known !== undefined) return known;
  for (const act of before) runAway(act);
  const boundary = new Boundary(MOST_STEPS, () => {
    throw new Error('The first has no end.');
  });
  await runHere(
    first,
    watched(boundary, 'kernel', () => false),
    [],
  );
  for (const act of end) runAway(act);
  undisturbed.set(key, boundary);
  return boundary;
}

/**
 * The next boundary to try. Who waits for a lock that the first holds does the same wherever it came while that is held, but
 * for what it saw before it waited: of such boundaries the first and the last are tried. Who is killed after a question
 * leaves the same as who is killed before it.
 */
function nextAfter(at: number, { every, how }: Overlap, steps: Boundary, waited: boolean): number {
  const { held, questions } = steps;
  let next = at + every;
  if (waited && held[at] !== '') {
    const end = held.findIndex((locks, n) => n > at && locks !== held[at]);
    next = Math.max(next, (end < 0 ? held.length : end) - 1);
  }
  while (how === 'killed' && questions.has(next - 1)) next++;
  return next;
}

/** Tries a pair at its boundaries, with what is beside it. */
async function tryPair(overlap: Overlap, stage: Snapshot): Promise<OverlapOutcome> {
  if (overlap.beside.length === 0) return tryBoundaries(overlap, stage);
  const came = overlap.beside.map((act) => `${nameOf(act)}: ${runAway(act)}`);
  const outcome = await tryBoundaries(overlap, settled());
  const went = overlap.besideEnd.map((act) => `${nameOf(act)}: ${runAway(act)}`);
  if (outcome.wrong.length > 0) return outcome;
  const left = wrongAfter([stage]);
  return left.length === 0 ? outcome : { ...outcome, wrong: ['left beside:', ...left, ...came, ...went] };
}

/** Tries a pair at its boundaries. */
async function tryBoundaries(overlap: Overlap, stage: Snapshot): Promise<OverlapOutcome> {
  const models = new Models(overlap, stage);
  if (models.wrong.length > 0) return { steps: 0, tried: 0, wrong: ['already in turn:', ...models.wrong] };
  const steps = await stepsOf(overlap);
  const { held } = steps;
  let tried = 0;
  for (let at = 0; at < held.length; ) {
    const { ended, wrong, isKnown } = await tryOnce(overlap, at, models, stage);
    if (wrong.length > 0)
      return {
        steps: at,
        tried,
        wrong: [`after ${at} steps, which hold ${held[at] || 'nothing'}:`, ...ended.said, ...wrong],
      };
    // What may come of it when one fails is found out when one does; then it is tried again.
    if (isKnown) {
      tried++;
      at = nextAfter(at, overlap, steps, ended.waited);
    } else models.play(ended.failed);
    if (models.wrong.length > 0) return { steps: at, tried, wrong: ['in turn:', ...models.wrong] };
  }
  return { steps: held.length, tried, wrong: [] };
}

/** Tries a pair at one boundary. */
async function tryOnce(
  overlap: Overlap,
  at: number,
  models: Models,
  stage: Snapshot,
): Promise<{ ended: Ended; wrong: string[]; isKnown: boolean }> {
  for (const act of overlap.before) runAway(act);
  const ended = await overlapAt(overlap, at);
  for (const act of overlap.after) runAway(act);
  const expected = models.statesAfter(ended.failed);
  const wrong = expected === undefined ? [] : wrongAfter(expected, ended.said);
  const ends = overlap.end.map((act) => `${nameOf(act)}: ${runAway(act)}`);
  const left = wrongAfter([stage]);
  const leftovers = left.length === 0 ? [] : ['left at the end:', ...left, ...ends];
  return { ended, wrong: [...wrong, ...leftovers], isKnown: expected !== undefined };
}

/**
 * The lines of standard input, each read once the one before is done with. With a reader beside the work the driver has
 * answered twice as it does when its input ends.
 */
function* linesOfInput(): Generator<string> {
  const bytes = Buffer.alloc(1 << 16);
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const end = rest.indexOf('\n');
    if (end >= 0) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
      continue;
    }
    const count = readSync(0, bytes);
    if (count === 0) return;
    rest += decoder.decode(bytes.subarray(0, count), { stream: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  const bare = settled();
  let stage: Snapshot | undefined;
  let strike: readonly Act[] = [];
  for (const line of linesOfInput()) {
    const overlap: Overlap = JSON.parse(line);
    if (stage === undefined) {
      for (const act of overlap.stage) runAway(act);
      stage = settled();
      strike = overlap.strike;
    }
    process.stdout.write(`${JSON.stringify(await tryPair(overlap, stage))}\n`);
  }
  for (const act of strike) runAway(act);
  process.stdout.write(`${JSON.stringify(wrongAfter([bare]))}\n`);
}
