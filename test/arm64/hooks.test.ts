import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { FINE } from '../support/hosts/namespace.ts';
import { NetHost } from '../support/hosts/net-host.ts';
import { VifHost } from '../support/hosts/vif-host.ts';

const PROGRAM = process.env['XEN_NETWORK_TESTED'] ?? '';
const MAC = '00:16:3e:00:01:00';
let close: () => Promise<void> = async () => {};

afterEach(() => close());

async function vifHost(): Promise<VifHost> {
  const vif = await VifHost.create();
  close = () => vif.host.close();
  return vif;
}

test('it is a program for arm64, and runs', () => {
  expect(execFileSync('readelf', ['-h', PROGRAM], { encoding: 'utf8' })).toMatch(/Machine: +AArch64/);
  expect(execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' })).toMatch(/^xen-network \d/);
});

describe('vif-bridge', () => {
  test.each([
    ['with rules', { ip: '192.0.2.1 2001:db8::1' }, 'vif1.0'],
    ['with a vifname', { ip: '192.0.2.1', vifname: 'web' }, 'web'],
    ['under the strict filter', { ip: '192.0.2.1', antispoof: 'strict', mac: MAC }, 'vif1.0'],
  ])('attaches a guest and its emulated twin %s, and leaves nothing of them', async (_, values, name) => {
    const hooks = await vifHost();
    const { host, store } = hooks;
    const rules = ['-P FORWARD ACCEPT'];
    hooks.card(1, values);
    host.tap(1);
    expect(hooks.online(1)).toEqual(FINE);
    expect(hooks.add(1)).toEqual(FINE);
    expect(store.told(1).status).toBe('connected');
    expect(hooks.link(name)).toContain('UP master xenbr0');
    const isStrict = 'antispoof' in values;
    expect(hooks.forward().length > 1).toBe(!isStrict);
    if (isStrict) expect(host.ok('nft', 'list', 'ruleset')).toContain('192.0.2.1');
    expect(hooks.remove(1)).toEqual(FINE);
    expect(hooks.offline(1)).toEqual(FINE);
    expect(hooks.forward()).toEqual(rules);
    expect(host.run(['nft', 'list', 'ruleset']).stdout).not.toContain('192.0.2.1');
    expect(host.ok('find', '/run/xen-network', '-type', 'f', '-path', '*/vif/*')).toBe('');
  });
});

test('network-nat and vif-nat: a guest reaches the outside, and a stop leaves nothing', async () => {
  const net = await NetHost.create();
  close = () => net.host.close();
  const before = await net.host.settled();
  net.ok('network-nat', 'start', 'dhcp=no');
  const guest = net.guest('vif-nat', 1, {}, ['dhcp=no']);
  guest.ip('address add 10.0.1.1/16 dev eth0', 'route add default via 10.0.1.128');
  expect(guest.reaches('192.0.2.1')).toBe(true);
  net.end('vif-nat', 1, ['dhcp=no']);
  expect(await net.after('network-nat', 'stop')).toEqual(before);
});

test('network-bridge moves the addresses of a card, and back again', async () => {
  const net = await NetHost.create();
  close = () => net.host.close();
  const before = await net.host.settled();
  net.ok('network-bridge', 'start');
  expect(net.outside.reaches('192.0.2.2')).toBe(true);
  expect(await net.after('network-bridge', 'stop')).toEqual(before);
});

test('what qemu-user does not carry: a second name of a device (RTM_NEWLINKPROP)', async () => {
  const vif = await vifHost();
  vif.card(1, { vifname: 'longer-than-15-characters' });
  const { status, stderr } = vif.online(1);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining('Operation not supported'),
  });
});
