import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { borrowedFrames } from '../../support/frames/borrowed.ts';
import { forgedFrames } from '../../support/frames/forged.ts';
import { honestFrames } from '../../support/frames/honest.ts';
import { inTag, TYPE } from '../../support/frames/packets.ts';
import { arrivingNames, type NamedFrames, namesOf } from '../../support/frames/passing.ts';
import type { Identity } from '../../support/frames/sender.ts';
import type { End } from '../../support/frames/wire.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { FINE, type Ran } from '../../support/hosts/namespace.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { whileKilled } from '../../support/killed.ts';
import { clearSwitches, standInForKernel, startOpenVswitch, TAKES_NONE } from '../../support/openvswitch.ts';

const SELF: Identity = { mac: guestMac(1), v4: '192.0.2.1', v6: '2001:db8::1' };
const OTHER: Identity = { mac: guestMac(2), v4: '192.0.2.2', v6: '2001:db8::2' };
const TAP: End = { netns: 'dom0', device: 'tap:vif1.0-emu' };
const FORGED = { ...forgedFrames(SELF, OTHER), ...borrowedFrames(SELF, OTHER) };
const HONEST = honestFrames(SELF);

let host: StrictHost;

beforeAll(async () => {
  host = await StrictHost.create();
  host.marker();
  const { host: dom0 } = host.vif;
  dom0.ip('link set xenbr0 down', 'link set xenbr0 name ovs-system', 'link set ovs-system up');
  dom0.ok('ln', '-s', '/proc/1/ns/net', '/run/netns/dom0');
  startOpenVswitch(dom0, 'user0');
  // Where the kernel has no switch, the daemon says so and goes on.
  dom0.ok('ovs-vsctl', '--no-wait', 'add-br', 'ovsbr0', '--', 'add-br', 'fake20', 'ovsbr0', '20');
  dom0.ok('ovs-vsctl', '--no-wait', 'add-br', 'fakeuser', 'user0', '30');
  await standInForKernel(dom0);
});

afterAll(() => host.vif.host.close());

const tool = (...args: string[]): Ran => host.vif.host.hook('xen-network', args);
const table = (): string => host.vif.host.run(['nft', 'list', 'table', 'netdev', 'xen_network']).stdout;
const vsctl = (...words: string[]): string => host.vif.host.ok('ovs-vsctl', ...words);

function call(word: string, ...more: string[]): Ran {
  const isTap = word === 'add' || word === 'remove';
  const env = xlEnv(1, 0, isTap ? { INTERFACE: 'vif1.0-emu' } : {});
  return host.vif.host.hook('vif-openvswitch', [word, ...(isTap ? ['type_if=tap'] : []), ...more], env);
}

/** What xenstore says of guest 1, which has a name there. */
function configure(values: Readonly<Record<string, string>>): void {
  const given = { mac: guestMac(1), bridge: 'ovsbr0', script: 'vif-openvswitch', ...values };
  host.vif.store.write({ '/local/domain/1/vm': '/vm/1', '/vm/1/name': 'one', '/vm/1/uuid': '1' });
  host.vif.store.vif(1, 0, given);
}

/** Gives guest 1 a card, and lets it be attached under the strict filter. */
function attach(values: Readonly<Record<string, string>>): void {
  call('offline');
  host.vif.card(1);
  configure(values);
  expect(call('online', 'antispoof=strict')).toEqual(FINE);
  host.vif.host.netns('guest1').ip('link set eth0 up');
}

/** Sends frames as guest 1, by one of its cards, and gives the names of those that arrive. */
function passing(frames: NamedFrames, card?: End): string[] {
  return arrivingNames(frames, (sent) => host.send(1, sent, card));
}

const FEW = { ping: HONEST['an IPv4 ping'] ?? '', forged: FORGED["another's MAC address"] ?? '' };

