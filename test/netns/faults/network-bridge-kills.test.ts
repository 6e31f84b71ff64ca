import { afterEach, test } from 'vitest';
import { CALLS, CLASSIC, PLAIN, prepare, RENAME, tryEach } from '../../support/faults/bridge-trials.ts';
import type { Host } from '../../support/hosts/host.ts';

let host: Host | undefined;

afterEach(() => host?.close());

test.each(CALLS)('%s %s: a kill after any step is taken back by recover', async (struck, variables) => {
  host = await prepare(variables, struck);
  await tryEach(host, struck, variables, 'recover');
});

test.each([
  ['stop', CLASSIC, 'start'],
  ['stop', RENAME, 'stop'],
  ['start', PLAIN, 'stop'],
] as const)(
  '%s %s killed after any step: a %s that follows ends as ever',
  async (struck, variables, next) => {
    host = await prepare(variables, struck);
    await tryEach(host, struck, variables, next);
  },
);
