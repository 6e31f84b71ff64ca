import { expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

const SETTING = '/proc/sys/net/ipv4/ip_forward';

test.each([
  ['EIO', 'an input/output error occurred (EIO)'],
  ['EACCES', 'permission is denied (EACCES)'],
])(
  'a setting that answers %s at any look at it, the last one too, is not said to be changed',
  async (error, reason) => {
    const net = await NetHost.create();
    try {
      const before = await net.host.settled();
      for (let nth = 1; ; nth++) {
        const inject = ['-e', 'trace=openat', '-e', `inject=openat:error=${error}:when=${nth}`];
        const strace = ['strace', '-qq', '-o', '/run/trace', '-P', SETTING, ...inject];
        const ran = net.host.run([...strace, '/etc/xen/scripts/network-route', 'start']);
        if (!net.host.ok('cat', '/run/trace').includes('(INJECTED)')) {
          expect(nth).toBeGreaterThan(5);
          break;
        }
        expect({ nth, ...ran }).toMatchObject({ nth, status: 1, stderr: expect.stringContaining(reason) });
        expect({ nth, said: ran.stderr }).not.toMatchObject({
          said: expect.stringContaining('something else'),
        });
        expect({ nth, left: await net.host.snapshotLike(before) }).toEqual({ nth, left: before });
      }
    } finally {
      await net.host.close();
    }
  },
);