describe.each([
  ['single addresses', '192.0.2.1 2001:db8::1'],
  ['ranges', '192.0.2.0/31 2001:db8::/127'],
])('a guest with %s on the kernel’s switch', (_what, ip) => {
  beforeAll(() => attach({ ip }));

  test('may send what it is configured to be', () => {
    expect(passing(HONEST)).toEqual(namesOf(HONEST));
  });

  test('may send nothing else, and each frame is counted', () => {
    const before = host.drops('vif1.0');
    expect(passing(FORGED)).toEqual([]);
    expect(host.drops('vif1.0') - before).toBe(Object.keys(FORGED).length);
  });

  test('is held alike by its emulated card', () => {
    host.vif.host.tap(1);
    expect(call('add', 'antispoof=strict')).toEqual(FINE);
    expect(passing(HONEST, TAP)).toEqual(namesOf(HONEST));
    const before = host.drops('vif1.0-emu');
    expect(passing(FORGED, TAP)).toEqual([]);
    expect(host.drops('vif1.0-emu') - before).toBe(Object.keys(FORGED).length);
    expect(call('remove')).toEqual(FINE);
    expect(table()).not.toContain('vif1.0-emu');
  });
});

test('a guest without addresses may use any, with its own MAC address', () => {
  attach({});
  const frames = { ...HONEST, ...borrowedFrames(SELF, OTHER) };
  expect(passing(frames)).toEqual(namesOf(frames));
  const forged = forgedFrames(SELF, OTHER);
  expect(passing(forged)).toEqual([]);
  expect(host.drops('vif1.0')).toBe(Object.keys(forged).length);
});

describe('a guest with trunks on the kernel’s switch', () => {
  beforeAll(() => attach({ ip: '192.0.2.1 2001:db8::1', bridge: 'ovsbr0.5:0:10:4094' }));

  test.each([10, 4094])('is held in VLAN %d as without a tag', (vlan) => {
    expect(passing(inTag(HONEST, vlan))).toEqual(namesOf(HONEST));
    const before = host.drops('vif1.0');
    expect(passing(inTag(FORGED, vlan))).toEqual([]);
    expect(host.drops('vif1.0') - before).toBe(Object.keys(FORGED).length);
  });

  test('has no other tags, of no other kind, and no two', () => {
    const all = [0, 5, 11, 4093, 4095].map((vlan) => inTag(HONEST, vlan));
    all.push(inTag(HONEST, 10, TYPE.qinq), inTag(inTag(HONEST, 10), 10), inTag(inTag(HONEST, 10), 4094));
    for (const frames of all) expect(passing(frames)).toEqual([]);
    expect(passing(HONEST)).toEqual(namesOf(HONEST));
  });

  test('has them again after a refilter, and none without trunks', () => {
    host.vif.host.ok('nft', 'flush ruleset');
    expect(tool('refilter').status).toBe(0);
    expect(passing(inTag(FEW, 10))).toEqual(['ping']);
    attach({ ip: '192.0.2.1', bridge: 'ovsbr0.10' });
    expect(passing(inTag(FEW, 10))).toEqual([]);
    expect(passing(FEW)).toEqual(['ping']);
  });
});

