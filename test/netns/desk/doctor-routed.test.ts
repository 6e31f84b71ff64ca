import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROTO, udp } from '../../support/frames/packets.ts';
import { ipv4Frame } from '../../support/frames/sender.ts';
import { flood } from '../../support/frames/wire.ts';
import { doctorOf, findAll, named } from '../../support/hosts/doctor.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;

const ip = (...lines: string[]) => net.host.ip(...lines);
const sh = (script: string) => net.host.ok('sh', '-c', script);

describe('on a host that routes', () => {
  beforeAll(async () => {
    net = await NetHost.create();
    net.ok('network-route', 'start', 'ipv6=yes');
    net.guest('vif-route', 1, {
      ip: '192.0.2.11 2001:db8::11',
      script: '/etc/xen/scripts/vif-route',
    });
    named(net);
  });
  afterAll(() => net.host.close());

  findAll(
    () => net,
    [
      [
        'no forwarding',
        () => sh('sysctl -qw net.ipv4.ip_forward=0'),
        /net\.ipv4\.ip_forward is 0, and web is routed to.*network-route start/,
        () => sh('sysctl -qw net.ipv4.ip_forward=1'),
      ],
      [
        'no forwarding of IPv6',
        () => sh('sysctl -qw net.ipv6.conf.all.forwarding=0'),
        /net\.ipv6\.conf\.all\.forwarding is 0, and web is routed to/,
        () => sh('sysctl -qw net.ipv6.conf.all.forwarding=1'),
      ],
      [
        'a card that does not answer for the guest',
        () => sh('sysctl -qw net.ipv4.conf.eth0.proxy_arp=0'),
        /proxy_arp of eth0 is 0, and 192\.0\.2\.11 is routed to guests.*sysctl -w net\.ipv4\.conf\.eth0\.proxy_arp=1/,
        () => sh('sysctl -qw net.ipv4.conf.eth0.proxy_arp=1'),
      ],
      [
        'nobody who answers for its IPv6 address',
        () => sh('ip -6 neigh del proxy 2001:db8::11 dev eth0'),
        /Nobody answers on eth0 for 2001:db8::11, which is routed to guests/,
        () => sh('ip -6 neigh add proxy 2001:db8::11 dev eth0'),
      ],
      [
        'a route that is gone',
        () => sh('ip route show 192.0.2.11 >/run/route; ip route del 192.0.2.11'),
        /There is no route to 192\.0\.2\.11 by vif1\.0 any more.*xen-network reattach web/,
        () => sh('ip route add $(cat /run/route)'),
      ],
      [
        'a card with a smaller MTU',
        () => ip('link set eth0 mtu 1400'),
        /vif1\.0 of web has the MTU 1500, and eth0, by which its packets leave, 1400.*mtu=1400/,
        () => ip('link set eth0 mtu 1500'),
      ],
      [
        'a firewall that drops what is forwarded',
        () =>
          sh(
            'nft "add table inet fw; add chain inet fw f { type filter hook forward priority 0; policy drop; }"',
          ),
        /vif1\.0 is cut off from what this host forwards to: the chain inet fw f drops/,
        () => sh('nft delete table inet fw'),
      ],
      [
        'a guest outside of the network of the card, to which the gateway needs a route',
        () => void net.guest('vif-route', 2, { ip: '10.9.9.9', script: '/etc/xen/scripts/vif-route' }),
        /^note \(network\): The gateway 192\.0\.2\.1 needs a route to 10\.9\.9\.9.*"ip route add 10\.9\.9\.9 via 192\.0\.2\.2"\.\n0 errors, 0 warnings, 1 note\.$/m,
        () => {
          net.end('vif-route', 2);
          net.store.forget(2, 0);
        },
      ],
    ],
  );
});

describe('on a host with NAT', () => {
  const frame = () => {
    const macs = ['vif1.0', 'guest'].map((end) =>
      end === 'guest'
        ? net.store.read('backend/vif/1/0/mac')?.trim()
        : net.host.ok('cat', '/sys/class/net/vif1.0/address').trim(),
    );
    const [own = ''] = net.host.ok('ip', 'route', 'show', 'dev', 'vif1.0').split(' ');
    const self = { mac: macs[1] ?? '', v4: own, v6: '' };
    // A checksum that is not zero and not right.
    const wrong = udp(1000, 2000).replace(/^(.{12}).{4}/, '$11234');
    return ipv4Frame(self, { from: own, to: '192.0.2.2', proto: PROTO.udp }, wrong, {
      to: macs[0] ?? '',
    });
  };

  beforeAll(async () => {
    net = await NetHost.create();
    ip('link add eth9 type veth peer name far9', 'link set eth9 up', 'address add 198.51.100.1/24 dev eth9');
    net.ok('network-nat', 'start', 'dhcp=no');
    net.guest('vif-nat', 1, { script: '/etc/xen/scripts/vif-nat' }, ['dhcp=no']);
    named(net);
  });
  afterAll(() => net.host.close());

  findAll(
    () => net,
    [
      [
        'a table nat that was flushed',
        () => sh('iptables -t nat -F'),
        /web is behind NAT \(vif-nat\), and nothing masquerades their packets: they leave by eth0/,
        () => void net.host.hook('xen-network', ['refilter']),
      ],
      [
        'a network whose card is gone',
        () => {
          net.ok('network-nat', 'start', 'netdev=eth9', 'dhcp=no');
          ip('link del eth9');
        },
        /network-nat was started on eth9, which is gone.*network-nat stop/,
        () => net.host.hook('network-nat', ['stop', 'netdev=eth9']),
      ],
    ],
  );

  test('packets with wrong checksums', async () => {
    const stop = flood(net.host, { netns: 'guest1', device: 'eth0' }, [frame()]);
    try {
      await waitUntil('such a packet', () =>
        /^UdpInCsumErrors +[1-9]/m.test(net.host.ok('nstat', '-asz', 'UdpInCsumErrors')),
      );
    } finally {
      stop();
    }
    expect(doctorOf(net).stdout).toMatch(
      /This host received \d+ packets with a wrong checksum, and guests behind NAT.*ethtool -K vif1\.0 tx off/,
    );
  });
});
