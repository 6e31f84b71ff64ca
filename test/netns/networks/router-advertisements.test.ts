import { afterEach, beforeEach, expect, test } from 'vitest';
import { ether, icmp6, ip6, ipv6, lladdr, NDP, num, PROTO6, TYPE } from '../../support/frames/packets.ts';
import { flood } from '../../support/frames/wire.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';
import { sleep, waitUntil } from '../../support/wait.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  // A device hears advertisements as the kernel's default has it, and the host forwards no IPv6.
  net.host.ok('sysctl', '-qw', 'net.ipv6.conf.default.accept_ra=1', 'net.ipv6.conf.default.autoconf=1');
});

afterEach(() => net.host.close());

/** A router's advertisement of a default route and of a prefix to take an address from (RFC 4861, 4.2 and 4.6.2). */
function advertisement(prefix: string, group = '33:33:00:00:00:01'): string {
  const head = { from: 'fe80::bad', to: 'ff02::1', next: PROTO6.icmp6 };
  const option = `0304${num(64, 1)}c0${num(3600, 4)}${num(1800, 4)}${num(0, 4)}${ip6(prefix)}`;
  const body = `${num(64, 1)}00${num(1800, 2)}${num(0, 8)}${option}${lladdr(1, '02:00:00:00:00:99')}`;
  const packet = ipv6(head, icmp6(NDP.advertRouter, body, head));
  return ether('02:00:00:00:00:99', TYPE.ip6, packet, { to: group });
}

function learned(): string[] {
  const { host } = net;
  const all = `${host.ok('ip', '-6', 'route', 'show')}${host.ok('ip', '-6', '-o', 'address', 'show')}`;
  return all.split('\n').filter((line) => /2001:db8:bad|proto ra/.test(line));
}

test("a guest's router advertisement gives dom0 neither a route nor an address", async () => {
  const { host } = net;
  host.ip('link add plain0 type veth peer name plain1', 'link set plain0 up');
  const control = host.netns('control');
  host.ip('link set plain1 netns control');
  control.ip('link set plain1 up');
  net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24');
  net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
  net.guest('vif-nat', 2, {}, ['dhcp=no']);
  net.guest('vif-route', 3, { ip: '192.0.2.77', vifname: 'web' });
  const senders = [1, 2, 3].map((domid) => ({ netns: `guest${domid}`, device: 'eth0' }));
  const ends = senders.map((sender, i) => flood(host, sender, [advertisement(`2001:db8:bad${i}::`)]));
  await sleep(500);
  ends.push(flood(host, { netns: 'control', device: 'plain1' }, [advertisement('2001:db8:bad9::')]));
  await waitUntil('what the other device hears', () => learned().some((line) => line.includes('bad9')));
  for (const end of ends) end();
  expect(learned().filter((line) => !line.includes('plain0'))).toEqual([]);
});

/** A group that bridges keep to themselves: what is sent to it comes to the port's own device (IEEE 802.1D, 7.12.6). */
const KEPT = '01:80:c2:00:00:0e';

