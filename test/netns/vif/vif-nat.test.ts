import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';

const CARD = {
  address: '198.51.100.2/24',
  gateway: '198.51.100.1',
  address6: '2001:db8::2/64',
  gateway6: '2001:db8::1',
};

let nat: HookHost;
let host: Host;
let outside: Namespace;

beforeAll(async () => {
  nat = await HookHost.create('vif-nat');
  host = nat.host;
  outside = host.nic('eth0', CARD);
  // What network-nat does; and a host without a DHCP server, unless a test brings one.
  host.ok('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; rm -f /etc/dhcp/dhcpd.conf');
  host.ok('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE');
});

afterAll(() => host.close());

beforeEach(() => {
  for (const domid of [1, 2, 300]) {
    nat.call('offline', domid);
    nat.unplug(domid);
  }
  host.ok('sh', '-c', 'rm -rf /run/xen-network; iptables -F FORWARD; ip6tables -F FORWARD');
});

/** The routes to a device, without what tells of its carrier. */
function routes(device: string, family: 4 | 6 = 4): string[] {
  return nat
    .lines(`-${family}`, 'route', 'show', 'dev', device)
    .map((line) => line.replace(/ dead| linkdown| pref medium/g, ''))
    .filter((line) => !/^(fe80|ff00|multicast)/.test(line));
}

/** The addresses on a device, but for link-local ones. */
function addresses(device: string): string[] {
  return nat
    .lines('-o', 'address', 'show', 'dev', device)
    .map((line) => / inet6? (\S+)/.exec(line)?.[1] ?? '')
    .filter((address) => !address.startsWith('fe80'));
}

function configure(guest: Namespace, address: string, router: string): void {
  guest.ip(
    'link set eth0 up',
    `address add ${address}/32 dev eth0`,
    `route add ${router} dev eth0`,
    `route add default via ${router} dev eth0`,
  );
}

describe('online and offline', () => {
  test.each([
    [1, 0, '10.0.1.1', '10.0.1.128'],
    [1, 1, '10.0.1.2', '10.0.1.129'],
    [300, 0, '10.1.44.1', '10.1.44.128'],
  ])('domain %i, card %i gets its own address', async (domid, devid, guest, router) => {
    nat.card(domid, {}, devid);
    const device = `vif${domid}.${devid}`;
    const before = await host.settled();
    expect(nat.call('online', domid, {}, devid)).toEqual(FINE);
    expect(addresses(device)).toEqual([`${router}/32`]);
    expect(routes(device)).toEqual([`${guest} scope link src ${router}`]);
    expect(host.ok('cat', `/proc/sys/net/ipv4/conf/${device}/proxy_arp`)).toBe('1\n');
    expect(nat.forward()[0]).toBe(
      `-A FORWARD -s ${guest}/32 -m physdev --physdev-in ${device} --physdev-is-bridged -j ACCEPT`,
    );
    expect(nat.store.told(domid, devid)).toEqual({ status: 'connected', error: undefined, mtu: undefined });

    expect(nat.call('offline', domid, {}, devid)).toEqual(FINE);
    const { sysctl: _arp, ...after } = await host.settled();
    expect(after).toEqual(Object.fromEntries(Object.entries(before).filter(([topic]) => topic !== 'sysctl')));
    nat.unplug(domid, devid);
  });

  test.each([
    ['192.0.2.5/24', '192.0.2.5', '192.0.2.132'],
    ['192.0.2.200/24', '192.0.2.200', '192.0.2.73'],
    ['192.0.2.1/30', '192.0.2.1', '192.0.2.2'],
    ['192.0.2.6/31', '192.0.2.6', '192.0.2.7'],
    ['192.0.2.5', '192.0.2.5', '192.0.2.132'],
  ])('ip=%s', (ip, guest, router) => {
    nat.card(1, { ip });
    expect(nat.call('online', 1)).toEqual(FINE);
    expect([addresses('vif1.0'), routes('vif1.0')]).toEqual([
      [`${router}/32`],
      [`${guest} scope link src ${router}`],
    ]);
    expect(nat.forward()).toHaveLength(3);
  });

  test('further addresses and IPv6', () => {
    nat.card(1, { ip: '192.0.2.5/24 192.0.2.9 fd00::5/64' });
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(addresses('vif1.0')).toEqual(['192.0.2.132/32', '2001:db8::2/128']);
    expect(routes('vif1.0')).toEqual([
      '192.0.2.5 scope link src 192.0.2.132',
      '192.0.2.9 scope link src 192.0.2.132',
    ]);
    expect(routes('vif1.0', 6)).toContain('fd00::5 metric 2');
    expect(nat.forward(6)[0]).toContain('-s fd00::5/128 ');
    expect(nat.call('offline', 1)).toEqual(FINE);
    expect([addresses('vif1.0'), nat.forward(), nat.forward(6)]).toEqual([[], [], []]);
  });

  test('twice is once, and the guest is connected both times', async () => {
    nat.card(1, { vifname: 'web' });
    const once = await nat.settledAfter('online', 1);
    nat.store.write({ '/local/domain/0/backend/vif/1/0/hotplug-status': 'waiting' });
    expect(await nat.settledAfter('online', 1)).toEqual(once);
    expect(nat.store.told(1).status).toBe('connected');
    const off = await nat.settledAfter('offline', 1);
    expect(await nat.settledAfter('offline', 1)).toEqual(off);
  });

  test('over what the stock script left, and offline of it', () => {
    const stock = () =>
      host.ip(
        'link set vif1.0 up',
        'address add 10.0.1.128 dev vif1.0',
        'route add 10.0.1.1 dev vif1.0 src 10.0.1.128',
      );
    nat.card(1);
    stock();
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(routes('vif1.0')).toEqual(['10.0.1.1 scope link src 10.0.1.128']);
    expect(nat.store.told(1).status).toBe('connected');

    nat.card(1);
    host.ok('rm', '-rf', '/run/xen-network');
    stock();
    expect(nat.call('offline', 1)).toEqual(FINE);
    expect([addresses('vif1.0'), routes('vif1.0')]).toEqual([[], []]);
  });

  test('offline with everything gone', () => {
    nat.card(1);
    nat.call('online', 1);
    nat.unplug(1);
    expect(nat.call('offline', 1)).toEqual(FINE);
    expect([nat.forward(), host.snapshot()['files']]).toEqual([[], []]);
    expect(nat.call('offline', 1)).toEqual(FINE);
  });

  test('an address that another guest has is refused', () => {
    nat.card(1, { ip: '192.0.2.5/24' });
    nat.card(2, { ip: '192.0.2.5/24' });
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(nat.call('online', 2).status).toBe(1);
    expect(nat.store.told(2).error).toMatch(
      /^vif-nat online: vif2\.0 cannot have 192\.0\.2\.5, which is routed to vif1\.0;/,
    );
    expect(routes('vif1.0')).toHaveLength(1);
  });

  test.each([
    ['ip', '192.0.2.0/24', "which is the network's own address of that subnet"],
    ['ip', '192.0.2.5; reboot', 'ip holds "192.0.2.5;"'],
    ['ip', '$(touch /run/owned)', 'ip holds "$(touch"'],
    ['vifname', 'a/b', 'vifname is "a/b"'],
  ])('%s=%s in xenstore', (key, value, why) => {
    nat.card(1, { [key]: value });
    const ran = nat.call('online', 1);
    expect(ran.status).toBe(1);
    expect(nat.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining(why) });
    expect(host.run(['ls', '/run/owned']).status).not.toBe(0);
    expect(nat.call('offline', 1).status).toBe(0);
  });
});