describe('a port of the kernel’s switch under the strict filter', () => {
  test('is held under its vifname, and keeps its counter when it is renamed', () => {
    attach({ ip: '192.0.2.1', vifname: 'web' });
    expect(passing(FEW)).toEqual(['ping']);
    configure({ ip: '192.0.2.1', vifname: 'mail-1' });
    expect(call('online', 'antispoof=strict')).toEqual(FINE);
    expect(passing(FEW)).toEqual(['ping']);
    expect(host.drops('mail-1')).toBe(2);
    expect(table()).not.toContain('web');
  });

  test('that somebody renames is named, and held again by a refilter', () => {
    attach({ ip: '192.0.2.1', vifname: 'web' });
    host.vif.host.ip('link set web down', 'link set web name moved', 'link set moved up');
    expect(tool('vif').stderr).toContain(
      'web is called moved by now, and what it sends is not filtered since Linux 6.16',
    );
    expect(tool('refilter')).toEqual({ ...FINE, stdout: 'The filters of 1 device are in place.\n' });
    expect(passing(FEW)).toEqual(['ping']);
    expect(tool('vif').stderr).toBe('');
    call('offline');
    vsctl('--if-exists', 'del-port', 'web');
    expect(table()).not.toMatch(/web|moved/);
  });

  test('has the modes, the log and the chain of the administrator', () => {
    attach({ ip: '192.0.2.1' });
    const mode = (word: string) => tool('vif', 'vif1.0', word).stdout;
    expect(mode('unlocked')).toBe('vif1.0 is unlocked.\n');
    expect(passing(FEW)).toEqual(['forged', 'ping']);
    host.vif.host.ok('nft', 'add rule netdev xen_network xen-network-custom iifname "vif1.0" drop');
    expect(passing(FEW)).toEqual([]);
    host.vif.host.ok('nft', 'flush chain netdev xen_network xen-network-custom');
    expect(mode('disabled')).toBe('vif1.0 is disabled.\n');
    expect(passing(FEW)).toEqual([]);
    expect(table()).toContain('hook egress device "vif1.0"');
    expect(call('online')).toEqual(FINE);
    expect(table()).toContain('hook egress device "vif1.0"');
    expect(mode('locked')).toBe('vif1.0 is locked.\n');
    expect(passing(FEW)).toEqual(['ping']);
    expect(tool('vif', 'vif1.0', 'log', 'on').status).toBe(0);
    expect(tool('vif').stdout).toMatch(/^vif1\.0 +vif1\.0 +locked +\d+ +on$/m);
  });

  test.each([
    ['the whole ruleset', 'flush ruleset'],
    ['a chain of its device', 'delete chain netdev xen_network groups/vif1.0'],
  ])('is put back by a refilter after %s was flushed, by what xenstore says', (_what, line) => {
    attach({ ip: '192.0.2.1' });
    host.vif.host.ok('nft', line);
    expect(tool('vif').stderr).toContain('run "xen-network refilter"');
    configure({ ip: '192.0.2.2', 'xen-network': 'antispoof=strict' });
    expect(tool('refilter')).toEqual({ ...FINE, stdout: 'The filters of 1 device are in place.\n' });
    expect(tool('vif').stderr).toBe('');
    expect(passing(FEW)).toEqual([]);
    expect(table()).toContain(`"vif1.0" . ${guestMac(1)} . 192.0.2.2`);
  });

  test('is held again by a reattach', () => {
    attach({ ip: '192.0.2.1', bridge: 'fake20' });
    vsctl('del-port', 'vif1.0');
    host.vif.host.ok('nft', 'flush ruleset');
    const again = tool('reattach', '1');
    expect([again.status, again.stderr]).toEqual([0, '']);
    expect(vsctl('get', 'port', 'vif1.0', 'tag').trim()).toBe('20');
    expect(passing(FEW)).toEqual(['ping']);
  });

  test('leaves nothing behind', () => {
    attach({ ip: '192.0.2.1', 'xen-network': '' });
    expect(host.vif.store.read('/local/domain/0/backend/vif/1/0/xen-network')).toBe('antispoof=strict');
    expect(call('offline')).toEqual(FINE);
    expect(table()).not.toContain('vif1.0');
    expect(host.vif.host.run(['ls', '/run/xen-network/strict']).stdout).toBe('');
    expect(host.vif.store.read('/local/domain/0/backend/vif/1/0/xen-network')).toBeUndefined();
  });

  test('is held no more once nobody asks for it', () => {
    attach({ ip: '192.0.2.1' });
    const ran = call('online');
    expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining('ip= makes no filter rules')]);
    expect(table()).not.toContain('vif1.0');
    expect(passing(FEW)).toEqual(['forged', 'ping']);
  });
});

