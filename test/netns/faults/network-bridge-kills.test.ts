import { afterEach, expect, test } from 'vitest';
import { CALLS, CLASSIC, PLAIN, prepare, RENAME, tryEach } from '../../support/faults/bridge-trials.ts';
import type { Host } from '../../support/hosts/host.ts';

let host: Host | undefined;

afterEach(() => host?.close());

test.each(CALLS)(
  '%s %s: a kill after any step is taken back by recover',
  async (struck, variables, least) => {
    host = await prepare(variables, struck);
    expect(await tryEach(host, struck, variables, 'recover')).toBeGreaterThan(least);
  },
);

test.each([
  ['stop', CLASSIC, 'start', 30],
  ['stop', RENAME, 'stop', 25],
  ['start', PLAIN, 'stop', 50],
] as const)(
  '%s %s killed after any step: a %s that follows ends as ever',
  async (struck, variables, next, least) => {
    host = await prepare(variables, struck);
    expect(await tryEach(host, struck, variables, next)).toBeGreaterThan(least);
  },
);
