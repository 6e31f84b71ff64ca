import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    // Against hangs only: beside other work a machine may be ten times slower.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // On two processors: many tests wait for a time limit, a lease or a carrier most of their time.
    maxWorkers: 3,
    reporters: ['./tools/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'host',
          include: ['test/**/*.test.ts'],
          exclude: ['test/lab/**', 'test/package/**', 'test/arm64/**'],
          sequence: { groupOrder: 0 },
        },
      },
      // The core of the Xen lab comes last, by itself: QEMU takes all of the machine.
      {
        extends: true,
        test: { name: 'xen', include: ['test/lab/core.test.ts'], sequence: { groupOrder: 1 } },
      },
    ],
  },
});
