import { afterEach, expect, test } from 'vitest';
import type { Trial } from '../../support/faults/bridge-driver.ts';
import { tryTrial } from '../../support/faults/bridge-trials.ts';
import type { Host } from '../../support/hosts/host.ts';
import { createPluggedHost } from '../../support/models/bridge-state.ts';

let host: Host | undefined;

afterEach(() => host?.close());

test.each(['classic', 'rename', 'plain'])(
  'a recovery of stop topology=%s that is itself killed is finished by the next one',
  async (topology) => {
    host = await createPluggedHost();
    const variables = [`topology=${topology}`, 'netdev=eth0'];
    expect(host.hook('network-bridge', ['start', ...variables]).status).toBe(0);
    const trial: Trial = { fault: 'twice', every: 5, words: ['stop', ...variables], variables };
    expect((await tryTrial(host, trial)).length).toBeGreaterThan(5);
  },
);
