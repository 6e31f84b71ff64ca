import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HookHost } from '../support/hook-host.ts';
import type { Host } from '../support/host.ts';
import type { Namespace } from '../support/namespace.ts';

const CARD = {
  address: '198.51.100.2/24',
  gateway: '198.51.100.1',
  address6: '2001:db8::2/64',
  gateway6: '2001:db8::1',
};
const BACKEND = '/local/domain/0/backend/vif';
const FINE = { status: 0, stdout: '', stderr: '' };

let route: HookHost;
let host: Host;
let outside: Namespace;

beforeAll(async () => {
  route = await HookHost.create('vif-route');
  host = route.host;
  outside = host.nic('eth0', CARD);
  set('ipv4/ip_forward', 1);
  set('ipv6/conf/all/forwarding', 1);
  set('ipv4/conf/eth0/proxy_arp', 1);
});

afterAll(() => host.close());

beforeEach(() => {
  for (const domid of [1, 2]) {
    route.call('offline', domid);
    route.unplug(domid);
  }
  host.ok('sh', '-c', 'rm -rf /run/xen-network /etc/xen/scripts/vif-post.d; iptables -F; ip6tables -F');
  set('ipv6/conf/eth0/proxy_ndp', 0);
});

function set(setting: string, value: number): void {
  host.ok('sh', '-c', `echo ${value} > /proc/sys/net/${setting}`);
}

function get(setting: string): string {
  return host.ok('cat', `/proc/sys/net/${setting}`).trim();
}

/** The routes of one family to a device, without what tells of its carrier. */
function routes(device: string, family: 4 | 6 = 4): string[] {
  return route
    .lines(`-${family}`, 'route', 'show', 'dev', device)
    .map((line) => line.replace(/ linkdown| pref medium/g, ''))
    .filter((line) => !/^(fe80|ff00|multicast)/.test(line));
}

/** The addresses on a device, but for link-local ones. */
function addresses(device: string): string[] {
  return route
    .lines('-o', 'address', 'show', 'dev', device)
    .map((line) => / inet6? (\S+)/.exec(line)?.[1] ?? '')
    .filter((address) => !address.startsWith('fe80'));
}

/** Configures a guest's eth0 as the guides say: its address, and dom0 as the gateway. */
function configure(guest: Namespace, four: string, six?: string): void {
  guest.ip(
    'link set eth0 up',
    `address add ${four}/32 dev eth0`,
    'route add 198.51.100.2 dev eth0',
    'route add default via 198.51.100.2 dev eth0',
    ...(six === undefined
      ? []
      : [
          `address add ${six}/128 dev eth0 nodad`,
          'route add 2001:db8::2 dev eth0',
          'route add default via 2001:db8::2 dev eth0',
        ]),
  );
}

function reaches(from: Namespace, to: string): boolean {
  return from.run(['ping', '-n', '-c', '1', '-W', '1', to]).status === 0;
}

