import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ether, type Hex, ipv4, PROTO, TYPE, zeros } from '../../support/frames/packets.ts';
import { arrivals } from '../../support/frames/wire.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const table = (): string => net.host.run(['nft', 'list', 'table', 'bridge', 'xen_network']).stdout;
const tool = (...words: string[]) => net.host.hook('xen-network', words);
const status = (hook: string): unknown => JSON.parse(net.host.hook(hook, ['status', '--json']).stdout);

/** A guest whose hook is told nothing of any filter. */
async function guestOn(bridge: string, domid: number, ip: string) {
  const guest = net.guest('vif-bridge', domid, { bridge, ip });
  guest.ip(...ip.split(' ').map((a) => `address add ${a}/${a.includes(':') ? 64 : 24} dev eth0`));
  // The kernel sees the carrier of a new port a little later.
  await waitUntil('the port to forward', () =>
    net.host.ok('bridge', 'link', 'show', 'dev', `vif${domid}.0`).includes('state forwarding'),
  );
  return guest;
}

/**
 * Sends a packet from each of some addresses as guest 1.
 * @param bridge whose port guest 1 is
 * @param watcher the namespace where they may arrive
 * @returns the addresses whose packets do
 */
function mayBe(bridge: string, watcher: string, ...addresses: string[]): string[] {
  net.host.netns('marker');
  net.host.ip(`link add mark0 type veth peer name eth0 netns marker`, `link set mark0 master ${bridge} up`);
  net.host.netns('marker').ip('link set eth0 up');
  const frame = (from: string): Hex =>
    ether('00:16:3e:00:01:00', TYPE.ip, ipv4({ from, proto: PROTO.tcp }, zeros(20)));
  const frames = new Map(addresses.map((address) => [frame(address), address]));
  const end = (netns: string) => ({ netns, device: 'eth0' });
  const wire = { sender: end('guest1'), watcher: end(watcher), marker: end('marker') };
  const arrived = arrivals(net.host, wire, [...frames.keys()]).map((sent) => frames.get(sent) ?? '');
  net.host.ip('link del mark0');
  return arrived;
}

describe.each([
  ['classic', 'xenbr0'],
  ['rename', 'eth0'],
  ['plain', 'xenbr0'],
])('network-bridge antispoof=strict, topology=%s', (topology, bridge) => {
  const words = [`topology=${topology}`, 'antispoof=strict'];

  test('a dry run tells of the table and makes none', async () => {
    const before = await net.host.settled();
    const shown = net.host.hook('network-bridge', ['start', ...words, '--dry-run']);
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toContain("nft 'add table bridge xen_network'");
    expect([table(), await net.host.settled()]).toEqual(['', before]);
  });

  test('holds guests that say nothing of it, and neither the host nor the outside', async () => {
    const before = await net.host.settled();
    const started = await net.after('network-bridge', 'start', ...words);
    const empty = table();
    expect(empty).toContain('xen-network-custom');
    expect(await net.after('network-bridge', 'start', ...words)).toEqual(started);
    expect(table()).toBe(empty);
    expect(status('network-bridge')).toMatchObject({
      bridged: [{ bridge, strict: true }],
      strict: { bridges: [bridge], ports: [], damage: null },
    });
    for (const address of ['192.0.2.1', '2001:db8::1']) expect(net.host.reaches(address)).toBe(true);
    for (const address of ['192.0.2.2', '2001:db8::2']) expect(net.outside.reaches(address)).toBe(true);

    const guest = await guestOn(bridge, 1, '192.0.2.77 2001:db8::77');
    for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'])
      expect({ address, reached: guest.reaches(address) }).toEqual({ address, reached: true });
    for (const from of [net.host, net.outside])
      for (const address of ['192.0.2.77', '2001:db8::77']) expect(from.reaches(address)).toBe(true);
    expect(mayBe(bridge, 'gw-eth0', '192.0.2.77', '192.0.2.1', '192.0.2.2')).toEqual(['192.0.2.77']);
    expect(tool('vif').stdout).toMatch(/^vif1\.0 +vif1\.0 +locked +2 +off$/m);
    expect(net.host.hook('network-bridge', ['status']).stdout).toContain(
      `antispoof=strict on ${bridge}; held: vif1.0\n`,
    );

    net.end('vif-bridge', 1);
    expect(table()).toBe(empty);
    expect(await net.after('network-bridge', 'stop')).toEqual(before);
    expect(table()).toBe('');
    expect(await net.after('network-bridge', 'stop')).toEqual(before);
  });

  test('a stop under a guest leaves the filter to it', async () => {
    net.ok('network-bridge', 'start', ...words);
    await guestOn(bridge, 1, '192.0.2.77');
    const held = table();
    expect(net.host.hook('network-bridge', ['stop']).status).toBe(0);
    expect(table()).toBe(held);
    expect(net.call('vif-bridge', 'offline', 1).status).toBe(0);
    expect(table()).not.toContain('"vif1.0"');
  });
});

