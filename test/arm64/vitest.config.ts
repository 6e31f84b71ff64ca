import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const HOOKS = [
  'desk/check',
  'network-bridge/start-stop',
  'networks/network-nat',
  'networks/network-route',
  'strict/online-offline',
  'strict/routed',
  'vif-bridge/*',
  'vif/leftovers',
  'vif/post-prelude',
  'vif/udev',
  'vif/vif-nat',
  'vif/vif-route',
  'vif/vif-route-packets',
  'vif/vif-setup',
];

// The program for arm64, run by qemu-user: npm run test:arm64.
export default defineConfig({
  test: {
    include: ['test/arm64/*.test.ts', ...HOOKS.map((name) => `test/netns/${name}.test.ts`)],
    setupFiles: ['test/arm64/expected.ts'],
    globalSetup: ['test/arm64/told.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
    maxWorkers: 2,
    env: { XEN_NETWORK_TESTED: join(import.meta.dirname, '../../dist/aarch64-linux-gnu/xen-network') },
    reporters: ['verbose', './tools/summary-reporter.ts'],
  },
});
