import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { withIptables } from '../../support/hosts/iptables.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { addresses, createRouteHost, resetRouteHost, routes } from '../../support/hosts/route-host.ts';

let route: HookHost;
let host: Host;

beforeAll(async () => {
  ({ route } = await createRouteHost());
  host = route.host;
});

afterAll(() => host.close());

beforeEach(() => resetRouteHost(route));

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
    expect(addresses(route, 'vif1.0')).toEqual([device === 'lan0' ? '203.0.113.2/32' : '198.51.100.2/32']);
  });

  test('is the default route’s, on a host without eth0', () => {
    host.ip('link set eth0 down', 'link set eth0 name enp3s0', 'link set enp3s0 up');
    host.ip('route add default via 198.51.100.1 dev enp3s0');
    try {
      route.card(1, { ip: '192.0.2.7' });
      expect(route.call('online', 1)).toEqual(FINE);
      expect(addresses(route, 'vif1.0')).toEqual(['198.51.100.2/32']);
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

  test('needs no other IPv6 address than that of its link, which is the guest’s gateway', () => {
    const outside = host.nic('lan6', { address: '203.0.113.130/25' });
    const link = () =>
      route
        .lines('-6', '-o', 'address', 'show', 'dev', 'lan6', 'scope', 'link', '-tentative')
        .map((line) => / inet6 (\S+)\/64/.exec(line)?.[1])[0];
    host.ok(
      'sh',
      '-c',
      'until ip -6 address show dev lan6 scope link -tentative | grep -q inet6; do sleep 0.1; done',
    );
    outside.ip('address add 2001:db8:66::1/64 dev eth0 nodad');
    const guest = route.card(1, { ip: '2001:db8:66::7', gatewaydev: 'lan6' });
    expect(route.call('online', 1)).toEqual(FINE);
    expect(route.lines('-6', '-o', 'address', 'show', 'dev', 'vif1.0').join()).toContain(` ${link()}/128 `);
    expect(routes(route, 'vif1.0', 6)).toContain('2001:db8:66::7 metric 2');
    guest.ip(
      'link set eth0 up',
      'address add 2001:db8:66::7/128 dev eth0 nodad',
      `route add default via ${link()} dev eth0`,
    );
    host.ip('route add 2001:db8:66::/64 dev lan6');
    expect(guest.reaches('2001:db8:66::1')).toBe(true);
    expect(route.call('offline', 1)).toEqual(FINE);
    host.ip('link del lan6');
  });

  test('has no carrier, and an address all the same', () => {
    host.ip(
      'link add cable0 type veth peer name cable1',
      'address add 203.0.113.77/24 dev cable0',
      'link set cable0 up',
    );
    route.card(1, { ip: '192.0.2.7', gatewaydev: 'cable0' });
    expect(route.call('online', 1)).toEqual(FINE);
    expect(addresses(route, 'vif1.0')).toEqual(['203.0.113.77/32']);
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
    expect(addresses(route, 'vif1.0')).toEqual([]);
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
        `vif-route online: vif2.0 cannot have ${ip}, which is routed to vif1.0; vif1.0 keeps it. ` +
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
    expect([...routes(route, 'vif1.0'), ...routes(route, 'vif2.0')]).toEqual([
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

test.each(['absent', 'broken'] as const)(
  'a host whose iptables is %s takes guests: rules for bridged packets match none of theirs',
  (kind) => {
    host.ok('nft', 'flush', 'ruleset');
    withIptables(host, kind, () => {
      route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
      const { status, stderr } = route.call('online', 1);
      expect([status, stderr]).toEqual([
        0,
        expect.stringContaining(
          'vif1.0 is connected without filter rules: Could not let packets of vif1.0 pass',
        ),
      ]);
      expect(routes(route, 'vif1.0')).toEqual(['192.0.2.7 scope link src 198.51.100.2 metric 2']);
      expect(route.store.told(1)).toMatchObject({ status: 'connected', error: undefined });
      expect(route.call('online', 1).status).toBe(0);
      expect(route.call('offline', 1).status).toBe(0);
    });
  },
);
