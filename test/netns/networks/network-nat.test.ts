import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

const MASQUERADE = '-A POSTROUTING -o eth0 -j MASQUERADE';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

function setting(path: string): string {
  return net.host.ok('cat', `/proc/sys/net/${path}`).trim();
}

describe('start and stop', () => {
  test('"xen-network recover" lets go of what a start needed of which no record is left, and of nothing else', async () => {
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no');
    const recover = () => net.host.hook('xen-network', ['recover']).stdout;
    expect(recover()).toContain('nothing to take back');
    net.host.ok('mv', '/run/xen-network/nat/eth0', '/run/xen-network/nat/eth0.damaged');
    expect(recover()).not.toContain('were released');
    expect(net.rules('nat', 'POSTROUTING')).toContain(MASQUERADE);
    net.host.ok('rm', '/run/xen-network/nat/eth0.damaged');
    expect(recover()).toContain('The shared settings of network-nat eth0 were released');
    expect(await net.host.settled()).toEqual(before);
  });

  test('a second start changes nothing, stop restores what the first start found, and is no error twice', async () => {
    net.host.ok('sysctl', '-qw', 'net.ipv4.conf.all.accept_redirects=0', 'net.ipv4.conf.eth0.forwarding=1');
    const before = await net.host.settled();
    expect(await net.after('network-nat', 'stop')).toEqual(before);
    const started = await net.after('network-nat', 'start', 'dhcp=no');
    expect(net.rules('nat', 'POSTROUTING').slice(1)).toEqual([MASQUERADE]);
    expect(setting('ipv4/ip_forward')).toBe('1');
    expect(await net.after('network-nat', 'start', 'dhcp=no')).toEqual(started);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  test("an administrator's own forwarding and his own rule stay", async () => {
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    net.host.ok('iptables', '-t', 'nat', ...MASQUERADE.split(' '));
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no');
    expect(net.rules('nat', 'POSTROUTING').slice(1)).toEqual([MASQUERADE]);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  test('what somebody flushed is put back by another start, and the memory of the first one stays', async () => {
    const before = await net.host.settled();
    const started = await net.after('network-nat', 'start', 'dhcp=no');
    net.host.ok('iptables', '-t', 'nat', '-F');
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    expect(await net.after('network-nat', 'start', 'dhcp=no')).toEqual(started);
    net.host.ok('iptables', '-t', 'nat', '-F');
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  test('whoever stops last switches forwarding off', async () => {
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no', 'ipv6=yes');
    net.ok('network-route', 'start', 'ipv6=yes');
    net.ok('network-nat', 'stop');
    expect([setting('ipv4/ip_forward'), setting('ipv6/conf/all/forwarding')]).toEqual(['1', '1']);
    expect(setting('ipv6/conf/eth0/accept_ra')).toBe('2');
    expect(await net.after('network-route', 'stop')).toEqual(before);
  });

  test.each([
    ['netdev=$(touch /run/x)', /no usable device name/],
    ['netdev=nonesuch', /There is no device nonesuch/],
    ['netdev=lo', /lo leads to nobody but this host itself/],
    ['dhcp=maybe', /dhcp is "maybe"; say yes, no, dhcpd or dnsmasq/],
    ['antispoof=\n', /antispoof is "\\n"/],
    ['ipv6=perhaps', /ipv6 is "perhaps"/],
  ])('%j is refused with a sentence and changes nothing', async (word, sentence) => {
    const before = await net.host.settled();
    const { status, stderr } = net.host.hook('network-nat', ['start', word]);
    expect(status).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(await net.host.settled()).toEqual(before);
  });
});

describe('packets', () => {
  test('guests appear as dom0 outside, by IPv4 and IPv6', () => {
    net.ok('network-nat', 'start', 'dhcp=no', 'ipv6=yes');
    const guest = net.guest('vif-nat', 1, { ip: '10.0.0.1/16 2001:db8:5::7' }, ['dhcp=no']);
    guest.ip(
      'address add 10.0.0.1/16 dev eth0',
      'route add default via 10.0.0.128',
      'address add 2001:db8:5::7/64 dev eth0',
      'route add default via fe80::5eff:fe00:100 dev eth0',
    );
    expect(guest.reaches('192.0.2.1')).toBe(true);
    expect(guest.reaches('2001:db8::1')).toBe(true);
    net.ok('network-nat', 'stop');
    expect(guest.reaches('192.0.2.1')).toBe(false);
  });

  test('where the administrator drops the rest, guests are let through and nobody else is', async () => {
    net.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    net.host.nic('eth1', { address: '198.51.100.2/24' });
    net.host
      .netns('gw-eth1')
      .ip('address add 198.51.100.1/24 dev eth0', 'route add default via 198.51.100.2');
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no', 'netdev=eth0');
    const guest = net.guest('vif-nat', 1, {}, ['dhcp=no']);
    guest.ip('address add 10.0.1.1/16 dev eth0', 'route add default via 10.0.1.128');
    expect(guest.reaches('192.0.2.1')).toBe(true);
    expect(net.host.netns('gw-eth1').reaches('192.0.2.1')).toBe(false);
    net.end('vif-nat', 1, ['dhcp=no']);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  test('and so are guests whose devices have names of their own, also to each other', async () => {
    net.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no');
    const names: readonly Readonly<Record<string, string>>[] = [{}, { vifname: 'web' }, { vifname: 'mail' }];
    const guests = names.map((values, i) => {
      const guest = net.guest('vif-nat', i + 1, values, ['dhcp=no']);
      guest.ip(`address add 10.0.${i + 1}.1/16 dev eth0`, `route add default via 10.0.${i + 1}.128`);
      for (const other of [1, 2, 3].filter((each) => each !== i + 1))
        guest.ip(`route add 10.0.${other}.1 via 10.0.${i + 1}.128`);
      return guest;
    });
    expect(net.rules()).toEqual([...new Set(net.rules())]);
    for (const [i, guest] of guests.entries()) {
      expect(guest.reaches('192.0.2.1')).toBe(true);
      for (const other of [1, 2, 3].filter((each) => each !== i + 1))
        expect({ from: i + 1, to: other, reaches: guest.reaches(`10.0.${other}.1`) }).toMatchObject({
          reaches: true,
        });
    }
    for (const domid of [1, 2, 3]) net.end('vif-nat', domid, ['dhcp=no']);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  test('with antispoof a guest passes with its own address and with no other', async () => {
    net.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=no', 'antispoof=yes');
    expect(net.rules()).toEqual([
      '-P FORWARD DROP',
      '-A FORWARD -i eth0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A FORWARD -s 203.0.113.0/24 -j DROP',
    ]);
    const guest = net.guest('vif-nat', 1, {}, ['dhcp=no']);
    guest.ip('address add 10.0.1.1/16 dev eth0', 'route add default via 10.0.1.128');
    expect(guest.reaches('192.0.2.1')).toBe(true);
    guest.ip('address replace 10.0.1.9/16 dev eth0', 'route replace default via 10.0.1.128 src 10.0.1.9');
    expect(guest.reaches('192.0.2.1')).toBe(false);
    net.end('vif-nat', 1, ['dhcp=no']);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });
});

describe.each([
  ['network-nat', 'network-bridge'],
  ['network-bridge', 'network-nat'],
])('antispoof by %s and then by %s', (first, second) => {
  test.each([
    [first, second],
    [second, first],
  ])('%s may stop before %s', async (leaving, staying) => {
    const words: Record<string, string[]> = {
      'network-nat': ['dhcp=no', 'netdev=eth0'],
      'network-bridge': [],
    };
    const before = await net.host.settled();
    for (const hook of [first, second]) net.ok(hook, 'start', 'antispoof=yes', ...(words[hook] ?? []));
    net.ok(leaving, 'stop', ...(words[leaving] ?? []));
    expect(net.rules()[0]).toBe('-P FORWARD DROP');
    expect(net.rules('filter', 'FORWARD', 6)[0]).toBe('-P FORWARD DROP');
    net.ok(staying, 'stop', ...(words[staying] ?? []));
    expect(await net.host.snapshotLike(before)).toEqual(before);
  });
});
