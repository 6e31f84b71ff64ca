import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { configure, createRouteHost, resetRouteHost } from '../../support/hosts/route-host.ts';

const TOOLS = ['iptables', 'ip6tables'];
const [FOUR, SIX] = ['192.0.2.7', '2001:db8:9::7'];

/** Makes the commands be those of one back end, as update-alternatives does. */
function choose(host: Host, backEnd: 'nft' | 'legacy'): void {
  for (const tool of TOOLS)
    for (const end of ['', '-save', '-restore'])
      host.ok('ln', '-sf', `/usr/sbin/${tool}-${backEnd}${end}`, `/etc/alternatives/${tool}${end}`);
}

describe.each(['nft', 'legacy'] as const)(
  'a routed guest where a last rule of iptables-%s ends what the policy would let pass',
  (backEnd) => {
    let route: HookHost;
    let host: Host;
    let outside: Namespace;

    beforeAll(async () => {
      ({ route, outside } = await createRouteHost());
      host = route.host;
      choose(host, backEnd);
      outside.ip(
        'route replace 192.0.2.0/24 via 198.51.100.2',
        'route replace 2001:db8:9::/64 via 2001:db8::2',
      );
    });

    afterAll(() => host.close());

    beforeEach(() => resetRouteHost(route));

    const reject = (...before: string[][]) => {
      for (const tool of TOOLS) {
        host.ok(tool, '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT');
        for (const rule of before) host.ok(tool, '-A', 'FORWARD', ...rule);
        host.ok(tool, '-A', 'FORWARD', '-j', 'REJECT');
      }
    };
    const guestOf = (values: Record<string, string> = {}) => {
      const guest = route.card(1, { ip: `${FOUR} ${SIX}`, ...values });
      return () => {
        configure(guest, FOUR, SIX);
        return guest;
      };
    };
    const passes = (guest: Namespace) => [guest.reaches('198.51.100.1'), guest.reaches('2001:db8::1')];
    const direct = () =>
      [...route.forward(4), ...route.forward(6)].filter((rule) => / -[io] (vif1\.0|web) /.test(rule));

    test.each([
      ['vif1.0', {}],
      ['web', { vifname: 'web' }],
    ])('%s has rules that let it pass, from its own addresses alone', (name, values) => {
      const start = guestOf(values);
      reject();
      const before = route.forward();
      expect(route.call('online', 1)).toEqual(FINE);
      const guest = start();
      expect(passes(guest)).toEqual([true, true]);
      expect(outside.reaches(FOUR)).toBe(true);
      guest.ip('address add 192.0.2.9/32 dev eth0');
      host.ip(`route add 192.0.2.9 dev ${name}`);
      const asAnother = ['ping', '-n', '-c', '1', '-W', '1', '-I', '192.0.2.9', '198.51.100.1'];
      expect(guest.run(asAnother).status).toBe(1);
      // Again, and by refilter: what lets it pass is its own rules, which do not make them needless.
      expect(route.call('online', 1)).toEqual(FINE);
      expect(direct()).toHaveLength(4);
      expect(host.hook('xen-network', ['refilter'], {}).status).toBe(0);
      expect(direct()).toHaveLength(4);
      expect(passes(guest)).toEqual([true, true]);
      expect(route.call('offline', 1)).toEqual(FINE);
      expect(route.forward()).toEqual(before);
    });

    test.each([
      ['by its device', [['-i', 'vif+', '-j', 'ACCEPT']]],
      ['by where it comes from and goes to', [['-i', 'vif+', '-o', 'eth0', '-j', 'ACCEPT']]],
      ['as a new connection', [['-m', 'conntrack', '--ctstate', 'NEW', '-i', 'vif+', '-j', 'ACCEPT']]],
    ])('is left to the administrator who lets it pass %s', (_how, rules) => {
      const start = guestOf();
      reject(...rules);
      expect(route.call('online', 1)).toEqual(FINE);
      expect(direct()).toEqual([]);
      expect(passes(start())).toEqual([true, true]);
    });

    test('is left to the administrator who lets its network pass, and no other', () => {
      const start = guestOf();
      reject();
      host.ok('iptables', '-I', 'FORWARD', '-s', '192.0.2.0/24', '-j', 'ACCEPT');
      host.ok('ip6tables', '-I', 'FORWARD', '-s', '2001:db8:8::/64', '-j', 'ACCEPT');
      expect(route.call('online', 1)).toEqual(FINE);
      expect(direct().filter((rule) => !rule.includes(SIX))).toEqual([]);
      expect(direct()).toHaveLength(2);
      expect(passes(start())).toEqual([true, true]);
    });

    test('a chain of the administrator’s own is gone through', () => {
      const start = guestOf();
      host.ok('iptables', '-N', 'REST');
      host.ok('iptables', '-A', 'REST', '-p', 'tcp', '--dport', '80', '-j', 'ACCEPT');
      host.ok('iptables', '-A', 'REST', '-j', 'DROP');
      host.ok('iptables', '-A', 'FORWARD', '-j', 'REST');
      try {
        expect(route.call('online', 1)).toEqual(FINE);
        expect(passes(start())).toEqual([true, true]);
      } finally {
        host.ok('sh', '-c', 'iptables -F; iptables -X REST');
      }
    });

    test('with filter=no it has no rules, and it is said', () => {
      guestOf();
      reject();
      const ran = route.call('online', 1, { filter: 'no' });
      expect(ran.status).toBe(0);
      expect(ran.stderr.match(/vif1\.0 is cut off from what this host forwards to/g)).toHaveLength(2);
      expect(ran.stderr).toContain('Leave filter=no out.');
      expect(direct()).toEqual([]);
    });

    test('rules that only let pass are no reason for any', () => {
      guestOf();
      for (const tool of TOOLS) host.ok(tool, '-A', 'FORWARD', '-p', 'tcp', '-j', 'ACCEPT');
      expect(route.call('online', 1, { filter: 'no' })).toEqual(FINE);
      expect(route.call('online', 1)).toEqual(FINE);
      expect(direct()).toEqual([]);
    });
  },
);