describe('a bridge of the administrator', () => {
  const PATH = '/sys/class/net/adm0/bridge/no_linklocal_learn';
  const learned = () => net.host.ok('cat', PATH).trim();
  const noted = () => net.host.run(['test', '-e', '/run/xen-network/learning/adm0']).status === 0;

  test.each(['0', '1'])(
    'learns from frames that pass no filter as it did (%s) once the last strict guest has left',
    (before) => {
      net.host.ip('link add adm0 type bridge', 'link set adm0 up');
      net.host.write(PATH, before);
      for (const domid of [1, 2])
        net.guest('vif-bridge', domid, { bridge: 'adm0', ip: `192.0.2.5${domid}` }, ['antispoof=strict']);
      expect(learned()).toBe('1');
      net.end('vif-bridge', 1);
      expect(learned()).toBe('1');
      // It went without a word, and whoever comes next sees to it.
      net.host.netns('guest2').ip('link del dev eth0');
      net.store.forget(2, 0);
      expect(tool('recover').stdout).toContain('vif2.0');
      expect(learned()).toBe(before);
      expect(noted()).toBe(false);
    },
  );

  test('learns as it did too when its only strict guest does not come about, or its online is killed', () => {
    net.host.ip('link add adm0 type bridge', 'link set adm0 up');
    net.card(1, { bridge: 'adm0', ip: '192.0.2.51' });
    const hook = '/etc/xen/scripts/vif-post.d/10-ends.hook';
    net.host.write(hook, `cat ${PATH} >/run/learned; false\n`, '755');
    expect(net.call('vif-bridge', 'online', 1, ['antispoof=strict']).status).toBe(1);
    expect(net.host.ok('cat', '/run/learned')).toBe('1\n');
    expect([learned(), noted()]).toEqual(['0', false]);
    net.host.write(hook, 'kill -KILL $PPID\n', '755');
    expect(net.call('vif-bridge', 'online', 1, ['antispoof=strict']).status).toBe(137);
    expect([learned(), noted()]).toEqual(['1', true]);
    expect(tool('recover').status).toBe(0);
    expect([learned(), noted()]).toEqual(['0', false]);
  });
});

describe('the table', () => {
  test('stays while another bridge needs it, and while it holds something of the administrator', async () => {
    net.host.nic('dummy0');
    net.ok('network-bridge', 'start', 'vifnum=0', 'antispoof=strict');
    net.ok('network-bridge', 'start', 'vifnum=1', 'netdev=dummy0', 'antispoof=strict');
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'antispoof=strict');
    const bridges = () => status('network-bridge');
    expect(bridges()).toMatchObject({ strict: { bridges: ['xenbr0', 'xenbr1', 'vmnet1'] } });
    net.ok('network-bridge', 'stop', 'vifnum=0');
    expect(table()).not.toBe('');
    net.ok('network-virtual', 'stop', 'bridge=vmnet1');
    expect(table()).not.toBe('');
    const rule = 'tcp dport 25 drop';
    net.host.ok('nft', `add rule bridge xen_network xen-network-custom ${rule}`);
    net.ok('network-bridge', 'stop', 'vifnum=1');
    expect(table()).toContain(rule);
    expect(bridges()).toMatchObject({ strict: { bridges: [], ports: [], damage: null } });
  });

  test('is missed by status and by xen-network vif, with what to do', async () => {
    net.ok('network-bridge', 'start', 'antispoof=strict');
    await guestOn('xenbr0', 1, '192.0.2.77');
    const asked = () => [net.host.hook('network-bridge', ['status']).stderr, tool('vif').stderr];
    expect(asked()).toEqual(['', '']);
    const all = (sentence: string) => [`network-bridge: ${sentence}\n`, `xen-network: ${sentence}\n`];
    net.host.ok('nft', 'flush', 'chain', 'bridge', 'xen_network', 'guest_guard');
    net.host.ok('nft', 'flush', 'map', 'bridge', 'xen_network', 'guests');
    expect(asked()).toEqual(
      all(
        'The strict filter is damaged: somebody changed the chain guest_guard and the elements of vif1.0. To restore it run "xen-network refilter".',
      ),
    );
    expect(tool('refilter').status).toBe(0);
    expect(asked()).toEqual(['', '']);
    net.host.ok('nft', 'flush', 'ruleset');
    expect(asked()).toEqual(all('The table of the strict filter is missing: run "xen-network refilter".'));
    expect(tool('refilter').status).toBe(0);
    expect(asked()).toEqual(['', '']);
    expect(mayBe('xenbr0', 'gw-eth0', '192.0.2.77', '192.0.2.1')).toEqual(['192.0.2.77']);
  });

  test('is asked for in vain, with a word of it, where the bridge is started already', async () => {
    net.ok('network-bridge', 'start');
    const late = net.host.hook('network-bridge', ['start', 'antispoof=strict']);
    expect(late.status).toBe(0);
    expect(late.stderr).toContain(
      'The bridge xenbr0 was started without antispoof=strict, and stays as it is',
    );
    expect(table()).toBe('');
  });
});

