import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** Says how each scenario went as soon as it is over: all of them take a while. */
const progress: Reporter = {
  onTestCaseResult: (test) => {
    const { state } = test.result();
    if (state === 'skipped') return; // the summary has them, with their reasons
    process.stdout.write(`${state}: ${test.name}\n`);
    for (const { message } of test.annotations()) process.stdout.write(`  ${message}\n`);
  },
};

// All scenarios of the lab. The core of them is in the project's own configuration.
export default defineConfig({
  test: {
    include: ['test/lab/whole.test.ts'],
    reporters: [progress, './tools/summary-reporter.ts'],
  },
});
