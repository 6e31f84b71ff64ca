import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';
import { clearSwitches, startOpenVswitch, switchPorts } from '../../support/openvswitch.ts';

const UUID = '5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11';
const BACKEND = '/local/domain/0/backend/vif';

let ovs: HookHost;
let host: Host;

beforeAll(async () => {
  ovs = await HookHost.create('vif-openvswitch');
  host = ovs.host;
  startOpenVswitch(host, 'ovsbr0', 'ovsbr1');
  for (const domid of [1, 2, 3]) name(domid, `guest ${domid}`);
});

afterAll(() => host.close());

beforeEach(() => {
  for (const domid of [1, 2, 3]) {
    ovs.call('offline', domid);
    ovs.unplug(domid);
  }
  host.ok('rm', '-rf', '/run/xen-network');
  clearSwitches(host);
});

/** Gives a domain its name, as xl does. */
function name(domid: number, text: string): void {
  const vm = `/vm/${UUID.slice(0, -1)}${domid}`;
  ovs.store.write({
    [`/local/domain/${domid}/vm`]: vm,
    [`${vm}/name`]: text,
    [`${vm}/uuid`]: vm.slice('/vm/'.length),
  });
}

function port(device: string, column: string): string {
  return host.ok('ovs-vsctl', 'get', 'port', device, column).trim();
}

function id(device: string, key: string): unknown {
  const text = host.ok('ovs-vsctl', 'get', 'interface', device, `external-ids:${key}`).trim();
  return text.startsWith('"') ? JSON.parse(text) : text;
}

function ports(bridge = 'ovsbr0'): string[] {
  return host.ok('ovs-vsctl', 'list-ports', bridge).split('\n').filter(Boolean);
}

function configure(guest: Namespace, address: string): void {
  guest.ip('link set eth0 up', `address add ${address}/24 dev eth0`);
}