describe.each([
  ['host-only', []],
  ['routed', ['brnet=10.1.1.0/24']],
  ['NAT', ['masquerade=yes', 'netdev=eth0']],
])('network-virtual antispoof=strict, %s', (form, more) => {
  const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24,fd00:1::1/64', 'antispoof=strict', ...more];

  test('holds guests that say nothing of it, and not the host', async () => {
    const before = await net.host.settled();
    expect(net.host.hook('network-virtual', ['start', ...words, '--dry-run']).stdout).toContain(
      "nft 'add table bridge xen_network'",
    );
    expect(table()).toBe('');
    const started = await net.after('network-virtual', 'start', ...words);
    const empty = table();
    expect(empty).not.toBe('');
    expect(await net.after('network-virtual', 'start', ...words)).toEqual(started);
    expect(table()).toBe(empty);
    expect(status('network-virtual')).toMatchObject({ strict: { bridges: ['vmnet1'], ports: [] } });

    const [one, two] = [
      await guestOn('vmnet1', 1, '10.1.1.11 fd00:1::11'),
      await guestOn('vmnet1', 2, '10.1.1.12 fd00:1::12'),
    ];
    for (const [from, to] of [
      [one, '10.1.1.1'],
      [one, '10.1.1.12'],
      [one, 'fd00:1::1'],
      [two, 'fd00:1::11'],
      [net.host, '10.1.1.11'],
      [net.host, 'fd00:1::12'],
    ] as const)
      expect({ to, reached: from.reaches(to) }).toEqual({ to, reached: true });
    one.ip('route add default via 10.1.1.1');
    net.outside.ip('route add 10.1.1.0/24 via 192.0.2.2');
    expect(one.reaches('192.0.2.1')).toBe(form !== 'host-only');
    expect(mayBe('vmnet1', 'guest2', '10.1.1.11', '10.1.1.12', '10.1.1.1')).toEqual(['10.1.1.11']);

    for (const domid of [1, 2]) net.end('vif-bridge', domid);
    expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
    expect(table()).toBe('');
  });
});

describe('network-virtual', () => {
  test('started again without it lets guests that come go', async () => {
    const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24'];
    net.ok('network-virtual', 'start', ...words, 'antispoof=strict');
    net.ok('network-virtual', 'start', ...words);
    expect(table()).toBe('');
    await guestOn('vmnet1', 1, '10.1.1.11');
    await guestOn('vmnet1', 2, '10.1.1.12');
    expect(mayBe('vmnet1', 'guest2', '10.1.1.11', '10.1.1.12')).toEqual(['10.1.1.11', '10.1.1.12']);
  });

  test('gives guests under the strict filter their addresses by DHCP', async () => {
    const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'dhcp=dnsmasq', 'antispoof=strict'];
    net.ok('network-virtual', 'start', ...words);
    net.guest('vif-bridge', 1, { bridge: 'vmnet1', ip: '10.1.1.128/25' });
    expect(net.lease(1)?.['ip_address']).toMatch(/^10\.1\.1\.(12[89]|1[3-9]\d|2\d\d)$/);
    net.endClient(1);
    net.end('vif-bridge', 1);
    net.ok('network-virtual', 'stop');
    expect(table()).toBe('');
  });
});

describe('network-multi-bridge', () => {
  const LIST = [
    'network-bridge vifnum=0 antispoof=strict',
    'network-virtual bridge=vmnet1 bridgeip=10.1.1.1/24 antispoof=strict',
  ].join('\n');

  test('passes it on, and takes the table away with the last of its bridges', async () => {
    const before = await net.host.settled();
    net.host.write('/etc/xen/network-multi-bridge.conf', `${LIST}\n`);
    const started = await net.after('network-multi-bridge', 'start');
    expect(status('network-multi-bridge')).toMatchObject({ strict: { bridges: ['xenbr0', 'vmnet1'] } });
    expect(await net.after('network-multi-bridge', 'start')).toEqual(started);
    await guestOn('vmnet1', 1, '10.1.1.11');
    await guestOn('vmnet1', 2, '10.1.1.12');
    expect(mayBe('vmnet1', 'guest2', '10.1.1.11', '10.1.1.12')).toEqual(['10.1.1.11']);
    for (const domid of [1, 2]) net.end('vif-bridge', domid);
    expect(await net.after('network-multi-bridge', 'stop')).toEqual(before);
    expect(table()).toBe('');
  });
});
