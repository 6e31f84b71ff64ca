import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Lab, NoLabError, startLab, whyNoLab } from './lab.ts';
import { SUITES, type Suite, type SuiteName } from './suites.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
/** The folder of the scenarios for two hosts, and what the second host runs meanwhile. */
const TWO_HOSTS = 'two-hosts';
const PEER = 'two-hosts/peer';
/** More than what the images and dom0's start may take by themselves. */
const START_MS = 25 * 60_000;

/** What a set of scenarios needs, and how it is bounded. */
export interface Terms {
  /** Of the machine that QEMU plays, in MiB. */
  readonly memory: number;
  /** For each scenario: a guest of QEMU without hardware virtualisation takes its time. */
  readonly minutes: number;
  /** What becomes of the tests on a machine that cannot run the lab. */
  readonly unable: 'skip' | 'fail';
}

/**
 * The names of all scenarios in a folder.
 * @param folder within that of the scenarios; "" for the scenarios for one host
 */
export function listScenarios(folder = ''): string[] {
  const files = readdirSync(join(FOLDER, folder)).filter((file) => file.endsWith('.sh'));
  return files.map((file) => join(folder, file.slice(0, -'.sh'.length))).sort();
}

/**
 * Makes a test of each scenario, all in one boot. Those that the release cannot run are skipped, with the reason.
 * @param suite the Debian release that Xen runs on
 * @param names of the scenarios
 * @param terms what they need
 */
export function testScenarios(
  suite: SuiteName,
  names: readonly string[],
  { memory, minutes, unable }: Terms,
): void {
  const cannot = whyNoLab(suite, memory);
  const { cannot: reasons }: Suite = SUITES[suite];
  describe('the real xl on a real Xen', () => {
    if (cannot !== undefined && unable === 'skip') {
      test('is tried', (context) => context.skip(cannot));
      return;
    }
    let lab: Lab | undefined;
    let why = cannot;
    beforeAll(async () => {
      if (why !== undefined) return;
      lab = await startLab(suite, memory).catch((thrown) => {
        if (!(thrown instanceof NoLabError)) throw thrown;
        why = thrown.message;
        return undefined;
      });
    }, START_MS);
    afterAll(() => lab?.end(), START_MS);
    for (const name of names) {
      test(titleOf(name), { timeout: (minutes + 1) * 60_000 }, async (context) => {
        if (why !== undefined && unable === 'skip') context.skip(why);
        const reason = reasons[name];
        if (reason !== undefined) context.skip(`${suite}: ${reason}`);
        if (lab === undefined) throw new Error(why);
        for (const note of await lab.run(name, minutes * 60)) await context.annotate(note);
      });
    }
  });
}

/**
 * Makes a test of each scenario for two hosts, on two machines with a cable between them, in one boot.
 * @param suite the Debian release that Xen runs on
 * @param terms what each machine needs
 */
export function testTwoHosts(suite: SuiteName, { memory, minutes }: Pick<Terms, 'memory' | 'minutes'>): void {
  const cannot = whyNoLab(suite, 2 * memory);
  const { cannot: reasons }: Suite = SUITES[suite];
  describe('the real xl on two hosts with a real Xen', () => {
    const labs: Lab[] = [];
    let folder: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'xen-lab-cable-'));
      if (cannot !== undefined) throw new Error(cannot);
      for (const number of [1, 2] as const)
        labs.push(await startLab(suite, memory, { number, cable: join(folder, 'cable') }));
    }, 2 * START_MS);
    afterAll(async () => {
      await Promise.all(labs.map((lab) => lab.end()));
      rmSync(folder, { recursive: true });
    }, START_MS);
    for (const name of listScenarios(TWO_HOSTS).filter((file) => file !== PEER)) {
      test(titleOf(name), { timeout: (minutes + 1) * 60_000 }, async (context) => {
        const reason = reasons[name];
        if (reason !== undefined) context.skip(`${suite}: ${reason}`);
        const [notes] = await Promise.all([name, PEER].map((file, i) => labs[i]?.run(file, minutes * 60)));
        for (const note of notes ?? []) await context.annotate(note);
      });
    }
  });
}

/** What a scenario shows is the first line of its file. */
function titleOf(name: string): string {
  const [first = ''] = readFileSync(join(FOLDER, `${name}.sh`), 'utf8').split('\n');
  return `${name}: ${first.replace(/^# /, '')}`;
}
