import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import type { Ran } from '../../support/hosts/namespace.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

/** More calls than an online makes of a kind. */
const TOO_MANY = 200;

let vif: VifHost;

beforeAll(async () => {
  vif = await VifHost.create();
});

afterAll(() => vif.host.close());

beforeEach(() => vif.reset());

/** Runs vif-bridge while strace changes the results of its system calls; undefined where there are none of those. */
function tampered(command: string, calls: string, error: string, when: string): Ran | undefined {
  const inject = `inject=${calls}:error=${error}:when=${when}`;
  const strace = ['strace', '-qq', '-o', '/run/trace', '-e', `trace=${calls}`, '-e', inject];
  const ran = vif.host.run([...strace, '/etc/xen/scripts/vif-bridge', command], { env: xlEnv(1) });
  return vif.host.ok('cat', '/run/trace').includes('(INJECTED)') ? ran : undefined;
}

test.each([
  ['openat', 'EMFILE', 'too many open files (EMFILE)'],
  ['access', 'ENOMEM', 'not enough memory (ENOMEM)'],
  ['read', 'ENOBUFS', 'no room for the answer (ENOBUFS)'],
  ['write', 'ENOBUFS', 'no room for the answer (ENOBUFS)'],
  ['getdents64', 'EIO', 'an input/output error occurred (EIO)'],
  ['readlink', 'EIO', 'an input/output error occurred (EIO)'],
])(
  'an online whose n-th %s fails with %s says so, blames nobody else and leaves nothing',
  async (call, error, reason) => {
    vif.card(1);
    const before = await vif.host.settled();
    let failures = 0;
    for (let nth = 1; nth < TOO_MANY; nth++) {
      const ran = tampered('online', call, error, `${nth}`);
      if (ran === undefined) return expect(failures).toBeGreaterThan(1);
      if (ran.status === 0) {
        expect({ nth, told: vif.store.told(1).status }).toEqual({ nth, told: 'connected' });
        // A device that was attached once is not as the guest's start made it.
        vif.reset();
        vif.card(1);
        await vif.host.settled();
        continue;
      }
      failures++;
      expect({ nth, said: ran.stderr }).toEqual({ nth, said: expect.stringContaining(reason) });
      const isOfXenstore = ran.stderr.includes('xenstored');
      if (!isOfXenstore)
        expect({ nth, told: vif.store.told(1).error }).toEqual({
          nth,
          told: expect.stringContaining(reason),
        });
      expect({ nth, left: await vif.host.snapshotLike(before) }).toEqual({ nth, left: before });
    }
    expect.unreachable('The online has no end.');
  },
);

/** Each call is made twice; for close(2) that would be wrong, so of those every other one is spoilt. */
test.each([
  ['openat,read,write,connect,flock,fsync', '1+2'],
  ['close', '1+2'],
  ['close', '2+2'],
])('a signal that interrupts %s, each time from %s on, changes nothing', async (calls, when) => {
  vif.card(1);
  const before = await vif.host.settled();
  const fine = { status: 0, stderr: '' };
  expect(tampered('online', calls, 'EINTR', when)).toMatchObject(fine);
  expect(vif.store.told(1).status).toBe('connected');
  expect(vif.host.ok('ip', 'link', 'show', 'vif1.0')).toMatch(/UP.* master xenbr0 /);
  expect(tampered('offline', calls, 'EINTR', when)).toMatchObject(fine);
  vif.reset();
  vif.card(1);
  expect(await vif.host.snapshotLike(before)).toEqual(before);
});
