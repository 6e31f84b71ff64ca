import { afterEach, test } from 'vitest';
import { CALLS, prepare, tryEach } from '../../support/faults/bridge-trials.ts';
import type { Host } from '../../support/hosts/host.ts';

let host: Host | undefined;

afterEach(() => host?.close());

test.each(CALLS)(
  '%s %s: a failure at any step leaves all as it was, and says why',
  async (struck, variables) => {
    host = await prepare(variables, struck);
    await tryEach(host, struck, variables, 'fail');
  },
);