describe('online and offline', () => {
  test('a vif becomes a port of the switch, and is taken off again', () => {
    ovs.card(1, { bridge: 'ovsbr0', mac: '00:16:3E:00:00:0A' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect(ports()).toEqual(['vif1.0']);
    expect([port('vif1.0', 'tag'), port('vif1.0', 'trunks'), port('vif1.0', 'vlan_mode')]).toEqual([
      '[]',
      '[]',
      '[]',
    ]);
    expect(ovs.lines('-br', 'link', 'show', 'dev', 'vif1.0')[0]).toMatch(/ fe:ff:ff:ff:ff:ff <.*PROMISC.*UP/);
    expect(id('vif1.0', 'xen-vm-name')).toBe('guest 1');
    expect(id('vif1.0', 'xen-vm-uuid')).toBe(UUID);
    expect(id('vif1.0', 'attached-mac')).toBe('00:16:3e:00:00:0a');
    expect(id('vif1.0', 'iface-id')).toBe('00:16:3e:00:00:0a');
    expect(ovs.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: undefined });
    expect(ovs.forward()).toEqual([]);

    expect(ovs.call('offline', 1)).toEqual(FINE);
    expect(ports()).toEqual([]);
    expect(ovs.lines('-br', 'link', 'show', 'dev', 'vif1.0')[0]).not.toMatch(/[<,]UP/);
    expect(host.snapshot()['files']).toEqual([]);
    expect(ovs.call('offline', 1)).toEqual(FINE);
  });

  test.each([
    ['ovsbr0.10', '10', '[]', '[]'],
    ['ovsbr0:20:30', '[]', '[20, 30]', '[]'],
    ['ovsbr0.10:20', '10', '[20]', 'native-untagged'],
    ['ovsbr1', '[]', '[]', '[]'],
  ])('bridge=%s', (bridge, tag, trunks, mode) => {
    ovs.card(1, { bridge });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect(ports(bridge.slice(0, 6))).toEqual(['vif1.0']);
    expect([port('vif1.0', 'tag'), port('vif1.0', 'trunks'), port('vif1.0', 'vlan_mode')]).toEqual([
      tag,
      trunks,
      mode,
    ]);
  });

  test('a vifname, an MTU, and another switch the next time', () => {
    ovs.card(1, { bridge: 'ovsbr0.10', vifname: 'web', mtu: '1400' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect(ports()).toEqual(['web']);
    expect(ovs.lines('link', 'show', 'dev', 'web').join(' ')).toContain('mtu 1400 ');
    expect(ovs.store.told(1).mtu).toBe('1400');
    ovs.store.write({ [`${BACKEND}/1/0/bridge`]: 'ovsbr1' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect([ports(), ports('ovsbr1'), port('web', 'tag')]).toEqual([[], ['web'], '[]']);
    expect(ovs.call('offline', 1)).toEqual(FINE);
    expect(ports('ovsbr1')).toEqual([]);
  });

  test('twice is once', async () => {
    ovs.card(1, { bridge: 'ovsbr0.10' });
    const once = await ovs.settledAfter('online', 1);
    const before = switchPorts(host);
    expect(await ovs.settledAfter('online', 1)).toEqual(once);
    expect(switchPorts(host)).toBe(before);
  });

  test('a device that comes back without an offline is taken', () => {
    ovs.card(1, { bridge: 'ovsbr0.10' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    ovs.card(1, { bridge: 'ovsbr0.10' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect(ports()).toEqual(['vif1.0']);
    expect(ovs.store.told(1).status).toBe('connected');
  });

  test('offline cleans with the device gone, and leaves a port that another device has by now', () => {
    ovs.card(1, { bridge: 'ovsbr0', vifname: 'web' });
    ovs.call('online', 1);
    ovs.unplug(1);
    expect(ovs.call('offline', 1, { bridge: 'ovsbr0' })).toEqual(FINE);
    expect(ports()).toEqual([]);

    ovs.card(1, { bridge: 'ovsbr0', vifname: 'web' });
    ovs.call('online', 1);
    ovs.unplug(1);
    ovs.card(2, { bridge: 'ovsbr0', vifname: 'web' });
    expect(ovs.call('online', 2)).toEqual(FINE);
    expect(ovs.call('offline', 1)).toEqual(FINE);
    expect(ports()).toEqual(['web']);
    expect(id('web', 'xen-vm-name')).toBe('guest 2');
  });

  test('a tap is a port too', () => {
    ovs.card(1, { bridge: 'ovsbr0.10' });
    host.tap(1);
    expect(ovs.call('add', 1)).toEqual(FINE);
    expect([ports(), port('vif1.0-emu', 'tag')]).toEqual([['vif1.0-emu'], '10']);
    expect(id('vif1.0-emu', 'xen-vm-name')).toBe('guest 1');
    expect(ovs.store.told(1).status).toBeUndefined();
    expect(ovs.call('remove', 1)).toEqual(FINE);
    expect(ports()).toEqual([]);
  });
});

describe('what a controller reads', () => {
  test.each([
    ['xenstore’s iface-id', { 'iface-id': 'lsp-web', uuid: UUID }, [], 'lsp-web'],
    ['an argument', { uuid: UUID }, ['iface-id=lsp-arg'], 'lsp-arg'],
    ['xend’s uuid of the card', { uuid: UUID }, [], UUID],
    ['the MAC address', {}, [], '00:16:3e:00:00:01'],
  ])('iface-id is %s', (_what, values, words, wanted) => {
    ovs.card(1, { bridge: 'ovsbr0', ...values });
    expect(
      host.hook('vif-openvswitch', ['online', ...words], { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' }),
    ).toEqual(FINE);
    expect(id('vif1.0', 'iface-id')).toBe(wanted);
  });

  test.each([
    `a "quoted" name's $(touch /run/owned)`,
    'two\nlines\tand\u0001more',
    '{"json": ["x"]}, key=value -- del-br ovsbr1',
    'x -- --if-exists del-br ovsbr1',
    'naïve ☃ \\u0041 \\',
    '[]',
  ])('the name %j is taken as it is', (text) => {
    name(3, text.repeat(20));
    ovs.card(3, { bridge: 'ovsbr0' });
    expect(ovs.call('online', 3)).toEqual(FINE);
    expect(id('vif3.0', 'xen-vm-name')).toBe(text.repeat(20));
    expect(host.run(['ls', '/run/owned']).status).not.toBe(0);
    expect(host.ok('ovs-vsctl', 'list-br')).toBe('ovsbr0\novsbr1\n');
  });

  test('a guest that xenstore does not know is connected all the same, with a warning', () => {
    ovs.card(7, { bridge: 'ovsbr0' });
    const { status, stderr } = ovs.call('online', 7);
    expect(status).toBe(0);
    expect(stderr).toBe('vif-openvswitch: vif7.0: xenstore tells neither name nor uuid of domain 7.\n');
    expect(host.ok('ovs-vsctl', 'get', 'interface', 'vif7.0', 'external-ids')).not.toContain('xen-vm');
    ovs.call('offline', 7);
    ovs.unplug(7);
  });
});

describe('an error that says why', () => {
  test.each([{ antispoof: 'strict' }, { locking: 'locked' }])(
    '%o, which a switch in user space cannot keep',
    async (values) => {
      ovs.card(1, { bridge: 'ovsbr0', ...values });
      const before = await host.settled();
      const ran = ovs.call('online', 1);
      expect(ran.status).toBe(1);
      expect(ran.stderr).toContain(
        "whose datapath_type is netdev: such a switch reads frames before the kernel's filters do. Leave them out, and use port security of OVN, or flows",
      );
      expect(await host.settled()).toEqual(before);
    },
  );

  test.each([
    ['nosuch0', 'no bridge named nosuch0'],
    ['ovsbr0.x', 'bridge is "ovsbr0.x"; for Open vSwitch say NAME'],
    ['ovsbr0; reboot', 'bridge is "ovsbr0; reboot"'],
    ['ovsbr0.4096', '4096 is no VLAN'],
    ['', 'bridge is not set; say on which Open vSwitch bridge the guest is to be'],
  ])('bridge=%s', async (bridge, why) => {
    ovs.card(1, { bridge });
    const before = await host.settled();
    expect(ovs.call('online', 1).status).toBe(1);
    expect(ovs.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining(why) });
    expect(await host.snapshotLike(before)).toEqual(before);
    expect(ovs.call('offline', 1).status).toBe(0);
  });

  test('ip= makes no rules, and says so', () => {
    ovs.card(1, { bridge: 'ovsbr0', ip: '192.0.2.7' });
    const { status, stderr } = ovs.call('online', 1);
    expect([status, ovs.forward()]).toEqual([0, []]);
    expect(stderr).toContain('ip= makes no filter rules');
  });

  test('a port that the switch cannot take, though it is in the database', () => {
    // Of a bridge whose datapath is the kernel's, which lacks it.
    host.ok(
      'ovs-vsctl',
      '--no-wait',
      'add-br',
      'kernelbr0',
      '--',
      'set',
      'bridge',
      'kernelbr0',
      'datapath_type=other',
    );
    ovs.card(1, { bridge: 'kernelbr0' });
    host.ip('link set vif1.0 promisc on');
    expect(ovs.call('online', 1).status).toBe(1);
    expect(ovs.store.told(1).error).toContain(
      'vif1.0 is no running port of the switch kernelbr0 after all steps.',
    );
    expect(ports('kernelbr0')).toEqual([]);
    host.ok('ovs-vsctl', '--no-wait', 'del-br', 'kernelbr0');
  });
});

/** A call of ours while the switch's daemon is stopped, and hears nothing though it takes connections. */
function whileStopped<T>(what: () => T): T {
  const signal = (name: string) =>
    host.ok('sh', '-c', `kill -${name} $(cat /run/openvswitch/ovs-vswitchd.pid)`);
  signal('STOP');
  try {
    return what();
  } finally {
    signal('CONT');
  }
}

describe('a switch whose daemon hears nothing', () => {
  test('is said by online, before anything is done', async () => {
    ovs.card(1, { bridge: 'ovsbr0' });
    const before = await host.settled();
    const ran = whileStopped(() => ovs.call('online', 1));
    expect(ran.status).toBe(1);
    expect(ovs.store.told(1)).toMatchObject({
      status: 'error',
      error: expect.stringContaining(
        'Open vSwitch does not run: nobody answers at /run/openvswitch/ovs-vswitchd.',
      ),
    });
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('has no port of a guest that has gone: offline does not wait for it', () => {
    ovs.card(1, { bridge: 'ovsbr0' });
    expect(ovs.call('online', 1)).toEqual(FINE);
    expect(whileStopped(() => [ovs.call('offline', 1), ports()])).toEqual([FINE, []]);
    expect(host.snapshot()['files']).toEqual([]);
  });
});

test('what a tcpdump makes promiscuous is no port: an undo brings back nothing that is not there', () => {
  ovs.card(1, { bridge: 'ovsbr0.10' });
  expect(ovs.call('online', 1)).toEqual(FINE);
  host.ok('ovs-vsctl', 'del-port', 'vif1.0');
  host.ip('link set vif1.0 promisc on');
  ovs.store.write({ [`${BACKEND}/1/0/bridge`]: 'nosuch0' });
  expect(ovs.call('online', 1).status).toBe(1);
  expect(ports()).toEqual([]);
});

test('an undo leaves a port that somebody has moved to another bridge meanwhile', () => {
  ovs.card(1, { bridge: 'ovsbr0' });
  for (let at = 1; !ports().includes('vif1.0'); at++) {
    host.hook('xen-network', ['recover']);
    expect(ovs.strike('online', 1, 'kill', at)).toBeDefined();
  }
  host.ok('ovs-vsctl', 'del-port', 'vif1.0', '--', 'add-port', 'ovsbr1', 'vif1.0');
  expect(host.hook('xen-network', ['recover']).stdout).toContain('bridge ovsbr0 does not have a port vif1.0');
  expect([ports(), ports('ovsbr1')]).toEqual([[], ['vif1.0']]);
  expect(ovs.call('offline', 1)).toEqual(FINE);
  expect(ports('ovsbr1')).toEqual([]);
});

describe('a tap that has a vifname', () => {
  test('is known by that name too, with its place in xenstore and without', () => {
    ovs.card(1, { bridge: 'ovsbr0', vifname: 'http' });
    for (const env of [{ XENBUS_PATH: 'backend/vif/1/0' }, { XENBUS_PATH: '' }]) {
      host.tap(1);
      expect(ovs.call('add', 1)).toEqual(FINE);
      expect(ports()).toEqual(['http-emu']);
      expect(ovs.call('remove', 1, { INTERFACE: 'http-emu', vif: 'vif1.0', ...env })).toEqual(FINE);
      expect(ports()).toEqual([]);
      expect(host.snapshot()['files']).toEqual([]);
      host.ip('link del http-emu');
    }
  });
});

test('a switch that does not run is said, before anything is done', async () => {
  const alone = await HookHost.create('vif-openvswitch');
  try {
    alone.host.ok('mkdir', '-p', '/run/openvswitch');
    alone.card(1, { bridge: 'ovsbr0' });
    const before = alone.host.snapshot();
    expect(alone.call('online', 1).stderr).toContain(
      'Open vSwitch does not run: nobody answers at /run/openvswitch/',
    );
    expect(alone.store.told(1)).toMatchObject({
      status: 'error',
      error: expect.stringContaining('Start it'),
    });
    expect(alone.host.snapshot()).toEqual(before);
    const gone = alone.call('offline', 1);
    expect([gone.status, gone.stderr]).toEqual([
      0,
      expect.stringContaining(
        'The port vif1.0 stays in its database; take it off (ovs-vsctl del-port vif1.0)',
      ),
    ]);

    alone.host.ok('rmdir', '/run/openvswitch');
    expect(alone.call('online', 1).stderr).toContain(
      'Open vSwitch does not run: there is no /run/openvswitch, and',
    );
  } finally {
    await alone.host.close();
  }
});

describe('packets', () => {
  test('pass between guests of one VLAN and of no other', () => {
    const [one, two, three] = [1, 2, 3].map((domid) =>
      ovs.card(domid, { bridge: `ovsbr0.${domid === 3 ? 20 : 10}` }),
    );
    for (const domid of [1, 2, 3]) expect(ovs.call('online', domid)).toEqual(FINE);
    if (one === undefined || two === undefined || three === undefined)
      throw new Error('There are no guests.');
    for (const [guest, address] of [
      [one, '192.0.2.1'],
      [two, '192.0.2.2'],
      [three, '192.0.2.3'],
    ] as const)
      configure(guest, address);
    expect(one.reaches('192.0.2.2')).toBe(true);
    expect(one.reaches('192.0.2.3')).toBe(false);
    ovs.store.write({ [`${BACKEND}/3/0/bridge`]: 'ovsbr0.10:20' });
    expect(ovs.call('online', 3)).toEqual(FINE);
    // It still takes the third for gone, and ping ends as soon as the kernel gives up on a neighbour.
    one.ip('neigh flush dev eth0');
    expect(one.reaches('192.0.2.3')).toBe(true);
    ovs.call('offline', 2);
    expect(one.reaches('192.0.2.2')).toBe(false);
  });

  test('with a tag pass a trunk that has their VLAN, and no other', () => {
    ovs.card(1, { bridge: 'ovsbr0.10:20' });
    ovs.card(2, { bridge: 'ovsbr0:20:30' });
    for (const domid of [1, 2]) expect(ovs.call('online', domid)).toEqual(FINE);
    const number = host.ok('ovs-vsctl', 'get', 'interface', 'vif1.0', 'ofport').trim();
    const passes = (vlan: number) => {
      const flow = `in_port=${number},dl_src=00:16:3e:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,dl_vlan=${vlan}`;
      return !host.ok('ovs-appctl', 'ofproto/trace', 'ovsbr0', flow).includes('Datapath actions: drop');
    };
    expect([passes(20), passes(30)]).toEqual([true, false]);
  });
});

test('a dry run prints commands that can be typed, and does nothing', async () => {
  name(1, `it's "quoted"`);
  ovs.card(1, { bridge: 'ovsbr0.10' });
  const before = await host.settled();
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  const { status, stdout } = host.hook('vif-openvswitch', ['online', '--dry-run'], env);
  expect([status, ports()]).toEqual([0, []]);
  expect(host.snapshot()).toEqual(before);
  host.ok('sh', '-c', `mkdir -p /run/xen-network/vif; ${stdout}`);
  expect(id('vif1.0', 'xen-vm-name')).toBe(`it's "quoted"`);
  expect(port('vif1.0', 'tag')).toBe('10');
});
