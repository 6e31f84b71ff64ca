import { defineConfig } from 'vitest/config';

// The tests of the packages, which take minutes: npm run test:package.
export default defineConfig({
  test: {
    include: ['test/package/*.test.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    maxWorkers: 1,
    reporters: ['verbose', './tools/summary-reporter.ts'],
  },
});
