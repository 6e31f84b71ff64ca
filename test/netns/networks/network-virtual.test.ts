import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

const VMNET = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24'];

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

/** A guest on the bridge, with an address of its own and dom0 as its gateway. */
function guestOn(bridge: string, domid: number, prefix = '10.1.1') {
  const guest = net.guest('vif-bridge', domid, { bridge });
  guest.ip(
    `address add ${prefix}.${10 + domid}/24 dev eth0`,
    `route add default via ${prefix}.1`,
    `address add fd00:1::${domid + 1}/64 dev eth0`,
  );
  return guest;
}

describe('host-only', () => {
  test('guests reach each other and dom0, and nobody else, whatever is forwarded', async () => {
    const before = await net.host.settled();
    const words = ['bridge=vmnet1', 'bridgeip=10.1.1.1/24,fd00:1::1/64'];
    const started = await net.after('network-virtual', 'start', ...words);
    expect(await net.after('network-virtual', 'start', ...words)).toEqual(started);
    expect(net.host.ok('cat', '/proc/sys/net/ipv4/ip_forward').trim()).toBe('0');
    const [one, two] = [guestOn('vmnet1', 1), guestOn('vmnet1', 2)];
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    net.ok('network-nat', 'start', 'dhcp=no', 'ipv6=yes');
    net.host.ok('iptables', '-I', 'FORWARD', '-j', 'ACCEPT');
    const other = net.guest('vif-nat', 3, {}, ['dhcp=no']);
    other.ip('address add 10.0.3.1/16 dev eth0', 'route add default via 10.0.3.128');
    net.outside.ip('route add 10.1.1.0/24 via 192.0.2.2');
    for (const address of ['10.1.1.12', '10.1.1.1', '192.0.2.2', 'fd00:1::3', 'fd00:1::1'])
      expect(one.reaches(address)).toBe(true);
    one.ip('route add default via fd00:1::1');
    for (const address of ['192.0.2.1', '10.0.3.1', '2001:db8::1'])
      expect({ address, reached: one.reaches(address) }).toEqual({ address, reached: false });
    expect(net.outside.reaches('10.1.1.12')).toBe(false);
    expect(other.reaches('10.1.1.12')).toBe(false);
    expect(two.reaches('10.1.1.11')).toBe(true);
    net.end('vif-nat', 3, ['dhcp=no']);
    net.host.ok('iptables', '-D', 'FORWARD', '-j', 'ACCEPT');
    net.ok('network-nat', 'stop');
    net.host.ok(
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=0',
      'net.ipv6.conf.all.forwarding=0',
      'net.ipv4.conf.all.accept_redirects=1',
    );
    for (const domid of [1, 2]) net.end('vif-bridge', domid);
    expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
    expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
  });
});

describe('routed', () => {
  test("the book's line makes guests reachable from outside by a route", async () => {
    const before = await net.host.settled();
    // As xend hands it over, quotes and host bits included.
    net.ok('network-virtual', 'start', 'bridgeip="10.0.0.1/24"', 'brnet="10.0.0.1/24"');
    const guest = guestOn('xenbr0', 1, '10.0.0');
    net.outside.ip('route add 10.0.0.0/24 via 192.0.2.2');
    expect(net.outside.reaches('10.0.0.11')).toBe(true);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    net.end('vif-bridge', 1);
    expect(await net.after('network-virtual', 'stop')).toEqual(before);
  });

  test('a network behind a guest is led through the bridge', () => {
    net.ok('network-virtual', 'start', ...VMNET, 'brnet=10.9.0.0/16');
    const guest = guestOn('vmnet1', 1);
    guest.ip('address add 10.9.0.1/32 dev lo');
    net.outside.ip('route add 10.9.0.0/16 via 192.0.2.2');
    expect(net.outside.reaches('10.9.0.1')).toBe(true);
  });

  test('with antispoof guests pass with addresses of the subnet and with no others', async () => {
    const before = await net.host.settled();
    net.ok('network-virtual', 'start', ...VMNET, 'brnet=10.1.1.0/24', 'antispoof=yes');
    expect(net.rules()).toEqual([
      '-P FORWARD DROP',
      '-A FORWARD -s 10.1.1.0/24 -i vmnet1 ! -o vmnet1 -j ACCEPT',
      '-A FORWARD -d 10.1.1.0/24 ! -i vmnet1 -o vmnet1 -j ACCEPT',
    ]);
    net.outside.ip('route add 10.0.0.0/8 via 192.0.2.2');
    const guest = guestOn('vmnet1', 1);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    guest.ip('address add 10.7.7.7/32 dev eth0', 'route replace default via 10.1.1.1 src 10.7.7.7');
    net.host.ip('route add 10.7.7.7 dev vmnet1');
    expect(guest.reaches('192.0.2.1')).toBe(false);
    net.end('vif-bridge', 1);
    net.host.run(['ip', 'route', 'del', '10.7.7.7']);
    expect(await net.after('network-virtual', 'stop')).toEqual(before);
  });
});