test('an mtu that is none in xenstore is not used, with a warning', () => {
  nat.card(1, { mtu: '1e3' });
  const { status, stderr } = nat.call('online', 1);
  expect([status, stderr]).toEqual([0, expect.stringContaining('vif1.0: mtu is "1e3"; say a whole number')]);
  expect(nat.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: undefined });
});

describe('a tap', () => {
  test('beside its vif has a route behind it', () => {
    nat.card(1);
    host.tap(1);
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(nat.call('add', 1)).toEqual(FINE);
    expect(
      nat.lines('route', 'show', '10.0.1.1').map((line) => line.replace(/ dead| linkdown/g, '')),
    ).toEqual([
      '10.0.1.1 dev vif1.0 scope link src 10.0.1.128',
      '10.0.1.1 dev vif1.0-emu scope link src 10.0.1.128 metric 3',
    ]);
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(nat.call('add', 1)).toEqual(FINE);
    expect(nat.lines('route', 'show', '10.0.1.1')).toHaveLength(2);
    expect(nat.forward()).toHaveLength(6);
    expect(nat.call('remove', 1)).toEqual(FINE);
    expect(routes('vif1.0')).toEqual(['10.0.1.1 scope link src 10.0.1.128']);
    expect(nat.forward()).toHaveLength(3);
  });

  test('that comes first', () => {
    nat.card(1);
    host.tap(1);
    expect(nat.call('add', 1)).toEqual(FINE);
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(nat.lines('route', 'get', '10.0.1.1')[0]).toContain('dev vif1.0-emu ');
  });
});

