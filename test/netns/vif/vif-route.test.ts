import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { addresses, createRouteHost, get, resetRouteHost, routes } from '../../support/hosts/route-host.ts';

const BACKEND = '/local/domain/0/backend/vif';

let route: HookHost;
let host: Host;

beforeAll(async () => {
  ({ route } = await createRouteHost());
  host = route.host;
});

afterAll(() => host.close());

beforeEach(() => resetRouteHost(route));

test.each(['224.0.0.251', '0.0.0.0', '255.255.255.255', 'ff02::1', '198.51.100.255'])(
  'an address that no host can have, %s, is refused, and the guest is told',
  (ip) => {
    route.card(1, { ip });
    expect(route.call('online', 1).status).toBe(1);
    expect(route.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining(ip) });
    expect(routes(route, 'vif1.0')).toEqual([]);
  },
);

describe('among 20000 routes', () => {
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  const table = (verb: string) => {
    const four = Array.from({ length: 20_000 }, (_, i) => `11.${i >> 8}.${i & 255}.0/24 via 198.51.100.1`);
    const six = Array.from({ length: 5000 }, (_, i) => `2a00:${i.toString(16)}::/32 via 2001:db8::1`);
    for (const [family, list] of [
      ['-4', four],
      ['-6', six],
    ] as const) {
      host.write('/run/batch', list.map((to) => `route ${verb} ${to}\n`).join(''));
      host.ok('ip', family, '-batch', '/run/batch');
    }
  };
  beforeAll(() => table('add'));
  afterAll(() => table('del'));

  test.each([
    ['add', '192.0.2.7 2001:db8:9::7'],
    ['range', '10.8.0.0/16'],
  ])('each online and offline asks for what it needs (%s)', (_what, ip) => {
    route.card(1, { ip });
    for (const command of ['online', 'online', 'offline']) {
      const { ran, bytes } = host.readings('vif-route', [command], env);
      expect({ command, status: ran.status, stderr: ran.stderr }).toEqual({ command, status: 0, stderr: '' });
      expect(bytes).toBeLessThan(200_000);
    }
    expect(routes(route, 'vif1.0')).toEqual([]);
  });

  test.each([
    ['198.51.100.1', /this host's gateway on eth0/],
    ['198.51.100.2', /this host's own/],
    ['198.51.100.0/31', /holds 198\.51\.100\.1, this host's gateway/],
    ['2001:db8::1', /this host's gateway/],
    ['11.77.1.0/28 192.0.2.9', /overlaps 192\.0\.2\.8\/30, which is routed to vif2\.0/],
    ['192.0.2.9', /192\.0\.2\.8\/30/],
  ])('%s is somebody’s still', (ip, why) => {
    route.card(2, { ip: '192.0.2.8/30' });
    expect(route.call('online', 2).status).toBe(0);
    route.card(1, { ip });
    expect(route.call('online', 1).status).toBe(1);
    expect(route.store.told(1).error).toMatch(why);
  });

  test('a vif beside its tap is attached again and again', () => {
    route.card(1, { ip: '192.0.2.7 10.8.0.0/16' });
    host.ok('ip', 'tuntap', 'add', 'dev', 'vif1.0-emu', 'mode', 'tap');
    for (const command of ['online', 'add', 'online', 'add'] as const)
      expect({ command, status: route.call(command, 1).status }).toEqual({ command, status: 0 });
    expect(routes(route, 'vif1.0')).toHaveLength(2);
    expect(routes(route, 'vif1.0-emu')).toHaveLength(2);
    for (const command of ['remove', 'offline'] as const) expect(route.call(command, 1).status).toBe(0);
  });
});

describe('online and offline', () => {
  test('an address is routed to the guest, and taken away again', async () => {
    route.card(1, { ip: '192.0.2.7' });
    const before = await host.settled();
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses(route, 'vif1.0')).toEqual(['198.51.100.2/32']);
    expect(routes(route, 'vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(get(host, 'ipv4/conf/vif1.0/proxy_arp')).toBe('1');
    expect(route.forward()).toEqual([
      '-A FORWARD -s 192.0.2.7/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged -j ACCEPT',
      '-A FORWARD -p udp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m udp --sport 68 --dport 67 -j ACCEPT',
      '-A FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT',
    ]);
    expect(route.store.told(1)).toEqual({ status: 'connected', error: undefined, mtu: undefined });

    expect(route.call('offline', 1)).toEqual(FINE);
    const { sysctl: _arp, ...after } = await host.settled();
    expect(after).toEqual(Object.fromEntries(Object.entries(before).filter(([topic]) => topic !== 'sysctl')));
  });

  test('a list of both families, with ranges', () => {
    route.card(1, { ip: '192.0.2.7 10.8.0.0/16 2001:db8:9::7 2001:db8:8::/64' });
    const { status, stderr } = route.call('online', 1);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^vif-route: vif1\.0: 2001:db8:8::\/64 is routed to the guest, but eth0 answers for single IPv6 addresses only/,
    );
    expect(addresses(route, 'vif1.0')).toEqual(['198.51.100.2/32', '2001:db8::2/128']);
    expect(routes(route, 'vif1.0')).toEqual([
      '10.8.0.0/16 scope link src 198.51.100.2 metric 2',
      '192.0.2.7 scope link src 198.51.100.2 metric 2',
    ]);
    expect(routes(route, 'vif1.0', 6)).toEqual([
      '2001:db8::2 proto kernel metric 256',
      '2001:db8:8::/64 metric 2',
      '2001:db8:9::7 metric 2',
    ]);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual(['2001:db8:9::7 dev eth0 proxy']);
    expect([get(host, 'ipv6/conf/eth0/proxy_ndp'), get(host, 'ipv6/conf/vif1.0/proxy_ndp')]).toEqual([
      '1',
      '1',
    ]);

    expect(route.call('offline', 1)).toEqual(FINE);
    expect([addresses(route, 'vif1.0'), routes(route, 'vif1.0'), routes(route, 'vif1.0', 6)]).toEqual([
      [],
      [],
      [],
    ]);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual([]);
    expect(get(host, 'ipv6/conf/eth0/proxy_ndp')).toBe('0');
    expect([...route.forward(), ...route.forward(6)]).toEqual([]);
  });

  test('without ip= the guest has no route of its own', () => {
    route.card(1);
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses(route, 'vif1.0')).toEqual(['198.51.100.2/32']);
    expect(routes(route, 'vif1.0')).toEqual([]);
    expect(route.forward()).toHaveLength(2);
  });

  test('a vifname, an MTU and a post hook', () => {
    host.write(
      '/etc/xen/scripts/vif-post.d/a.hook',
      'printf %s "$dev $command $ip $vifname" > /run/post',
      '755',
    );
    route.card(1, { ip: '192.0.2.7', vifname: 'webserver-number-one', mtu: '1400' });
    expect(route.call('online', 1).status).toBe(0);
    expect(route.lines('link', 'show', 'dev', 'webserver-numbe').join(' ')).toContain('mtu 1400');
    expect(routes(route, 'webserver-numbe')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(get(host, 'ipv4/conf/webserver-numbe/proxy_arp')).toBe('1');
    expect(route.store.told(1)).toMatchObject({ status: 'connected', mtu: '1400' });
    expect(host.ok('cat', '/run/post')).toBe('webserver-numbe online 192.0.2.7 webserver-number-one');
    expect(route.call('offline', 1).status).toBe(0);
    expect([routes(route, 'webserver-numbe'), addresses(route, 'webserver-numbe'), route.forward()]).toEqual([
      [],
      [],
      [],
    ]);
    expect(host.snapshot()['files']).toEqual([]);
  });

  test('twice is once, and both times there is no error', async () => {
    route.card(1, { ip: '192.0.2.7 2001:db8:9::7', vifname: 'web' });
    const once = await route.settledAfter('online', 1);
    expect(await route.settledAfter('online', 1)).toEqual(once);
    const off = await route.settledAfter('offline', 1);
    expect(await route.settledAfter('offline', 1)).toEqual(off);
  });

  test('online again with other addresses leaves nothing of the old ones', async () => {
    route.card(1, { ip: '192.0.2.8 2001:db8:9::8' });
    const wanted = await route.settledAfter('online', 1);
    route.call('offline', 1);
    route.card(1, { ip: '192.0.2.7 10.8.0.0/16 2001:db8:9::7' });
    route.call('online', 1);
    host.ip('route del 10.8.0.0/16 dev vif1.0');
    route.store.write({ [`${BACKEND}/1/0/ip`]: '192.0.2.8 2001:db8:9::8' });
    expect(await route.settledAfter('online', 1)).toEqual(wanted);
  });

  test('online after the network’s device got another address', () => {
    route.card(1, { ip: '192.0.2.7' });
    route.call('online', 1);
    host.ip('address del 198.51.100.2/24 dev eth0', 'address add 198.51.100.3/24 dev eth0');
    try {
      expect(route.call('online', 1)).toEqual(FINE);
      expect(addresses(route, 'vif1.0')).toEqual(['198.51.100.3/32']);
      expect(routes(route, 'vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.3 metric 2']);
    } finally {
      host.ip(
        'address flush dev eth0',
        'address add 198.51.100.2/24 broadcast + dev eth0',
        'address add 2001:db8::2/64 dev eth0',
        'route replace default via 198.51.100.1',
        'route replace default via 2001:db8::1',
      );
    }
  });

  test('over what the stock script left', () => {
    route.card(1, { ip: '192.0.2.7' });
    host.ip(
      'address add 198.51.100.2/32 dev vif1.0',
      'link set vif1.0 up',
      'route add 192.0.2.7 dev vif1.0 src 198.51.100.2 metric 2',
    );
    expect(route.call('online', 1)).toEqual(FINE);
    expect(routes(route, 'vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
  });

  test('offline of what the stock script left, and with everything gone', () => {
    route.card(1, { ip: '192.0.2.7' });
    host.ip(
      'address add 198.51.100.2/32 dev vif1.0',
      'link set vif1.0 up',
      'route add 192.0.2.7 dev vif1.0 src 198.51.100.2 metric 2',
    );
    expect(route.call('offline', 1)).toEqual(FINE);
    expect([addresses(route, 'vif1.0'), routes(route, 'vif1.0')]).toEqual([[], []]);

    route.call('online', 1);
    route.store.forget(1);
    expect(route.call('offline', 1)).toEqual(FINE);
    expect([routes(route, 'vif1.0'), route.forward()]).toEqual([[], []]);

    route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    route.call('online', 1);
    route.unplug(1);
    expect(route.call('offline', 1)).toEqual(FINE);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual([]);
    expect([route.forward(), route.forward(6), host.snapshot()['files']]).toEqual([[], [], []]);
    expect(get(host, 'ipv6/conf/eth0/proxy_ndp')).toBe('0');
    expect(route.call('offline', 1)).toEqual(FINE);
  });

  test('the last guest with IPv6 addresses puts proxy_ndp back, and no other', () => {
    for (const domid of [1, 2]) {
      route.card(domid, { ip: `2001:db8:9::${domid}` });
      expect(route.call('online', domid)).toEqual(FINE);
    }
    route.call('offline', 1);
    expect(get(host, 'ipv6/conf/eth0/proxy_ndp')).toBe('1');
    route.call('offline', 2);
    expect(get(host, 'ipv6/conf/eth0/proxy_ndp')).toBe('0');
  });
});

describe('a tap', () => {
  test('has routes behind those of its vif, which stands back meanwhile', () => {
    route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    host.tap(1);
    expect(route.call('online', 1, { INTERFACE: 'vif1.0-emu' })).toEqual(FINE);
    expect(route.call('add', 1)).toEqual(FINE);
    expect(routes(route, 'vif1.0-emu')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 3']);
    expect(routes(route, 'vif1.0-emu', 6)).toContain('2001:db8:9::7 metric 3');
    expect(routes(route, 'vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(route.forward()).toHaveLength(6);
    expect(route.call('remove', 1)).toEqual(FINE);
    expect(routes(route, 'vif1.0-emu')).toEqual([]);
    expect(routes(route, 'vif1.0')).toHaveLength(1);
    expect(route.forward()).toHaveLength(3);
  });

  test('add and online are for their own kind of device alone', () => {
    route.card(1, { ip: '192.0.2.7' });
    const call = (...args: string[]) => host.hook('vif-route', args, { vif: 'vif1.0' });
    for (const pair of [['add', 'type_if=vif'], ['add'], ['online', 'type_if=tap']])
      expect(call(...pair)).toEqual(FINE);
    expect(routes(route, 'vif1.0')).toEqual([]);
  });
});

test('an IPv4 guest needs no child, not even as the first after boot', () => {
  route.card(1, { ip: '192.0.2.7' });
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  for (const command of ['online', 'offline']) {
    const { ran, started } = host.traced('vif-route', [command], env);
    expect(ran).toEqual(FINE);
    expect(started.slice(1)).toEqual([]);
  }
});

test('a dry run prints what would be done, and does nothing', async () => {
  route.card(1, { ip: '192.0.2.7' });
  const before = await host.settled();
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  const { status, stdout } = host.hook('vif-route', ['online', '--dry-run'], env);
  expect(status).toBe(0);
  expect(stdout).toContain('ip route add 192.0.2.7/32 dev vif1.0 src 198.51.100.2 metric 2\n');
  expect(host.snapshot()).toEqual(before);
  expect(route.store.told(1).status).toBeUndefined();
});