describe('an error that says why', () => {
  const refused = (values: Readonly<Record<string, string>>, ...words: string[]): string => {
    call('offline');
    host.vif.card(1);
    configure(values);
    const ran = call('online', ...words);
    expect(ran.status).toBe(1);
    expect(table()).not.toContain('vif1.0');
    return ran.stderr;
  };

  test('of a fake bridge of a switch in user space', () => {
    expect(refused({ bridge: 'fakeuser' }, 'antispoof=strict')).toContain(
      'cannot hold vif1.0 on fakeuser, whose datapath_type is netdev',
    );
  });

  test('of a switch that forwards by tc', () => {
    vsctl('set', 'open_vswitch', '.', 'other_config:hw-offload=true');
    expect(refused({}, 'antispoof=strict')).toContain('forwards by tc (other_config:hw-offload=true)');
    vsctl('remove', 'open_vswitch', '.', 'other_config', 'hw-offload');
  });

  test('of all these where the sockets are in another folder, which ovs-vsctl knows', () => {
    host.vif.host.ok('mv', '/run/openvswitch', '/run/elsewhere');
    try {
      expect(refused({ bridge: 'fakeuser' }, 'antispoof=strict')).toContain('datapath_type is netdev');
      attach({ ip: '192.0.2.1', bridge: 'fake20' });
      expect(passing(FEW)).toEqual(['ping']);
      call('offline');
    } finally {
      host.vif.host.ok('mv', '/run/elsewhere', '/run/openvswitch');
    }
  });

  test('of a device that the kernel’s switch has not taken', () => {
    host.vif.host.ok('touch', TAKES_NONE);
    try {
      expect(refused({}, 'antispoof=strict')).toContain(
        "vif1.0 is no running port of the kernel's switch ovsbr0 after all steps",
      );
    } finally {
      host.vif.host.ok('rm', TAKES_NONE);
    }
  });

  test('of a guest without a MAC address, and of a bridge that there is not', () => {
    expect(refused({ mac: '' }, 'antispoof=strict')).toContain('antispoof=strict cannot do without');
    expect(refused({ bridge: 'nosuch0' }, 'antispoof=strict')).toContain('no bridge named nosuch0');
  });
});

describe('a switch that goes to user space with its guests', () => {
  const SAYS = 'vif1.0 is not held by the strict filter: Open vSwitch took it into user space';

  beforeAll(() => {
    attach({ ip: '192.0.2.1' });
    host.vif.host.ip('link set vif1.0 nomaster');
    vsctl('set', 'bridge', 'ovsbr0', 'datapath_type=netdev');
  });

  afterAll(() => clearSwitches(host.vif.host));

  test('is said by all that tell of the filter', () => {
    expect(tool('vif').stderr).toContain(SAYS);
    expect(tool('status').stdout).toContain(SAYS);
    expect(tool('doctor').stdout).toContain(SAYS);
    const again = tool('refilter');
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining(SAYS)]);
    const mode = tool('vif', 'vif1.0', 'disabled');
    expect([mode.status, mode.stderr]).toEqual([1, expect.stringContaining(SAYS)]);
  });

  const UNKNOWN = 'Whether vif1.0 is held by the strict filter is unknown: ';

  test('and nobody says that it is held where the database does not tell', () => {
    host.vif.host.ok('mv', '/run/openvswitch/db.sock', '/run/kernel/away.sock');
    try {
      const silent = `${UNKNOWN}Open vSwitch does not tell at /run/openvswitch/db.sock`;
      expect(tool('status').stdout).toContain(silent);
      const mode = tool('vif', 'vif1.0', 'disabled');
      expect([mode.status, mode.stderr]).toEqual([1, expect.stringContaining(silent)]);
    } finally {
      host.vif.host.ok('mv', '/run/kernel/away.sock', '/run/openvswitch/db.sock');
    }
  });

  test('nor where ovs-vsctl, which knows of another folder, could not tell', async () => {
    host.vif.host.ok('mv', '/run/openvswitch', '/run/elsewhere');
    try {
      const [status, mode] = await whileKilled(host.vif.host, 'ovs-vsctl', () => [
        tool('status'),
        tool('vif', 'vif1.0', 'disabled'),
      ]);
      const unknown = `${UNKNOWN}"ovs-vsctl `;
      expect(status?.stdout).toContain(unknown);
      expect([mode?.status, mode?.stderr]).toEqual([1, expect.stringContaining(unknown)]);
    } finally {
      host.vif.host.ok('mv', '/run/elsewhere', '/run/openvswitch');
    }
  });

  test('because no filter of the kernel holds what such a switch has read', () => {
    const { host: dom0 } = host.vif;
    dom0.netns('peer');
    dom0.ip('link add peer0 type veth peer name eth0 netns peer', 'link set peer0 up');
    dom0.netns('peer').ip('link set eth0 up', 'address add 192.0.2.9/24 dev eth0');
    dom0.netns('guest1').ip('address add 192.0.2.7/24 dev eth0');
    vsctl('add-port', 'ovsbr0', 'peer0');
    const before = host.drops('vif1.0');
    expect(dom0.netns('guest1').reaches('192.0.2.9')).toBe(true);
    expect(host.drops('vif1.0')).toBeGreaterThan(before);
  });
});