describe('packets', () => {
  test('of guests behind NAT appear as the host’s, and guests reach each other', () => {
    const [first, second] = [nat.card(1), nat.card(2)];
    expect(nat.call('online', 1)).toEqual(FINE);
    expect(nat.call('online', 2)).toEqual(FINE);
    configure(first, '10.0.1.1', '10.0.1.128');
    configure(second, '10.0.2.1', '10.0.2.128');
    // The outside has no route back: an answer shows that the packet came from the host's own address.
    expect(first.reaches('198.51.100.1')).toBe(true);
    expect(second.reaches('198.51.100.1')).toBe(true);
    expect(first.reaches('10.0.2.1')).toBe(true);
    expect(outside.reaches('10.0.1.1')).toBe(false);
    nat.call('offline', 1);
    expect(second.reaches('10.0.1.1')).toBe(false);
    expect(second.reaches('198.51.100.1')).toBe(true);
  });

  test('reach a guest that believes its whole subnet to be on the wire', () => {
    const guest = nat.card(1, { ip: '192.0.2.5/24' });
    nat.call('online', 1);
    guest.ip('link set eth0 up', 'address add 192.0.2.5/24 dev eth0', 'route add default via 192.0.2.132');
    expect(guest.reaches('198.51.100.1')).toBe(true);
  });
});

test('a guest goes outside where network-nat drops what no rule lets pass', () => {
  const called = (word: string) => host.hook('network-nat', [word, 'antispoof=yes', 'dhcp=no']).status;
  expect(called('start')).toBe(0);
  try {
    const guest = nat.card(1);
    expect(nat.call('online', 1)).toEqual(FINE);
    configure(guest, '10.0.1.1', '10.0.1.128');
    expect(guest.reaches('198.51.100.1')).toBe(true);
    guest.ip('address add 10.0.1.9/32 dev eth0');
    host.ip('route add 10.0.1.9 dev vif1.0');
    const asAnother = ['ping', '-n', '-c', '1', '-W', '1', '-I', '10.0.1.9', '198.51.100.1'];
    expect(guest.run(asAnother).status).toBe(1);
    expect(nat.call('offline', 1)).toEqual(FINE);
    expect(nat.forward().filter((rule) => rule.includes('vif1.0'))).toEqual([]);
  } finally {
    expect(called('stop')).toBe(0);
  }
});

describe('DHCP', () => {
  const CONF = '/etc/dhcp/dhcpd.conf';
  const HAND_MADE = '# mine\nsubnet 198.51.100.0 netmask 255.255.255.0 { }\n';
  const conf = () => host.ok('cat', CONF);

  // The server itself is not what is tested here, and its own script takes seconds.
  beforeAll(() => host.write('/etc/init.d/isc-dhcp-server', '#!/bin/sh\n', '755'));
  beforeEach(() => host.write(CONF, HAND_MADE));
  afterAll(() => void host.ok('rm', '-f', CONF));

  test('a guest has an entry between online and offline, where the server is installed', () => {
    nat.card(1, { mac: '00:16:3e:00:00:11' });
    nat.card(1, { mac: '00:16:3e:00:00:12' }, 1);
    expect(nat.call('online', 1, {}, 1).status).toBe(0);
    expect(nat.call('online', 1).status).toBe(0);
    expect(conf()).toContain(HAND_MADE);
    expect(conf()).toMatch(/host dom1 .*00:16:3e:00:00:11.*10\.0\.1\.1;.*10\.0\.1\.128/);
    expect(conf()).toMatch(/host dom1-2 .*00:16:3e:00:00:12.*10\.0\.1\.2;.*10\.0\.1\.129/);
    expect(nat.call('offline', 1).status).toBe(0);
    expect(conf()).not.toContain('host dom1 ');
    expect(conf()).toContain('host dom1-2 ');
    nat.unplug(1, 1);
    expect(nat.call('offline', 1, {}, 1).status).toBe(0);
    expect(conf()).not.toContain('host dom');
    expect(conf()).toContain(HAND_MADE);
  });

  test('dhcp=no is none, and takes an earlier entry away', () => {
    nat.card(1);
    const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
    expect(host.hook('vif-nat', ['online', 'dhcp=yes'], env).status).toBe(0);
    expect(conf()).toContain('host dom1 ');
    expect(host.hook('vif-nat', ['online', 'dhcp=no'], env).status).toBe(0);
    expect(conf()).not.toContain('host dom');
    expect(host.hook('vif-nat', ['online', 'dhcp=perhaps'], env).status).toBe(1);
    expect(nat.store.told(1).error).toContain('dhcp is "perhaps"');
  });

  test('the stock script’s entry goes with the guest, and dom10’s stays', () => {
    nat.card(1);
    const entry = (domid: number) =>
      `host dom${domid} { hardware ethernet 00:16:3e:00:00:0${domid % 9}; fixed-address 10.0.${domid}.1; option routers 10.0.${domid}.128; option host-name "dom${domid}"; }\n`;
    host.write(CONF, `${HAND_MADE}${entry(1)}${entry(10)}`);
    expect(nat.call('offline', 1).status).toBe(0);
    expect(conf()).toBe(`${HAND_MADE}${entry(10)}`);
  });
});

test('an IPv4 guest without DHCP needs no child, not even as the first after boot', () => {
  nat.card(1);
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  for (const command of ['online', 'offline']) {
    const { ran, started } = host.traced('vif-nat', [command], env);
    expect(ran).toEqual(FINE);
    expect(started.slice(1)).toEqual([]);
  }
});
