import { afterEach, beforeEach, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
  vif.host.vif(1);
  vif.store.vif(1, 0, { ip: '192.0.2.1' });
});

afterEach(() => vif.host.close());

const RULES_LOCK = '/run/xen-hotplug/iptables';

/** Starts a program with all signals blocked that can be. */
const BLOCKING =
  'my $all = POSIX::SigSet->new; $all->fillset; POSIX::sigprocmask(POSIX::SIG_BLOCK, $all); exec @ARGV';

test.each([
  ['a signal', ['env']],
  ['a signal that the caller has blocked', ['perl', '-MPOSIX', '-e', BLOCKING, 'env']],
])('%s ends a wait, and xenstore is told', async (_what, by) => {
  vif.host.ok('mkdir', '-p', '/run/xen-network/lock');
  const holding = 'echo $$ >/run/holder; exec sleep 250';
  const holder = vif.host.start(['flock', '/run/xen-network/lock/vif1.0', 'sh', '-c', holding]);
  vif.host.ok('sh', '-c', 'until ! flock -n /run/xen-network/lock/vif1.0 true; do sleep 0.1; done');
  const env = Object.entries(xlEnv(1)).map(([name, value]) => `${name}=${value}`);
  const waits = 'ls -l /proc/$pid/fd | grep -q /run/xen-network/lock/vif1.0';
  const script = `"$@" /etc/xen/scripts/vif-bridge online 2>/run/said & pid=$!
    until ${waits}; do sleep 0.1; done; sleep 1; kill -TERM $pid; wait $pid; echo "$?" >/run/status`;
  vif.host.ok('sh', '-c', script, 'sh', ...by, ...env);
  expect(vif.host.ok('cat', '/run/status').trim()).toBe('1');
  expect(vif.host.ok('cat', '/run/said')).toContain('interrupted by a signal while it waited for the lock');
  expect(vif.store.told(1).status).toBe('error');
  // The holder still has it.
  expect(vif.host.run(['flock', '-n', '/run/xen-network/lock/vif1.0', 'true']).status).toBe(1);
  vif.host.ok('sh', '-c', 'kill "$(cat /run/holder)"');
  await holder;
});

test('a hook whose waits add up answers xenstore while xl still listens, and says what it waited for', async () => {
  vif.host.ok('mkdir', '-p', '/run/xen-network/lock', '/run/xen-hotplug');
  // The one is let go of after a while; the other never is, in xl's time.
  const holders = [
    vif.host.start(['flock', '/run/xen-network/lock/vif1.0', 'sleep', '15']),
    vif.host.start(['flock', RULES_LOCK, 'sleep', '60']),
  ];
  vif.host.ok('sh', '-c', `until ! flock -n ${RULES_LOCK} true; do sleep 0.1; done`);
  vif.host.ok('sh', '-c', 'until ! flock -n /run/xen-network/lock/vif1.0 true; do sleep 0.1; done');
  const ran = vif.online(1);
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain(`The lock /var${RULES_LOCK} was still held by another program after`);
  expect(vif.store.told(1)).toMatchObject({
    status: 'error',
    error: expect.stringContaining(`The lock /var${RULES_LOCK} was still held`),
  });
  // Had it waited as long for the second as it may for one lock, that would have been free again.
  expect(vif.host.run(['flock', '-n', RULES_LOCK, 'true']).status).toBe(1);
  await Promise.all(holders);
  expect(vif.online(1)).toEqual(FINE);
});
