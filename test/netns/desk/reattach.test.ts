import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';
import type { Store } from '../../support/xenstore/store.ts';

const TAP = 'vif1.0-emu';

let net: NetHost;
let store: Store;

beforeEach(async () => {
  net = await NetHost.create();
  store = await net.host.xenstore();
});

afterEach(() => net.host.close());

function bridge(word: string, ...words: string[]): void {
  const { status, stderr } = net.host.hook('network-bridge', [word, 'netdev=eth0', ...words]);
  expect({ status, stderr }).toMatchObject({ status: 0 });
}

/** A guest on xenbr0, with an address in eth0's network. */
function guestOn(domid: number, values: Record<string, string> = {}): Namespace {
  const guest = net.guest('vif-bridge', domid, { bridge: 'xenbr0', ...values });
  guest.ip(`address add 192.0.2.${100 + domid}/24 dev eth0`);
  return guest;
}

function master(device: string): string | undefined {
  return /master (\S+)/.exec(net.host.ok('ip', 'link', 'show', 'dev', device))?.[1];
}

describe('a start of network-bridge after a stop', () => {
  test('gives running guests their network again, under the filter that they had', async () => {
    bridge('start');
    const [one, two] = [guestOn(1), guestOn(2, { ip: '192.0.2.102', antispoof: 'strict' })];
    bridge('stop', 'force=yes');
    expect(one.reaches('192.0.2.1')).toBe(false);
    bridge('start');
    for (const guest of [one, two])
      await waitUntil('a guest to reach outside', () => guest.reaches('192.0.2.1'));
    two.ip('address add 192.0.2.103/24 dev eth0');
    expect(two.reaches('192.0.2.1', '-I', '192.0.2.103')).toBe(false);
    for (const domid of [1, 2])
      expect(store.told(domid)).toMatchObject({ status: 'connected', error: undefined });
  });

  test('changes nothing of a guest that is on another bridge, off any of ours, or not attached yet', () => {
    bridge('start');
    guestOn(1);
    guestOn(2);
    bridge('stop', 'force=yes');
    net.host.ip('link add other type bridge', 'link set vif1.0 master other');
    net.host.vif(3);
    store.vif(3, 0, { bridge: 'xenbr0' });
    store.write({ 'backend/vif/2/0/bridge': 'elsewhere' });
    bridge('start');
    expect(['vif1.0', 'vif2.0', 'vif3.0'].map(master)).toEqual(['other', undefined, undefined]);
    expect(store.told(3).status).toBeUndefined();
  });

  test('leaves a guest alone whose offline has run, though xenstore calls it connected still', () => {
    bridge('start');
    for (const domid of [1, 2]) guestOn(domid);
    bridge('stop', 'force=yes');
    expect(net.host.hook('vif-bridge', ['offline', 'type_if=vif'], xlEnv(1)).status).toBe(0);
    expect(store.told(1).status).toBe('connected');
    bridge('start');
    expect(['vif1.0', 'vif2.0'].map(master)).toEqual([undefined, 'xenbr0']);
  });

  test('an HVM guest has both of its devices again', () => {
    bridge('start');
    guestOn(1);
    net.host.tap(1);
    const tap = { INTERFACE: TAP, vif: 'vif1.0', type_if: 'tap', XENBUS_PATH: 'backend/vif/1/0' };
    expect(net.host.hook('vif-bridge', ['add'], tap).status).toBe(0);
    bridge('stop', 'force=yes');
    bridge('start');
    expect(['vif1.0', TAP].map(master)).toEqual(['xenbr0', 'xenbr0']);
  });

  test('what cannot be attached is named, and stays connected', () => {
    bridge('start');
    guestOn(1);
    guestOn(2);
    bridge('stop', 'force=yes');
    store.write({ 'backend/vif/1/0/ip': '300.1.2.3' });
    const ran = net.host.hook('network-bridge', ['start', 'netdev=eth0']);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/vif1\.0 of 1 could not be attached again/);
    expect(store.told(1).status).toBe('connected');
    expect(['vif1.0', 'vif2.0'].map(master)).toEqual([undefined, 'xenbr0']);
  });
});

describe('xen-network reattach', () => {
  const reattach = (...words: string[]) => net.host.hook('xen-network', ['reattach', ...words]);

  test('attaches a guest by its name, its domain or its device, and all', () => {
    bridge('start');
    for (const domid of [1, 2]) guestOn(domid);
    store.write({ '/local/domain/1/name': 'web' });
    for (const words of [['web'], ['1'], ['vif1.0'], ['--all']]) {
      net.host.ip('link set vif1.0 nomaster');
      expect(reattach(...words)).toMatchObject({ status: 0, stderr: '' });
      expect(master('vif1.0')).toBe('xenbr0');
    }
    expect(reattach('--all').stdout).toBe(
      'vif1.0 of web is attached to xenbr0.\nvif2.0 of 2 is attached to xenbr0.\n',
    );
  });

  test("a guest of the administrator's own script is attached by that", () => {
    bridge('start');
    const guest = guestOn(1);
    net.host.write(
      '/etc/xen/scripts/vif-own',
      '#!/bin/sh\nset >/run/seen\nexec /etc/xen/scripts/vif-bridge "$@"\n',
      '755',
    );
    store.write({ 'backend/vif/1/0/script': '/etc/xen/scripts/vif-own' });
    net.host.ip('link set vif1.0 nomaster');
    expect(reattach('1').status).toBe(0);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    expect(net.host.ok('cat', '/run/seen')).toContain("XENBUS_PATH='backend/vif/1/0'");
  });

  test('who is meant has to be said, and has to be there', () => {
    for (const words of [[], ['web', '--all']])
      expect(reattach(...words)).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/Say whose devices/),
      });
    expect(reattach('web')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/No guest "?web"? has a device/),
    });
    expect(reattach('--all')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/No guest has a device/),
    });
  });
});
