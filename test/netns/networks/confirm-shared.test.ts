import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { createPluggedHost, differences, lookFor, settled } from '../../support/models/bridge-state.ts';
import type { Snapshot } from '../../support/models/snapshot.ts';
import { waitUntil } from '../../support/wait.ts';

const PENDING = '/run/xen-network/pending';
/** Longer than any test takes: the time is ended by `runOut`. */
const CONFIRM = 'confirm=3600';

let host: Host;
let before: Snapshot;

beforeEach(async () => {
  host = await createPluggedHost();
  host.nic('dummy0', { address: '172.31.0.1/24' });
  before = await settled(host);
});

afterEach(() => host.close());

function ok(hook: string, ...words: string[]): void {
  expect(host.hook(hook, words)).toMatchObject({ status: 0, stderr: '' });
}

function isPending(id: string): boolean {
  return host.run(['test', '-e', `${PENDING}/${id}.deadline`]).status === 0;
}

/** Ends a start's time. */
function runOut(id: string): void {
  expect(isPending(id)).toBe(true);
  host.write(`${PENDING}/${id}.deadline`, '0\n');
}

async function takenBack(id: string): Promise<void> {
  runOut(id);
  await waitUntil(`${id} to be taken back`, () => !isPending(id));
}

const isThere = (device: string) => host.run(['ip', 'link', 'show', 'dev', device]).status === 0;
const setting = (path: string) => host.ok('cat', `/proc/sys/net/${path}`).trim();
const masquerading = () =>
  host
    .ok('iptables', '-t', 'nat', '-S', 'POSTROUTING')
    .split('\n')
    .filter((line) => line.includes('MASQUERADE'));

async function mustBeAsBefore(): Promise<void> {
  expect(differences(before, await lookFor(host, before))).toEqual([]);
  expect(host.run(['test', '-e', '/run/xen-network/ledger']).status).not.toBe(0);
}

describe('a start that is not confirmed takes back what it alone needed', () => {
  test('network-nat, while network-route has come to need that the host forwards', async () => {
    ok('network-route', 'stop');
    expect(host.hook('network-nat', ['start', 'dhcp=no', CONFIRM]).status).toBe(0);
    ok('network-route', 'start');
    await takenBack('network-nat.eth0');
    expect(masquerading()).toEqual([]);
    expect(setting('ipv4/ip_forward')).toBe('1');
    expect(setting('ipv4/conf/eth0/proxy_arp')).toBe('1');
    ok('network-route', 'stop');
    await mustBeAsBefore();
  });

  test('the first of two bridges with antispoof=yes', async () => {
    expect(host.hook('network-bridge', ['start', 'vifnum=0', 'antispoof=yes', CONFIRM]).status).toBe(0);
    ok('network-bridge', 'start', 'vifnum=1', 'netdev=dummy0', 'antispoof=yes');
    await takenBack('network-bridge.xenbr0');
    expect(isThere('xenbr0')).toBe(false);
    for (const tool of ['iptables', 'ip6tables'])
      expect(host.ok(tool, '-S', 'FORWARD')).toMatch(/^-P FORWARD DROP\n.*--physdev-in pdummy0 /);
    expect(setting('bridge/bridge-nf-call-iptables')).toBe('1');
    ok('network-bridge', 'stop', 'netdev=dummy0');
    await mustBeAsBefore();
  });

  test('the first of two bridges with antispoof=strict, of which the other has a guest', async () => {
    const store = await host.xenstore();
    expect(host.hook('network-bridge', ['start', 'vifnum=0', 'antispoof=strict', CONFIRM]).status).toBe(0);
    ok('network-bridge', 'start', 'vifnum=1', 'netdev=dummy0', 'antispoof=strict');
    host.vif(7);
    store.vif(7, 0, { ip: '172.31.0.7', bridge: 'xenbr1' });
    const env = { XENBUS_PATH: 'backend/vif/7/0', vif: 'vif7.0', XENBUS_TYPE: 'vif' };
    expect(host.hook('vif-bridge', ['online', 'type_if=vif'], env).status).toBe(0);
    const held = () => host.ok('nft', 'list', 'table', 'bridge', 'xen_network').includes('"vif7.0"');
    expect(held()).toBe(true);
    await takenBack('network-bridge.xenbr0');
    expect(held()).toBe(true);
    expect(host.hook('vif-bridge', ['offline', 'type_if=vif'], env).status).toBe(0);
    ok('network-bridge', 'stop', 'netdev=dummy0');
    host.ok('ip', 'link', 'del', 'vif7.0');
    expect(host.run(['nft', 'list', 'table', 'bridge', 'xen_network']).status).not.toBe(0);
  });

  test('only what a start changed that was on already', async () => {
    ok('network-nat', 'start', 'dhcp=no');
    const started = await settled(host);
    expect(host.hook('network-nat', ['start', 'dhcp=no', 'antispoof=yes', CONFIRM]).status).toBe(0);
    expect(host.ok('iptables', '-S', 'FORWARD')).toContain('-P FORWARD DROP');
    await takenBack('network-nat.eth0');
    expect(differences(started, await lookFor(host, started))).toEqual([]);
    ok('network-nat', 'stop');
    await mustBeAsBefore();
  });

  test('network-nat, whose card network-bridge has moved meanwhile', async () => {
    expect(host.hook('network-nat', ['start', 'dhcp=no', CONFIRM]).status).toBe(0);
    ok('network-bridge', 'start', 'topology=plain');
    expect(masquerading()).toEqual([expect.stringContaining('-o xenbr0 ')]);
    await takenBack('network-nat.eth0');
    expect(masquerading()).toEqual([]);
    expect(setting('ipv4/ip_forward')).toBe('0');
    ok('network-bridge', 'stop');
    await mustBeAsBefore();
  });

  test('network-bridge, on whose bridge network-nat was started meanwhile', async () => {
    expect(host.hook('network-bridge', ['start', 'topology=plain', CONFIRM]).status).toBe(0);
    ok('network-nat', 'start', 'dhcp=no');
    await takenBack('network-bridge.xenbr0');
    expect(masquerading()).toEqual([expect.stringContaining('-o eth0 ')]);
    ok('network-nat', 'stop');
    await mustBeAsBefore();
  });

  test('those networks of several that nobody has started anew', async () => {
    const start = [
      'start',
      CONFIRM,
      'network-bridge',
      'vifnum=0',
      'network-bridge',
      'vifnum=1',
      'netdev=dummy0',
    ];
    const ran = host.hook('network-multi-bridge', start);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    ok('network-bridge', 'stop', 'netdev=eth0');
    ok('network-bridge', 'start', 'vifnum=0');
    await takenBack('network-multi-bridge.list+xenbr0+xenbr1');
    expect(isThere('xenbr1')).toBe(false);
    expect(isThere('xenbr0')).toBe(true);
    ok('network-bridge', 'stop');
    await mustBeAsBefore();
  });
});

