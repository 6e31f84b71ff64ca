import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// The program for arm64, run by qemu-user: npm run test:arm64.
export default defineConfig({
  test: {
    include: ['test/arm64/*.test.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    maxWorkers: 1,
    env: { XEN_NETWORK_TESTED: join(import.meta.dirname, '../../dist/aarch64-linux-gnu/xen-network') },
    reporters: ['verbose', './tools/summary-reporter.ts'],
  },
});
