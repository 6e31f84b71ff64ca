import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';
import { configure, createRouteHost, resetRouteHost } from '../../support/hosts/route-host.ts';

let route: HookHost;
let host: Host;
let outside: Namespace;

beforeAll(async () => {
  ({ route, outside } = await createRouteHost());
  host = route.host;
});

afterAll(() => host.close());

beforeEach(() => resetRouteHost(route));

describe('packets', () => {
  test('reach the guest from outside by the gateway’s route, and the guest reaches it', () => {
    const guest = route.card(1, { ip: '192.0.2.7 2001:db8:9::7' });
    expect(route.call('online', 1)).toEqual(FINE);
    configure(guest, '192.0.2.7', '2001:db8:9::7');
    outside.ip(
      'route replace 192.0.2.0/24 via 198.51.100.2',
      'route replace 2001:db8:9::/64 via 2001:db8::2',
    );
    expect(outside.reaches('192.0.2.7')).toBe(true);
    expect(guest.reaches('198.51.100.1')).toBe(true);
    expect(outside.reaches('2001:db8:9::7')).toBe(true);
    expect(guest.reaches('2001:db8::1')).toBe(true);
    route.call('offline', 1);
    expect(outside.reaches('192.0.2.7')).toBe(false);
  });

  test('reach a guest with an address of the network itself, for which dom0 answers', () => {
    const guest = route.card(1, { ip: '198.51.100.7 2001:db8::7' });
    expect(route.call('online', 1)).toEqual(FINE);
    configure(guest, '198.51.100.7', '2001:db8::7');
    expect(outside.reaches('198.51.100.7')).toBe(true);
    expect(outside.reaches('2001:db8::7')).toBe(true);
    route.call('offline', 1);
  });

  test.each([
    ['vif1.0', {}],
    ['web', { vifname: 'web' }],
  ])(
    'of %s pass where the policy of FORWARD drops the rest, from its own addresses alone',
    (name, values) => {
      const before = route.forward();
      for (const tool of ['iptables', 'ip6tables']) host.ok(tool, '-P', 'FORWARD', 'DROP');
      try {
        const guest = route.card(1, { ip: '192.0.2.7 2001:db8:9::7', ...values });
        expect(route.call('online', 1)).toEqual(FINE);
        configure(guest, '192.0.2.7', '2001:db8:9::7');
        outside.ip(
          'route replace 192.0.2.0/24 via 198.51.100.2',
          'route replace 2001:db8:9::/64 via 2001:db8::2',
        );
        for (const to of ['192.0.2.7', '2001:db8:9::7'])
          expect({ to, reached: outside.reaches(to) }).toEqual({ to, reached: true });
        for (const to of ['198.51.100.1', '2001:db8::1'])
          expect({ to, reached: guest.reaches(to) }).toEqual({ to, reached: true });
        guest.ip('address add 192.0.2.9/32 dev eth0');
        host.ip(`route add 192.0.2.9 dev ${name}`);
        const asAnother = ['ping', '-n', '-c', '1', '-W', '1', '-I', '192.0.2.9', '198.51.100.1'];
        expect(guest.run(asAnother).status).toBe(1);
        expect(route.call('offline', 1)).toEqual(FINE);
        expect(route.forward()).toEqual(before);
      } finally {
        for (const tool of ['iptables', 'ip6tables']) host.ok(tool, '-P', 'FORWARD', 'ACCEPT');
      }
    },
  );

  test('of a second guest with the first one’s address go nowhere, the first goes on', () => {
    const guest = route.card(1, { ip: '198.51.100.7' });
    route.call('online', 1);
    configure(guest, '198.51.100.7');
    const thief = route.card(2, { ip: '198.51.100.7' });
    expect(route.call('online', 2).status).toBe(1);
    configure(thief, '198.51.100.7');
    expect(outside.reaches('198.51.100.7')).toBe(true);
    expect(thief.reaches('198.51.100.1')).toBe(false);
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
      expect(guest.reaches('198.51.100.1')).toBe(true);
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