describe('online and offline', () => {
  test('an address is routed to the guest, and taken away again', async () => {
    route.card(1, { ip: '192.0.2.7' });
    const before = await host.settled();
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses('vif1.0')).toEqual(['198.51.100.2/32']);
    expect(routes('vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(get('ipv4/conf/vif1.0/proxy_arp')).toBe('1');
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
    expect(addresses('vif1.0')).toEqual(['198.51.100.2/32', '2001:db8::2/128']);
    expect(routes('vif1.0')).toEqual([
      '10.8.0.0/16 scope link src 198.51.100.2 metric 2',
      '192.0.2.7 scope link src 198.51.100.2 metric 2',
    ]);
    expect(routes('vif1.0', 6)).toEqual([
      '2001:db8::2 proto kernel metric 256',
      '2001:db8:8::/64 metric 2',
      '2001:db8:9::7 metric 2',
    ]);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual(['2001:db8:9::7 dev eth0 proxy']);
    expect([get('ipv6/conf/eth0/proxy_ndp'), get('ipv6/conf/vif1.0/proxy_ndp')]).toEqual(['1', '1']);

    expect(route.call('offline', 1)).toEqual(FINE);
    expect([addresses('vif1.0'), routes('vif1.0'), routes('vif1.0', 6)]).toEqual([[], [], []]);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual([]);
    expect(get('ipv6/conf/eth0/proxy_ndp')).toBe('0');
    expect([...route.forward(), ...route.forward(6)]).toEqual([]);
  });

  test('without ip= the guest has no route of its own', () => {
    route.card(1);
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses('vif1.0')).toEqual(['198.51.100.2/32']);
    expect(routes('vif1.0')).toEqual([]);
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
    expect(routes('webserver-numbe')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(get('ipv4/conf/webserver-numbe/proxy_arp')).toBe('1');
    expect(route.store.told(1)).toMatchObject({ status: 'connected', mtu: '1400' });
    expect(host.ok('cat', '/run/post')).toBe('webserver-numbe online 192.0.2.7 webserver-number-one');
    expect(route.call('offline', 1).status).toBe(0);
    expect([routes('webserver-numbe'), addresses('webserver-numbe'), route.forward()]).toEqual([[], [], []]);
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
      expect(addresses('vif1.0')).toEqual(['198.51.100.3/32']);
      expect(routes('vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.3 metric 2']);
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
    expect(routes('vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
  });

  test('offline of what the stock script left, and with everything gone', () => {
    route.card(1, { ip: '192.0.2.7' });
    host.ip(
      'address add 198.51.100.2/32 dev vif1.0',
      'link set vif1.0 up',
      'route add 192.0.2.7 dev vif1.0 src 198.51.100.2 metric 2',
    );
    expect(route.call('offline', 1)).toEqual(FINE);
    expect([addresses('vif1.0'), routes('vif1.0')]).toEqual([[], []]);

    route.call('online', 1);
    route.store.forget(1);
    expect(route.call('offline', 1)).toEqual(FINE);
    expect([routes('vif1.0'), route.forward()]).toEqual([[], []]);

    route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    route.call('online', 1);
    route.unplug(1);
    expect(route.call('offline', 1)).toEqual(FINE);
    expect(route.lines('-6', 'neigh', 'show', 'proxy')).toEqual([]);
    expect([route.forward(), route.forward(6), host.snapshot()['files']]).toEqual([[], [], []]);
    expect(get('ipv6/conf/eth0/proxy_ndp')).toBe('0');
    expect(route.call('offline', 1)).toEqual(FINE);
  });

  test('the last guest with IPv6 addresses puts proxy_ndp back, and no other', () => {
    for (const domid of [1, 2]) {
      route.card(domid, { ip: `2001:db8:9::${domid}` });
      expect(route.call('online', domid)).toEqual(FINE);
    }
    route.call('offline', 1);
    expect(get('ipv6/conf/eth0/proxy_ndp')).toBe('1');
    route.call('offline', 2);
    expect(get('ipv6/conf/eth0/proxy_ndp')).toBe('0');
  });
});

describe('a tap', () => {
  test('has the routes that come first, beside its vif', () => {
    route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    host.tap(1);
    expect(route.call('online', 1, { INTERFACE: 'vif1.0-emu' })).toEqual(FINE);
    expect(route.call('add', 1)).toEqual(FINE);
    expect(routes('vif1.0-emu')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 1']);
    expect(routes('vif1.0-emu', 6)).toContain('2001:db8:9::7 metric 1');
    expect(routes('vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
    expect(route.forward()).toHaveLength(6);
    expect(route.call('remove', 1)).toEqual(FINE);
    expect(routes('vif1.0-emu')).toEqual([]);
    expect(routes('vif1.0')).toHaveLength(1);
    expect(route.forward()).toHaveLength(3);
  });

  test('add and online are for their own kind of device alone', () => {
    route.card(1, { ip: '192.0.2.7' });
    const call = (...args: string[]) => host.hook('vif-route', args, { vif: 'vif1.0' });
    for (const pair of [['add', 'type_if=vif'], ['add'], ['online', 'type_if=tap']])
      expect(call(...pair)).toEqual(FINE);
    expect(routes('vif1.0')).toEqual([]);
  });
});

describe('the network’s device', () => {
  beforeAll(() => {
    host.nic('lan0', { address: '203.0.113.2/24' });
  });

  test.each([
    [
      'xl’s gatewaydev in xenstore, before all',
      { gatewaydev: 'lan0' },
      'netdev=eth0',
      { netdev: 'eth0' },
      'lan0',
    ],
    ['an argument before the environment', {}, 'netdev=lan0', { netdev: 'eth0' }, 'lan0'],
    ['the environment', {}, 'type_if=vif', { netdev: 'lan0' }, 'lan0'],
    ['eth0, when libxl leaves it empty', {}, 'netdev=', { netdev: '' }, 'eth0'],
  ])('is %s', (_what, values, word, env, device) => {
    route.card(1, { ip: '192.0.2.7', ...values });
    const all = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0', ...env };
    expect(host.hook('vif-route', ['online', word], all)).toEqual(FINE);
    expect(addresses('vif1.0')).toEqual([device === 'lan0' ? '203.0.113.2/32' : '198.51.100.2/32']);
  });

  test('is the default route’s, on a host without eth0', () => {
    host.ip('link set eth0 down', 'link set eth0 name enp3s0', 'link set enp3s0 up');
    host.ip('route add default via 198.51.100.1 dev enp3s0');
    try {
      route.card(1, { ip: '192.0.2.7' });
      expect(route.call('online', 1)).toEqual(FINE);
      expect(addresses('vif1.0')).toEqual(['198.51.100.2/32']);
    } finally {
      host.ip(
        'link set enp3s0 down',
        'link set enp3s0 name eth0',
        'link set eth0 up',
        'address replace 2001:db8::2/64 dev eth0',
        'route add default via 198.51.100.1',
        'route replace default via 2001:db8::1',
      );
    }
  });

  test('has no carrier, and an address all the same', () => {
    host.ip(
      'link add cable0 type veth peer name cable1',
      'address add 203.0.113.77/24 dev cable0',
      'link set cable0 up',
    );
    route.card(1, { ip: '192.0.2.7', gatewaydev: 'cable0' });
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses('vif1.0')).toEqual(['203.0.113.77/32']);
    host.ip('link del cable0');
  });

  test.each([
    ['absent', 'lan7', "The network's device lan7, by which the guest is to be reached, does not exist."],
    ['down', 'lan8', "The network's device lan8, by which the guest is to be reached, is down."],
    ['without an address', 'lan9', "The network's device lan9 has no IPv4 address"],
    ['no name of a device', '../eth0', 'netdev is "../eth0", which is no usable device name.'],
    ['a command', '$(id)', 'netdev is "$(id)", which is no usable device name.'],
  ])('is %s: an error that says so', (_what, gatewaydev, why) => {
    host.run(['ip', 'link', 'add', 'lan8', 'type', 'veth', 'peer', 'name', 'lan9']);
    host.ip('link set lan9 up');
    route.card(1, { ip: '192.0.2.7', gatewaydev });
    const ran = route.call('online', 1);
    expect(ran.status).toBe(1);
    const { status, error } = route.store.told(1);
    expect(status).toBe('error');
    expect(error).toContain(`vif-route online vif1.0: ${why}`);
    expect(addresses('vif1.0')).toEqual([]);
    expect(route.call('offline', 1)).toEqual(FINE);
  });
});

describe('two guests with one address', () => {
  test.each(['192.0.2.7', '2001:db8:9::7', '10.8.0.0/16'])(
    '%s: the second is told, the first keeps it',
    async (ip) => {
      route.card(1, { ip });
      const first = await route.settledAfter('online', 1);
      route.card(2, { ip: `198.51.100.77 ${ip}` });
      const second = await host.settled();
      const ran = route.call('online', 2);
      expect(ran.status).toBe(1);
      expect(route.store.told(2).error).toBe(
        `vif-route online vif2.0: vif2.0 cannot have ${ip}, which is routed to vif1.0; vif1.0 keeps it. ` +
          'Give this guest another ip=, or take the address from vif1.0 first.',
      );
      expect(await host.snapshotLike(second)).toEqual(second);
      route.call('offline', 2);
      route.unplug(2);
      expect(await host.snapshotLike(first)).toEqual(first);
      route.call('offline', 1);
    },
  );

  test('at the same moment: one has it', async () => {
    for (const domid of [1, 2]) route.card(domid, { ip: '192.0.2.7' });
    const ran = await Promise.all(
      [1, 2].map((domid) =>
        host.startHook('vif-route', ['online'], {
          vif: `vif${domid}.0`,
          XENBUS_PATH: `backend/vif/${domid}/0`,
        }),
      ),
    );
    expect(ran.map(({ status }) => status).sort()).toEqual([0, 1]);
    expect([...routes('vif1.0'), ...routes('vif2.0')]).toEqual([
      '192.0.2.7 scope link src 198.51.100.2 metric 2',
    ]);
  });

  test('an address of the host itself', () => {
    route.card(1, { ip: '198.51.100.2' });
    expect(route.call('online', 1).status).toBe(1);
    expect(route.store.told(1).error).toContain(
      "vif1.0 cannot have 198.51.100.2, which is this host's own, on eth0;",
    );
  });
});

describe('packets', () => {
  test('reach the guest from outside by the gateway’s route, and the guest reaches it', () => {
    const guest = route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    expect(route.call('online', 1)).toEqual(FINE);
    configure(guest, '192.0.2.7', '2001:db8:9::7');
    outside.ip(
      'route replace 192.0.2.0/24 via 198.51.100.2',
      'route replace 2001:db8:9::/64 via 2001:db8::2',
    );
    expect(reaches(outside, '192.0.2.7')).toBe(true);
    expect(reaches(guest, '198.51.100.1')).toBe(true);
    expect(reaches(outside, '2001:db8:9::7')).toBe(true);
    expect(reaches(guest, '2001:db8::1')).toBe(true);
    route.call('offline', 1);
    expect(reaches(outside, '192.0.2.7')).toBe(false);
  });

  test('reach a guest with an address of the network itself, for which dom0 answers', () => {
    const guest = route.card(1, { ip: '198.51.100.7 2001:db8::7' });
    expect(route.call('online', 1)).toEqual(FINE);
    configure(guest, '198.51.100.7', '2001:db8::7');
    expect(reaches(outside, '198.51.100.7')).toBe(true);
    expect(reaches(outside, '2001:db8::7')).toBe(true);
    route.call('offline', 1);
  });

  test('of a second guest with the first one’s address go nowhere, the first goes on', () => {
    const guest = route.card(1, { ip: '198.51.100.7' });
    route.call('online', 1);
    configure(guest, '198.51.100.7');
    const thief = route.card(2, { ip: '198.51.100.7' });
    expect(route.call('online', 2).status).toBe(1);
    configure(thief, '198.51.100.7');
    expect(reaches(outside, '198.51.100.7')).toBe(true);
    expect(reaches(thief, '198.51.100.1')).toBe(false);
  });

  test('of a routed guest pass under antispoof, from its own address alone', () => {
    const guest = route.card(1, { ip: '198.51.100.7' });
    const antispoof = { policy: { 4: 'ACCEPT', 6: 'ACCEPT' }, settings: {}, rules: [] };
    const bridge = {
      topology: 'plain',
      bridge: 'xenbr9',
      netdev: 'eth9',
      nic: 'eth9',
      nicIndex: 99,
      mac: '',
      antispoof,
    };
    host.write('/run/xen-network/bridge/xenbr9', JSON.stringify(bridge));
    host.ok('iptables', '-P', 'FORWARD', 'DROP');
    try {
      expect(route.call('online', 1)).toEqual(FINE);
      configure(guest, '198.51.100.7');
      expect(reaches(guest, '198.51.100.1')).toBe(true);
      guest.ip('address add 198.51.100.8/32 dev eth0');
      outside.ip('route replace 198.51.100.8 via 198.51.100.2');
      expect(
        guest.run(['ping', '-n', '-c', '1', '-W', '1', '-I', '198.51.100.8', '198.51.100.1']).status,
      ).toBe(1);
      route.call('offline', 1);
      expect(route.forward()).toEqual([]);
    } finally {
      host.ok('iptables', '-P', 'FORWARD', 'ACCEPT');
    }
  });
});

test('an IPv4 guest needs two children at most', () => {
  route.card(1, { ip: '192.0.2.7' });
  const env = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' };
  for (const command of ['online', 'offline']) {
    const { ran, started } = host.traced('vif-route', [command], env);
    expect(ran).toEqual(FINE);
    expect(started.length - 1).toBeLessThanOrEqual(2);
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
