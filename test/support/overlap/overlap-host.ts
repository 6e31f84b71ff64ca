import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findBun } from '../bun.ts';
import type { Host } from '../hosts/host.ts';
import { PLAIN_ENV } from '../hosts/namespace.ts';
import type { OverlapOutcome } from './overlap.ts';
import { overlapOf, type Pair } from './overlap-pairs.ts';
import { WORLDS } from './overlap-worlds.ts';

/** Against hangs only: less than a test may take. */
const LIMIT_MS = 550_000;
/** How much of an answer is shown that is none. */
const MOST_SHOWN = 1000;
const DRIVER = join(import.meta.dirname, 'overlap-driver.ts');

/** A host of a world, on which pairs are tried one after the other; after one that goes wrong it is a new one. */
export class OverlapHost {
  readonly #world: string;
  readonly #limitMs: number;
  #running: { readonly host: Host; readonly driver: Driver } | undefined;

  /**
   * @param world its name among the worlds
   * @param limitMs how long a pair may take
   */
  constructor(world: string, limitMs = LIMIT_MS) {
    this.#world = world;
    this.#limitMs = limitMs;
  }

  /**
   * Lets the second of a pair run in at every boundary of the first.
   * @param pair the two
   * @param every every so many-th boundary
   * @throws Error when the driver itself fails
   */
  async run(pair: Omit<Pair, 'world'>, every: number): Promise<OverlapOutcome> {
    const overlap = overlapOf({ ...pair, world: this.#world }, every);
    const { driver } = await this.#start();
    let isFine = false;
    try {
      const outcome = outcomeIn(await driver.ask(`${JSON.stringify(overlap)}\n`));
      isFine = outcome.wrong.length === 0;
      return outcome;
    } finally {
      if (!isFine) await this.close();
    }
  }

  /**
   * Takes away what all pairs find, and the host with it.
   * @returns how it differs then from what it was at the very first
   * @throws Error when the driver itself fails
   */
  async strike(): Promise<string[]> {
    try {
      return this.#running === undefined ? [] : JSON.parse(await this.#running.driver.ask(undefined));
    } finally {
      await this.close();
    }
  }

  /** Closes the host, if there is one. */
  async close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.host.close();
  }

  async #start(): Promise<{ readonly driver: Driver }> {
    if (this.#running !== undefined) return this.#running;
    const world = WORLDS[this.#world];
    if (world === undefined) throw new Error(`There is no world ${this.#world}.`);
    const host = await world.make();
    this.#running = { host, driver: new Driver(host, this.#limitMs) };
    return this.#running;
  }
}

/** @throws Error with the answer, where it is no outcome */
function outcomeIn(answer: string): OverlapOutcome {
  const outcome: Partial<OverlapOutcome> | null = JSON.parse(answer);
  const { steps, tried, wrong } = outcome ?? {};
  if (steps === undefined || tried === undefined || !Array.isArray(wrong))
    throw new Error(`The driver answered ${answer.slice(0, MOST_SHOWN)}`);
  return { steps, tried, wrong };
}

/** The driver in its host. */
class Driver {
  readonly #host: Host;
  readonly #limitMs: number;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #said = '';

  constructor(host: Host, limitMs: number) {
    this.#host = host;
    this.#limitMs = limitMs;
    const [file = '', ...args] = [...host.enter, findBun(), DRIVER];
    const child = spawn(file, args, { env: PLAIN_ENV });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    child.stdin.on('error', () => {});
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#child = child;
  }

  /**
   * @param line what it is told; undefined for the end
   * @returns what it answers
   */
  async ask(line: string | undefined): Promise<string> {
    if (line === undefined) this.#child.stdin?.end();
    else this.#child.stdin?.write(line);
    // Only with its host the driver ends: the child is what has entered that.
    const timer = setTimeout(() => void this.#host.close(), this.#limitMs);
    const { value, done } = await this.#answers.next();
    clearTimeout(timer);
    if (done === true) throw new Error(`The driver ended: ${this.#said}`);
    return value;
  }
}