test.each(['plain', 'classic', 'rename'])(
  'nor does one that a bridged guest sends past its bridge (%s)',
  async (topology) => {
    const { host } = net;
    net.ok('network-bridge', 'start', `topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    net.guest('vif-bridge', 1, { bridge });
    net.guest('vif-bridge', 2, { bridge, vifname: 'web' });
    const third = net.card(3);
    host.ip(`link set vif3.0 master ${bridge}`, 'link set vif3.0 up');
    third.ip('link set eth0 up');
    const ends = [1, 2].map((domid) =>
      flood(host, { netns: `guest${domid}`, device: 'eth0' }, [
        advertisement(`2001:db8:bad${domid}::`, KEPT),
      ]),
    );
    await sleep(500);
    ends.push(flood(host, { netns: 'guest3', device: 'eth0' }, [advertisement('2001:db8:bad3::', KEPT)]));
    await waitUntil('what a port that no hook has seen hears', () =>
      learned().some((line) => line.includes('bad3')),
    );
    for (const end of ends) end();
    expect(learned().filter((line) => !line.includes('vif3.0'))).toEqual([]);
  },
);

test.each(['plain', 'classic', 'rename'])('no device of guests hears redirects either (%s)', (topology) => {
  const { host } = net;
  host.ok('sysctl', '-qw', 'net.ipv4.conf.default.accept_redirects=1');
  host.ok('sysctl', '-qw', 'net.ipv6.conf.default.accept_redirects=1');
  net.ok('network-bridge', 'start', `topology=${topology}`);
  const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
  net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24');
  net.guest('vif-bridge', 1, { bridge });
  net.guest('vif-bridge', 2, { bridge, vifname: 'web' });
  net.guest('vif-nat', 3, {}, ['dhcp=no']);
  const own = topology === 'plain' ? 'xenbr0' : 'eth0';
  net.guest('vif-route', 4, { ip: '192.0.2.77', vifname: 'mail' }, [`netdev=${own}`]);
  const names = ['vmnet1', 'vif1.0', 'web', 'vif3.0', 'mail'];
  const all = topology === 'classic' ? [...names, 'xenbr0', 'vif0.0'] : names;
  const off = (family: string, name: string) =>
    host.ok('cat', `/proc/sys/net/${family}/conf/${name}/accept_redirects`).trim() === '0';
  expect(all.filter((name) => !off('ipv4', name))).toEqual([]);
  expect(names.filter((name) => !off('ipv6', name))).toEqual([]);
  // A guest's other name does not bring it back, and the host's own end keeps what it had.
  net.store.vif(1, 0, { mac: '00:16:3e:00:00:01', bridge, vifname: 'db' });
  expect(net.call('vif-bridge', 'online', 1).status).toBe(0);
  expect([off('ipv4', 'db'), off('ipv6', 'db'), off('ipv6', own)]).toEqual([true, true, false]);
});

test.each([
  ['vif-bridge', { bridge: 'xenbr0' }, []],
  ['vif-bridge', { bridge: 'xenbr0', vifname: 'web' }, []],
  ['vif-nat', {}, ['dhcp=no']],
  ['vif-route', { ip: '192.0.2.77' }, ['netdev=xenbr0']],
  ['vif-route', { ip: '192.0.2.77', vifname: 'web' }, ['netdev=xenbr0']],
] as const)('nor does an emulated card hear any of it (%s, %o)', (hook, values, words) => {
  const { host } = net;
  const heard = ['ipv4/conf/DEVICE/accept_redirects'].concat(
    ['accept_ra', 'autoconf', 'accept_redirects'].map((name) => `ipv6/conf/DEVICE/${name}`),
  );
  for (const name of heard) host.ok('sysctl', '-qw', `net/${name.replace('DEVICE', 'default')}=1`);
  net.ok('network-bridge', 'start', 'topology=plain');
  host.tap(1);
  net.guest(hook, 1, values, words);
  const tap = { ...xlEnv(1), INTERFACE: 'vif1.0-emu' };
  expect(host.hook(hook, ['add', 'type_if=tap', ...words], tap).status).toBe(0);
  const device = 'vifname' in values ? 'web-emu' : 'vif1.0-emu';
  const found = heard.map((name) => host.ok('cat', `/proc/sys/net/${name.replace('DEVICE', device)}`).trim());
  expect(found).toEqual(heard.map(() => '0'));
});

test.each([
  ['vif-bridge', { bridge: 'xenbr0' }, []],
  ['vif-nat', {}, ['dhcp=no']],
  ['vif-route', { ip: '192.0.2.77' }, ['netdev=xenbr0']],
] as const)('a running device that hears them ends that with the next online (%s)', (hook, values, words) => {
  const { host } = net;
  net.ok('network-bridge', 'start', 'topology=plain');
  net.guest(hook, 1, values, words);
  const changes = () => host.ok('cat', '/sys/class/net/vif1.0/carrier_changes');
  const heard = ['ipv4/conf/vif1.0/accept_redirects'].concat(
    ['accept_ra', 'autoconf', 'accept_redirects'].map((name) => `ipv6/conf/vif1.0/${name}`),
  );
  // As the stock scripts leave it.
  for (const name of heard) host.ok('sysctl', '-qw', `net/${name}=1`);
  const before = changes();
  expect(net.call(hook, 'online', 1, words)).toEqual(FINE);
  expect(heard.map((name) => host.ok('cat', `/proc/sys/net/${name}`).trim())).toEqual(heard.map(() => '0'));
  expect(changes()).toBe(before);
});

/** Where a guest's advertisement starts from, and the group that it goes to. */
interface Sender {
  readonly netns: string;
  readonly device: string;
  readonly group?: string;
}

/** What dom0 hears from guests, until it has heard a device that no hook has seen. */
async function heardFrom(plain: string, senders: readonly Sender[]): Promise<string[]> {
  const { host } = net;
  const ends = senders.map(({ group, ...sender }, i) =>
    flood(host, sender, [advertisement(`2001:db8:bad${i}::`, group)]),
  );
  await sleep(500);
  ends.push(flood(host, { netns: 'control', device: 'plain1' }, [advertisement('2001:db8:bad9::')]));
  await waitUntil('what the other device hears', () => learned().some((line) => line.includes('bad9')));
  for (const end of ends) end();
  return learned().filter((line) => !line.includes(plain));
}

/** A device of dom0 that no hook has seen. */
function control(): string {
  const { host } = net;
  host.ip('link add plain0 type veth peer name plain1', 'link set plain0 up');
  const other = host.netns('control');
  host.ip('link set plain1 netns control');
  other.ip('link set plain1 up');
  return 'plain0';
}

/** An emulated card whose other end the guest has. */
function emulated(domid: number): { readonly netns: string; readonly device: string } {
  const netns = `guest${domid}`;
  net.host.ip(`link add vif${domid}.0-emu type veth peer name emu0 netns ${netns}`);
  net.host.netns(netns).ip('link set emu0 up');
  return { netns, device: 'emu0' };
}

test('nor does one that comes by an emulated card', async () => {
  const plain = control();
  net.ok('network-bridge', 'start', 'topology=plain');
  const senders = (
    [
      ['vif-bridge', { bridge: 'xenbr0' }, []],
      ['vif-nat', {}, ['dhcp=no']],
      ['vif-route', { ip: '192.0.2.77', vifname: 'web' }, ['netdev=xenbr0']],
    ] as const
  ).map(([hook, values, words], i) => {
    net.guest(hook, i + 1, values, words);
    const sender = emulated(i + 1);
    const env = { ...xlEnv(i + 1), INTERFACE: `vif${i + 1}.0-emu` };
    expect(net.host.hook(hook, ['add', 'type_if=tap', ...words], env).status).toBe(0);
    // What goes to all nodes crosses the bridge to the host's own end of it.
    return hook === 'vif-bridge' ? { ...sender, group: KEPT } : sender;
  });
  expect(await heardFrom(plain, senders)).toEqual([]);
});

test('nor does one that comes by a port of Open vSwitch', async () => {
  const { host } = net;
  const plain = control();
  startOpenVswitch(host, 'ovsbr0');
  const vm = '/vm/5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11';
  for (const domid of [1, 2])
    net.store.write({
      [`/local/domain/${domid}/vm`]: vm,
      [`${vm}/name`]: 'web',
      [`${vm}/uuid`]: vm.slice(4),
    });
  net.guest('vif-openvswitch', 1, { bridge: 'ovsbr0' });
  net.guest('vif-openvswitch', 2, { bridge: 'ovsbr0', vifname: 'web' });
  const tap = emulated(2);
  const env = { ...xlEnv(2), INTERFACE: 'vif2.0-emu' };
  expect(host.hook('vif-openvswitch', ['add', 'type_if=tap'], env).status).toBe(0);
  const senders = [1, 2].map((domid) => ({ netns: `guest${domid}`, device: 'eth0' }));
  expect(await heardFrom(plain, [...senders, tap])).toEqual([]);
  // Nor once somebody has switched it on again, and the port is attached once more.
  host.ok('sysctl', '-qw', 'net/ipv6/conf/vif1.0/accept_ra=1');
  expect(net.call('vif-openvswitch', 'online', 1)).toEqual(FINE);
  expect(host.ok('cat', '/proc/sys/net/ipv6/conf/vif1.0/accept_ra')).toBe('0\n');
});