describe("chains of others' own, which iptables cannot open", () => {
  let net: NetHost;

  beforeEach(async () => {
    net = await NetHost.create();
    net.host.ok(
      'nft',
      'add table inet firewalld; ' +
        'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }; ' +
        'add chain inet firewalld filter_FORWARD_in; ' +
        'add rule inet firewalld filter_FORWARD ct state established,related accept; ' +
        'add rule inet firewalld filter_FORWARD jump filter_FORWARD_in; ' +
        'add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited',
    );
  });

  afterEach(() => net.host.close());

  const letPass = (...matches: string[]) => {
    for (const match of matches)
      net.host.ok('nft', `add rule inet firewalld filter_FORWARD_in ${match} accept`);
  };
  const CUT = 'is cut off from what this host forwards to: the chain inet firewalld filter_FORWARD drops';

  test('vif-nat says that its guest is cut off, until it passes there', () => {
    net.ok('network-nat', 'start', 'dhcp=no');
    const guest = net.guest('vif-nat', 3, {}, ['dhcp=no']);
    guest.ip('address add 10.0.3.1/16 dev eth0', 'route add default via 10.0.3.128');
    expect(guest.reaches('192.0.2.1')).toBe(false);
    const again = net.call('vif-nat', 'online', 3, ['dhcp=no']);
    expect(again.status).toBe(0);
    expect(again.stderr).toContain(`vif3.0 ${CUT} what no rule lets pass (firewalld). Add rules there`);
    expect(again.stderr).toContain('(iifname "vif3.0" accept, and oifname "vif3.0" accept)');
    letPass('ip saddr 10.0.0.0/16');
    expect(net.call('vif-nat', 'online', 3, ['dhcp=no'])).toEqual(FINE);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    net.end('vif-nat', 3, ['dhcp=no']);
  });

  test('network-virtual says it of its bridge, and so does each guest that joins', () => {
    const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'brnet=10.1.1.0/24'];
    const started = net.host.hook('network-virtual', ['start', ...words]);
    expect(started.status).toBe(0);
    expect(started.stderr).toContain(`vmnet1 ${CUT}`);
    net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
    expect(net.call('vif-bridge', 'online', 1).stderr).toContain(`vmnet1 ${CUT}`);
    letPass('iifname "vmnet1"', 'oifname "vmnet1"');
    expect(net.call('vif-bridge', 'online', 1)).toEqual(FINE);
    net.end('vif-bridge', 1);
  });
});
