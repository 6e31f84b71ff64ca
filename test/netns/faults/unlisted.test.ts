import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { whileKilled as whileKilledOn } from '../../support/killed.ts';
import { waitUntil } from '../../support/wait.ts';

const GUEST = { bridge: 'xenbr0', ip: '192.0.2.7' };

let net: NetHost;

beforeAll(async () => {
  net = await NetHost.create();
});

afterAll(() => net.host.close());

/** Does something while each run of a program is killed. */
const whileKilled = <T>(program: string, work: () => T | Promise<T>): Promise<T> =>
  whileKilledOn(net.host, program, work);

const isBridged = (): boolean => net.host.run(['ip', 'link', 'show', 'dev', 'xenbr0']).status === 0;
const tool = (...words: string[]): Ran => net.host.hook('xen-network', words);
const bridge = (...words: string[]): Ran => net.host.hook('network-bridge', words);
const UNLISTED = '"iptables-save" could not list what this host has (it was killed by signal 9)';

test('a start does not take a firewall that nobody could list for an open one', async () => {
  const before = await net.host.settled();
  const ran = await whileKilled('iptables-save', () => bridge('start', 'topology=plain'));
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain('it is not known whether the firewall would cut the host off');
  expect(ran.stderr).toContain(UNLISTED);
  expect(await net.host.snapshotLike(before)).toEqual(before);
});

test('a stop goes on without what only its undo would need, and says so', async () => {
  const before = await net.host.settled();
  net.ok('network-bridge', 'start', 'topology=plain');
  const ran = await whileKilled('bridge', () => bridge('stop'));
  expect(ran.status).toBe(0);
  expect(ran.stderr).toContain('If this is undone, xenbr0 may come back without VLANs, flags or entries');
  expect(await net.host.snapshotLike(before)).toEqual(before);
});

test('a start that nobody confirms is taken back, and what it needed of the firewall once that can be listed', async () => {
  const before = await net.host.settled();
  const words = ['start', 'topology=plain', 'antispoof=yes', 'confirm=3600'];
  expect(bridge(...words).status).toBe(0);
  net.host.write('/run/xen-network/pending/network-bridge.xenbr0.deadline', '0\n');
  await whileKilled('iptables-save', async () => {
    tool('recover');
    await waitUntil('the card to be off the bridge', () => net.host.reaches('192.0.2.1') && !isBridged());
  });
  expect(net.rules()[0]).toBe('-P FORWARD DROP');
  tool('recover');
  expect(net.rules()).toEqual(['-P FORWARD ACCEPT']);
  expect(await net.host.snapshotLike(before)).toEqual(before);
});

test('a refilter adds nothing twice, and status and doctor say that they do not know', async () => {
  net.ok('network-bridge', 'start', 'topology=plain', 'antispoof=yes');
  net.guest('vif-bridge', 1, GUEST);
  const rules = net.rules();
  const [refilter, status, doctor] = await whileKilled('iptables-save', () => [
    tool('refilter'),
    tool('status'),
    tool('doctor'),
  ]);
  expect(net.rules()).toEqual(rules);
  expect(refilter).toMatchObject({ status: 1, stderr: expect.stringContaining(UNLISTED) });
  expect(status).toMatchObject({ status: 1, stdout: expect.stringContaining('iptables-save') });
  expect(status?.stdout).not.toContain('lacks');
  expect(doctor).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining(UNLISTED) });
  expect(tool('refilter').status).toBe(0);
  expect(net.rules()).toEqual(rules);
});

test('an offline whose record is lost does the rest, and a refilter removes the rules', async () => {
  net.host.ok('rm', '/run/xen-network/vif/vif1.0');
  const ran = await whileKilled('iptables-save', () => net.call('vif-bridge', 'offline', 1));
  expect(ran.status).toBe(0);
  expect(ran.stderr).toContain(UNLISTED);
  expect(ran.stderr).toContain('After that "xen-network refilter" removes what is left.');
  expect(net.host.ok('ip', 'link', 'show', 'vif1.0')).not.toContain('master');
  net.host.netns('guest1').ip('link del dev eth0');
  net.store.forget(1, 0);
  expect(net.rules().join()).toContain('vif1.0');
  expect(tool('refilter').status).toBe(0);
  expect(net.rules().join()).not.toContain('vif1.0');
});

test('a recover takes away what the records tell of guests that are gone, and the rest once the rules can be listed', async () => {
  for (const [domid, ip] of [
    [2, '192.0.2.8'],
    [3, '192.0.2.9'],
  ] as const) {
    net.guest('vif-bridge', domid, { ...GUEST, ip });
    net.host.netns(`guest${domid}`).ip('link del dev eth0');
    net.store.forget(domid, 0);
  }
  net.host.ok('rm', '/run/xen-network/vif/vif3.0');
  const ran = await whileKilled('iptables-save', () => tool('recover'));
  expect(ran).toMatchObject({ status: 1, stderr: expect.stringContaining(UNLISTED) });
  expect(ran.stdout).toContain('What vif2.0 had left on this host was taken away.');
  expect(net.rules().join()).not.toContain('vif2.0');
  expect(net.rules().join()).toContain('vif3.0');
  expect(tool('recover')).toMatchObject({ status: 0, stdout: expect.stringContaining('vif3.0') });
  expect(net.rules().join()).not.toContain('vif3.0');
});

test('a stop that cannot tell which rules are left keeps their holder, and the next one removes them', async () => {
  const ran = await whileKilled('iptables-save', () => bridge('stop', 'force=yes'));
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain(UNLISTED);
  expect(net.host.reaches('192.0.2.1')).toBe(true);
  expect(net.rules()[0]).toBe('-P FORWARD DROP');
  net.ok('network-bridge', 'stop');
  expect(net.rules()).toEqual(['-P FORWARD ACCEPT']);
  expect(net.host.reaches('192.0.2.1')).toBe(true);
});
