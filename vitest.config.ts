import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real Xen in QEMU takes minutes: `npm run test:xen`.
    exclude: ['test/lab/**'],
    environment: 'node',
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
    reporters: ['./tools/summary-reporter.ts'],
  },
});