describe('masquerade', () => {
  test.each(['dnsmasq', 'dhcpd'])(
    'guests get their addresses from %s and go outside as dom0',
    async (server) => {
      net.dhcpd('# by hand');
      const before = await net.host.settled();
      const words = [...VMNET, 'masquerade=yes', `dhcp=${server}`];
      const started = await net.after('network-virtual', 'start', ...words);
      expect(net.rules('nat', 'POSTROUTING').slice(1)).toEqual([
        '-A POSTROUTING -s 10.1.1.0/24 -o eth0 -j MASQUERADE',
      ]);
      expect(await net.after('network-virtual', 'start', ...words)).toEqual(started);
      const guest = net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
      expect(net.lease(1)).toMatchObject({
        ip_address: expect.stringMatching(/^10\.1\.1\.(12[89]|1[3-9]\d|2\d\d)$/),
        routers: '10.1.1.1',
        domain_name_servers: '192.0.2.1',
      });
      expect(guest.reaches('192.0.2.1')).toBe(true);
      net.endClient(1);
      net.end('vif-bridge', 1);
      expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
    },
  );

  test('a host-only network hands out no gateway and no name server', () => {
    net.ok('network-virtual', 'start', ...VMNET, 'dhcp=yes');
    net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
    const told = net.lease(1);
    expect(told?.['ip_address']).toMatch(/^10\.1\.1\./);
    expect([told?.['routers'], told?.['domain_name_servers']]).toEqual([undefined, undefined]);
    net.endClient(1);
  });
});

describe('what others did meanwhile', () => {
  test('a bridge that the administrator gave another name is taken away', async () => {
    const before = await net.host.settled();
    net.ok('network-virtual', 'start', ...VMNET);
    net.host.ip('link set vmnet1 down', 'link set vmnet1 name lan1', 'link set lan1 up');
    expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
  });

  test('a bridge that the administrator made anew is left alone', async () => {
    net.ok('network-virtual', 'start', ...VMNET);
    net.host.ip('link del vmnet1', 'link add vmnet1 type bridge', 'address add 10.9.9.1/24 dev vmnet1');
    const { status, stderr } = net.host.hook('network-virtual', ['stop', 'bridge=vmnet1']);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining('vmnet1 was made anew'),
    });
    expect(net.host.ok('ip', '-o', 'address', 'show', 'dev', 'vmnet1')).toContain('10.9.9.1/24');
  });

  test('after a flush status says what isolation is gone, and refilter puts it back', () => {
    net.ok('network-virtual', 'start', ...VMNET);
    const status = () => net.host.hook('network-virtual', ['status']).stderr;
    expect(status()).toBe('');
    net.host.ok('nft', 'flush', 'ruleset');
    expect(status()).toContain(
      'network-virtual vmnet1 lacks the rule "iptables -t mangle -A FORWARD -i vmnet1 ! -o vmnet1 -j DROP"',
    );
    expect(status()).toContain('"xen-network refilter" puts it back');
    expect(net.host.hook('xen-network', ['refilter']).status).toBe(0);
    expect(status()).toBe('');
  });
});

