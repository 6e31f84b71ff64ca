import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Lab, startLab, whyNoLab } from './lab.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
/** More than what the images, dom0's start and one scenario may take by themselves. */
const START_MS = 20 * 60_000;
const SCENARIO_MS = 12 * 60_000;

/** The names of all scenarios. */
export function listScenarios(): string[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sh'));
  return files.map((file) => file.slice(0, -'.sh'.length)).sort();
}

/**
 * Makes a test of each scenario, all in one boot.
 * @param names of the scenarios
 * @param memory of the machine that QEMU plays, in MiB
 * @param unable what becomes of the tests on a machine that cannot run the lab
 */
export function testScenarios(names: readonly string[], memory: number, unable: 'skip' | 'fail'): void {
  const why = whyNoLab(memory);
  describe('the real xl on a real Xen', () => {
    let lab: Lab | undefined;
    beforeAll(async () => {
      if (why === undefined) lab = await startLab(memory);
    }, START_MS);
    afterAll(() => lab?.end(), START_MS);
    for (const name of names) {
      test(titleOf(name), { timeout: SCENARIO_MS }, async (context) => {
        if (why !== undefined && unable === 'skip') context.skip(why);
        if (lab === undefined) throw new Error(why);
        await lab.run(name);
      });
    }
  });
}

/** What a scenario shows is the first line of its file. */
function titleOf(name: string): string {
  const [first = ''] = readFileSync(join(FOLDER, `${name}.sh`), 'utf8').split('\n');
  return `${name}: ${first.replace(/^# /, '')}`;
}