describe('the clock does not give up', () => {
  test('what cannot be taken back now is tried again until it is', async () => {
    expect(host.hook('network-nat', ['start', 'dhcp=no', CONFIRM]).status).toBe(0);
    const forward = '/proc/sys/net/ipv4/ip_forward';
    host.ok('mount', '--bind', forward, forward);
    host.ok('mount', '-o', 'remount,ro,bind', forward);
    runOut('network-nat.eth0');
    const ran = host.hook('xen-network', ['recover']);
    expect(ran.stdout).toMatch(/network-nat\.eth0 in time, and it is not taken back yet: .*ip_forward/);
    expect(isPending('network-nat.eth0')).toBe(true);
    host.ok('umount', forward);
    await waitUntil('a try that does it', () => !isPending('network-nat.eth0'));
    await mustBeAsBefore();
  });

  test('and one start of which nobody can read what it did is taken back by its name, and keeps no other', async () => {
    expect(host.hook('network-bridge', ['start', 'vifnum=0', CONFIRM]).status).toBe(0);
    expect(host.hook('network-bridge', ['start', 'vifnum=1', 'netdev=dummy0', CONFIRM]).status).toBe(0);
    host.write(`${PENDING}/network-bridge.xenbr0.run`, '1 00000000 [{"hook":\n');
    await takenBack('network-bridge.xenbr1');
    await takenBack('network-bridge.xenbr0');
    for (const bridge of ['xenbr0', 'xenbr1']) expect(isThere(bridge)).toBe(false);
    const damaged = `${PENDING}/network-bridge.xenbr0.run.damaged`;
    expect(host.hook('xen-network', ['recover']).stdout).toContain(damaged);
    host.ok('rm', damaged);
    await mustBeAsBefore();
  });
});

test('an expiry that concerns no filter does not forget the filters that a killed hook left to do', async () => {
  ok('network-bridge', 'start', 'topology=plain', 'netdev=eth0', 'antispoof=yes');
  const store = await host.xenstore();
  host.vif(1);
  store.vif(1, 0, { ip: '192.0.2.11' });
  expect(host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(1)).status).toBe(0);
  const rules = () => host.ok('iptables', '-S', 'FORWARD').includes('--physdev-in vif1.0 ');
  expect(host.hook('network-route', ['start', CONFIRM]).status).toBe(0);
  host.ok('iptables', '-F', 'FORWARD');
  host.write('/run/xen-network/filters-due', '');
  expect(rules()).toBe(false);
  await takenBack('network-route.xenbr0');
  await waitUntil('the rules to be back', rules);
  await waitUntil(
    'the note to go',
    () => host.run(['test', '-e', '/run/xen-network/filters-due']).status !== 0,
  );
});
