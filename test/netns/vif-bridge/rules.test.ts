import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { withIptables } from '../../support/hosts/iptables.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

describe('rules', () => {
  test('for a list of IPv4, IPv6 and ranges, in both families', () => {
    vif.card(1, { ip: '192.0.2.7 2001:DB8::7 10.0.0.0/8 2001:db8:1::/64' });
    expect(vif.online(1).status).toBe(0);
    const from = '-m physdev --physdev-in vif1.0 --physdev-is-bridged';
    expect(vif.forward()).toEqual([
      '-P FORWARD ACCEPT',
      `-A FORWARD -s 192.0.2.7/32 ${from} -j ACCEPT`,
      `-A FORWARD -s 10.0.0.0/8 ${from} -j ACCEPT`,
      `-A FORWARD -p udp ${from} -m udp --sport 68 --dport 67 -j ACCEPT`,
      '-A FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT',
    ]);
    expect(vif.forward(6)).toEqual([
      '-P FORWARD ACCEPT',
      `-A FORWARD -s 2001:db8::7/128 ${from} -j ACCEPT`,
      `-A FORWARD -s 2001:db8:1::/64 ${from} -j ACCEPT`,
      `-A FORWARD -s fe80::/10 ${from} -j ACCEPT`,
      `-A FORWARD -s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 135 -j ACCEPT`,
      `-A FORWARD -s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 143 -j ACCEPT`,
      '-A FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT',
    ]);
    expect(vif.offline(1).status).toBe(0);
    expect([...vif.forward(), ...vif.forward(6)]).toEqual(['-P FORWARD ACCEPT', '-P FORWARD ACCEPT']);
  });

  test('stand above what an administrator has, and leave that alone', () => {
    const own = ['-A FORWARD -s 203.0.113.0/24 -j DROP', '-A FORWARD -i vif1.0 -j DROP'];
    for (const rule of own) host.ok('iptables', ...rule.split(' '));
    vif.card(1, { ip: '192.0.2.7' });
    expect(vif.online(1).status).toBe(0);
    expect(vif.forward().slice(-2)).toEqual(own);
    expect(vif.forward()).toHaveLength(6);
    expect(vif.offline(1).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT', ...own]);
  });

  test('filter=no makes none', () => {
    vif.card(1, { ip: '192.0.2.7' });
    expect(host.hook('vif-bridge', ['online', 'filter=no'], xlEnv(1)).status).toBe(0);
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
    expect(vif.store.told(1).status).toBe('connected');
  });

  test("one guest's are never another's, however alike the names", () => {
    vif.card(1, { ip: '192.0.2.7' });
    vif.card(1, { ip: '192.0.2.8' }, 1);
    vif.card(1, { ip: '192.0.2.7' });
    expect(vif.online(1).status).toBe(0);
    const first = vif.forward();
    const second = xlEnv(1, 1);
    vif.store.vif(1, 1, { ip: '192.0.2.7' });
    expect(host.hook('vif-bridge', ['online'], second).status).toBe(0);
    expect(vif.forward()).toHaveLength(7);
    expect(host.hook('vif-bridge', ['offline'], second).status).toBe(0);
    expect(vif.forward()).toEqual(first);
    vif.unplug(1, 1);
  });

  test.each(['absent', 'broken'] as const)(
    'with addresses given, a host whose iptables is %s is an error that xenstore is told',
    (kind) => {
      vif.card(1, { ip: '192.0.2.7' });
      host.ok('nft', 'flush', 'ruleset');
      withIptables(host, kind, () => {
        expect(vif.online(1).status).toBe(1);
        const { status, error } = vif.store.told(1);
        expect(status).toBe('error');
        expect(error).toMatch(
          /^vif-bridge online vif1\.0: Could not let packets of vif1\.0 pass FORWARD: "iptables -w -I FORWARD /,
        );
        expect(vif.link('vif1.0')).not.toContain('master');
      });
    },
  );

  test('are made by the kernel alone where iptables-nft is there, whether it runs or not', () => {
    vif.card(1, { ip: '192.0.2.7' });
    host.ok('nft', 'flush', 'ruleset');
    host.ok('mount', '--bind', '/bin/false', '/usr/sbin/xtables-nft-multi');
    try {
      expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    } finally {
      host.ok('umount', '/usr/sbin/xtables-nft-multi');
    }
    expect(vif.forward()).toHaveLength(4);
    expect(vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test('the legacy tables serve as well', () => {
    withIptables(host, 'legacy', () => {
      vif.card(1, { ip: '192.0.2.7 2001:db8::7' });
      expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(host.snapshot()['iptables-legacy']).toHaveLength(3);
      expect(host.snapshot()['ip6tables-legacy']).toHaveLength(5);
      expect(host.snapshot()['iptables']).toEqual([]);
      expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(host.snapshot()['iptables-legacy']).toHaveLength(3);
      expect(vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(host.snapshot()['iptables-legacy']).toEqual([]);
      expect(host.snapshot()['ip6tables-legacy']).toEqual([]);
    });
  });
});
