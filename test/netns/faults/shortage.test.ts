import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import type { Ran } from '../../support/hosts/namespace.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

/** More files than an online opens. */
const TOO_MANY = 200;

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
});

afterAll(() => vif.host.close());

beforeEach(() => vif.reset());

/** Runs vif-bridge with one open that fails; undefined where it opens fewer files. */
function withoutOne(command: string, nth: number): Ran | undefined {
  const inject = `inject=openat:error=EMFILE:when=${nth}`;
  const strace = ['strace', '-qq', '-o', '/run/trace', '-e', 'trace=openat', '-e', inject];
  const ran = vif.host.run([...strace, '/etc/xen/scripts/vif-bridge', command], { env: xlEnv(1) });
  return vif.host.ok('cat', '/run/trace').includes('(INJECTED)') ? ran : undefined;
}

test('an online whose n-th file cannot be opened says so, blames nobody else and leaves nothing', async () => {
  vif.card(1);
  const before = await vif.host.settled();
  let failures = 0;
  for (let nth = 1; nth < TOO_MANY; nth++) {
    const ran = withoutOne('online', nth);
    if (ran === undefined) return expect(failures).toBeGreaterThan(5);
    if (ran.status === 0) {
      expect({ nth, told: vif.store.told(1).status }).toEqual({ nth, told: 'connected' });
      // A device that was attached once is not as the guest's start made it.
      vif.reset();
      vif.card(1);
      await vif.host.settled();
      continue;
    }
    failures++;
    expect({ nth, said: ran.stderr }).toEqual({ nth, said: expect.stringContaining('too many open files') });
    expect({ nth, told: vif.store.told(1).error }).toEqual({
      nth,
      told: expect.stringContaining('too many open files'),
    });
    expect({ nth, left: await vif.host.snapshotLike(before) }).toEqual({ nth, left: before });
  }
  expect.unreachable('The online has no end.');
});
