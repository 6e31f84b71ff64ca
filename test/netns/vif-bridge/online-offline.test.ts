import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';
import { sleep } from '../../support/wait.ts';

const PORT_MAC = 'fe:ff:ff:ff:ff:ff';
const BACKEND = '/local/domain/0/backend/vif';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

function unrestricted(name: string): string[] {
  return [
    '-P FORWARD ACCEPT',
    `-A FORWARD -m physdev --physdev-in ${name} --physdev-is-bridged -j ACCEPT`,
    `-A FORWARD -m physdev --physdev-out ${name} --physdev-is-bridged -j ACCEPT`,
  ];
}

describe('online and offline', () => {
  test('a vif becomes a port, and is let go again', () => {
    vif.card(1);
    expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.link('vif1.0')).toBe(`vif1.0 veth ${PORT_MAC} mtu 1500 UP master xenbr0`);
    expect(vif.forward()).toEqual(unrestricted('vif1.0'));
    expect(vif.forward(6)).toEqual(['-P FORWARD ACCEPT']);
    expect(vif.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: '1500' });

    expect(vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.link('vif1.0')).toBe(`vif1.0 veth ${PORT_MAC} mtu 1500`);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
    expect(vif.store.told(1).status).toBe('connected');
    expect(host.snapshot()['files']).toEqual([]);
  });

  test('addresses that the device had are taken from it', () => {
    vif.card(1);
    host.ip('address add 192.0.2.99/24 dev vif1.0');
    expect(vif.online(1).status).toBe(0);
    expect(host.json('ip', '-j', '-4', 'address', 'show', 'dev', 'vif1.0')).toEqual([]);
  });

  test('a tap is added and removed, and xenstore is told nothing of it', () => {
    vif.card(1, { ip: '192.0.2.7' });
    host.tap(1);
    expect(vif.add(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.link('vif1.0-emu')).toBe(`vif1.0-emu tun ${PORT_MAC} mtu 1500 UP master xenbr0`);
    expect(vif.forward()).toHaveLength(4);
    expect(vif.store.told(1)).toEqual({ status: undefined, error: undefined, mtu: undefined });
    expect(vif.remove(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.link('vif1.0-emu')).toBe(`vif1.0-emu tun ${PORT_MAC} mtu 1500`);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test('a vif and its emulated twin stand side by side', () => {
    vif.card(1, { ip: '192.0.2.7', vifname: 'webserver-one' });
    host.tap(1);
    const both = { INTERFACE: 'vif1.0-emu' };
    expect(vif.online(1, both).status).toBe(0);
    expect(vif.add(1).status).toBe(0);
    expect(vif.link('webserver-o')).toContain('altnames webserver-one alias "xen-network vif1.0"');
    expect(vif.link('webserver-o-emu')).toContain(
      'altnames webserver-one-emu alias "xen-network vif1.0-emu"',
    );
    expect(vif.forward()).toHaveLength(7);
    expect(vif.remove(1).status).toBe(0);
    expect(vif.forward().join('\n')).not.toContain('-emu ');
    expect(vif.offline(1, both).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test.each([`backend/vif/1/0`, `${BACKEND}/1/0`])('XENBUS_PATH %s', (path) => {
    vif.card(1);
    expect(vif.online(1, { XENBUS_PATH: path }).status).toBe(0);
    expect(vif.store.told(1)).toMatchObject({ status: 'connected', mtu: '1500' });
  });

  test('twice is as once, both ways', async () => {
    vif.card(1, { ip: '192.0.2.7 2001:db8::7', vifname: 'web' });
    expect(vif.online(1).status).toBe(0);
    const once = await host.settled();
    expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(once)).toEqual(once);
    expect(vif.store.told(1).status).toBe('connected');

    expect(vif.offline(1).status).toBe(0);
    const off = await host.settled();
    expect(vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await host.snapshotLike(off)).toEqual(off);
    expect(off['iptables']).toEqual([]);
    expect(off['ip6tables']).toEqual([]);

    expect(vif.online(1).status).toBe(0);
    expect(await host.snapshotLike(once)).toEqual(once);
  });

  test('a repeated online takes nothing down', async () => {
    vif.card(1, { ip: '192.0.2.7' });
    expect(vif.online(1).status).toBe(0);
    const changes = host.start(['timeout', '1', 'ip', 'monitor', 'link', 'dev', 'vif1.0']);
    await sleep(300);
    expect(vif.online(1).status).toBe(0);
    expect((await changes).stdout).toBe('');
  });
});

describe('the MTU', () => {
  test("is xenstore's, for the device and for the guest", () => {
    vif.card(1, { mtu: '1400', vifname: 'web' });
    expect(vif.online(1).status).toBe(0);
    expect(vif.link('web')).toContain(' mtu 1400 ');
    expect(vif.store.told(1).mtu).toBe('1400');
    expect(vif.store.list('/local/domain').join('\n')).not.toContain('/local/domain/web');
  });

  test("is the bridge's where xenstore has none", () => {
    host.ip('link set xenbr0 mtu 1450');
    vif.card(1);
    expect(vif.online(1).status).toBe(0);
    expect(vif.link('vif1.0')).toContain(' mtu 1450 ');
    expect(vif.store.told(1).mtu).toBe('1450');
  });

  test.each(['0', '99999', '1500; reboot'])('%s is not used, and the bridge’s is, with a warning', (mtu) => {
    vif.card(1, { mtu });
    expect(vif.online(1)).toEqual({
      ...FINE,
      stderr: `vif-bridge: vif1.0: mtu is "${mtu}"; say a whole number from 68 to 65535. It is not used.\n`,
    });
    expect(vif.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: '1500' });
  });

  test('is the device’s own where that refuses another, with a warning, every time', () => {
    vif.card(1, { mtu: '65535' });
    host.tap(1);
    for (const _time of ['the first', 'the second']) {
      const { status, stderr } = host.hook('vif-bridge', ['add', 'type_if=tap'], {
        ...xlEnv(1),
        INTERFACE: 'vif1.0-emu',
      });
      expect([status, stderr]).toEqual([
        0,
        expect.stringMatching(
          /^vif-bridge: Could not set the MTU 65535 of vif1\.0-emu: the device refuses it \(.+\), and keeps what it has\.\n$/,
        ),
      ]);
      expect(vif.link('vif1.0-emu')).toMatch(/ mtu 1500 UP master xenbr0$/);
    }
  });
});

describe('xenstore', () => {
  test('has no sentence of an earlier failure left once the guest is connected', () => {
    vif.card(1, { bridge: 'nosuch0' });
    expect(vif.online(1).status).toBe(1);
    expect(vif.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining('nosuch0') });
    vif.store.vif(1, 0, { bridge: 'xenbr0' });
    expect(vif.online(1)).toEqual(FINE);
    expect(vif.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: '1500' });
  });

  test('has a mac that is none: it is needed under the strict filter alone', () => {
    vif.card(1, { mac: 'aa:bb' });
    const { status, stderr } = vif.online(1);
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(
        /^vif-bridge: vif1\.0: mac is "aa:bb", which is no MAC address; .* It is not used\.\n$/,
      ),
    ]);
    expect(vif.offline(1).status).toBe(0);
    vif.store.vif(1, 0, { mac: 'aa:bb', antispoof: 'strict' });
    expect(vif.online(1).status).toBe(1);
    expect(vif.store.told(1).error).toContain('mac is "aa:bb", which is no MAC address;');
  });
});