describe('what stands in the way', () => {
  test.each([
    [['bridge=eth0', 'bridgeip=10.1.1.1/24'], /eth0 is a device of this host but no bridge/],
    [['bridgeip=192.0.2.9/24'], /192\.0\.2\.0\/24 .* of eth0/],
    [['bridgeip=10.1.1.1/24', 'brnet=0.0.0.0/0'], /default route/],
    [['masquerade=yes'], /masquerade needs an address of the bridge/],
    [['bridgeip=10.1.1.1'], /say ADDRESS\/LENGTH/],
    [['bridgeip=10.1.1.0/24'], /the network's own address/],
    [['bridgeip=10.1.1.255/24'], /the broadcast address of its network/],
    [['bridgeip=224.0.0.1/24'], /a multicast address/],
    [['bridgeip=127.0.0.2/24'], /a loopback address/],
    [['bridgeip=0.0.0.1/24'], /no address of a host/],
    [['bridgeip=255.255.255.254/30'], /no address of a host/],
    [['bridgeip=ff02::1/64'], /a multicast address/],
    [['bridgeip=::1/64'], /loopback/],
    [['bridgeip=192.0.2.2/16'], /192\.0\.2\.2, which is this host's own, on eth0/],
    [['bridgeip=192.0.2.1/16'], /192\.0\.2\.1, which is this host's gateway to everywhere/],
    [['bridgeip=2001:db8::1/48'], /2001:db8::1, which is this host's gateway/],
    [['bridgeip=10.1.1.1/31', 'dhcp=dnsmasq'], /subnet has room for guests/],
    [['bridge=a/b', 'bridgeip=10.1.1.1/24'], /no usable device name/],
    [['bridge=$(reboot)', 'bridgeip=10.1.1.1/24'], /no usable device name/],
    [['bridgeip=10.1.1.1/24', 'masquerade=yes', 'netdev=nonesuch'], /There is no device nonesuch/],
  ])('%j is refused with a sentence and changes nothing', (words, sentence) => {
    const before = net.host.snapshot();
    const { status, stderr } = net.host.hook('network-virtual', ['start', ...words]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(sentence) });
    expect(net.host.snapshot()).toEqual(before);
  });

  test('a subnet to which this host has a route, an address that a neighbour or a name server has', async () => {
    net.host.ip('route add 10.7.1.0/25 via 192.0.2.1');
    net.host.write('/etc/resolv.conf', 'nameserver 10.9.0.53\n');
    net.outside.ip('address add 10.8.0.9/24 dev eth0');
    net.host.ip('neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev eth0');
    for (const [word, sentence] of [
      [
        'bridgeip=10.7.1.1/24',
        /10\.7\.1\.0\/24 holds 10\.7\.1\.0\/25, to which this host has a route by 192\.0\.2\.1 on eth0/,
      ],
      ['bridgeip=10.9.0.53/24', /10\.9\.0\.53, which is a name server of this host's/],
      ['bridgeip=10.8.0.9/24', /10\.8\.0\.9, which is a neighbour's on eth0/],
    ] as const) {
      const { status, stderr } = net.host.hook('network-virtual', ['start', 'bridge=vmnet1', word]);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(sentence) });
    }
  });

  test('but an address twice, or a link-local one of the usual form, does not', async () => {
    const before = await net.host.settled();
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24,fe80::1/64,10.1.1.1/24');
    expect(await net.after('network-virtual', 'stop', 'bridge=vmnet1')).toEqual(before);
  });

  test.each([
    ['that is bound to it', '--interface=vmnet1 --bind-interfaces'],
    ['that serves all', '--bind-dynamic'],
  ])('a second DHCP server on the bridge, beside one of the administrator %s', async (_what, words) => {
    net.host.ip('link add vmnet1 type bridge', 'link set vmnet1 up', 'address add 10.1.1.1/24 dev vmnet1');
    const files = '--pid-file=/run/theirs --dhcp-leasefile=/run/leases --conf-file=/dev/null --user=root';
    const range = '--port=0 --dhcp-range=10.1.1.50,10.1.1.60';
    net.host.ok('dnsmasq', ...`${files} ${range} ${words}`.split(' '));
    const before = net.host.snapshot();
    const start = (...more: string[]) => net.host.hook('network-virtual', ['start', ...VMNET, ...more]);
    const refused = /dnsmasq \(process \d+\) hands out addresses on vmnet1 already/;
    expect(start('dhcp=yes')).toMatchObject({ status: 1, stderr: expect.stringMatching(refused) });
    expect(net.host.snapshot()).toEqual(before);
    expect(start().status).toBe(0);
    net.host.ok('sh', '-c', 'kill "$(cat /run/theirs)"');
  });

  test('but one of another bridge does not', () => {
    net.host.ip('link add other0 type bridge', 'link set other0 up', 'address add 10.7.7.1/24 dev other0');
    const words =
      '--port=0 --dhcp-range=10.7.7.50,10.7.7.60 --interface=other0 --bind-interfaces --except-interface=lo';
    const files = '--pid-file=/run/theirs --dhcp-leasefile=/run/leases --conf-file=/dev/null --user=root';
    net.host.ok('dnsmasq', ...`${files} ${words}`.split(' '));
    net.ok('network-virtual', 'start', ...VMNET, 'dhcp=yes');
    net.ok('network-virtual', 'start', 'bridge=vmnet2', 'bridgeip=10.1.2.1/24', 'dhcp=yes');
    net.host.ok('sh', '-c', 'kill "$(cat /run/theirs)"');
  });

  test('another form of the same bridge needs a stop first', () => {
    net.ok('network-virtual', 'start', ...VMNET);
    const { status, stderr } = net.host.hook('network-virtual', ['start', ...VMNET, 'masquerade=yes']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/host-only network already/),
    });
  });
});
