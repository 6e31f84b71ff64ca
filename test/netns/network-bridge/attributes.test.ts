import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';
import { createPluggedHost } from '../../support/models/bridge-state.ts';
import { waitUntil } from '../../support/wait.ts';

let host: Host;

beforeEach(async () => {
  host = await createPluggedHost();
});

afterEach(() => host.close());

test('what listens on the card itself cannot follow: it is named, with the process, in a dry run too', async () => {
  const words =
    '-k --conf-file=/dev/null --port=0 --interface=eth0 --except-interface=lo --bind-interfaces --user=root';
  const places = '--pid-file=/run/listener --dhcp-leasefile=/run/leases --dhcp-range=192.0.2.50,192.0.2.60';
  const listener = host.start(['dnsmasq', ...words.split(' '), ...places.split(' ')]);
  await waitUntil('the listener', () => host.ok('ss', '-Hantupw').includes('%eth0:'));
  for (const call of [['start', '--dry-run'], ['start']])
    expect(host.hook('network-bridge', call).stderr).toMatch(
      /These listen on eth0 itself and will receive nothing .* dnsmasq \(process \d+\) at 0\.0\.0\.0%eth0:67/,
    );
  host.ok('sh', '-c', 'kill "$(cat /run/listener)"');
  await listener;
});

test.each(['classic', 'plain'])(
  '%s: a gateway that answered before and does not since the start is named, and the start stands',
  (topology) => {
    expect(host.reaches('192.0.2.1')).toBe(true);
    const gateway = host.netns('gw-eth0');
    const [, device = ''] = /^\d+: ([^:@]+)@/m.exec(gateway.ok('ip', 'link', 'show', 'type', 'veth')) ?? [];
    gateway.ip(`link set ${device} arp off`);
    const ran = host.hook('network-bridge', ['start', `topology=${topology}`]);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain('The gateway 192.0.2.1 does not answer on');
    gateway.ip(`link set ${device} arp on`);
    expect(host.hook('network-bridge', ['stop'])).toMatchObject({ status: 0, stderr: '' });
  },
);

test('a start that is taken back leaves next hops and routes as they were', async () => {
  host.ip('nexthop add id 10 via 192.0.2.1 dev eth0', 'route del default', 'route add default nhid 10');
  const seen = () => host.ok('ip', 'nexthop') + host.ok('ip', '-4', 'route').replace(/ linkdown/g, '');
  const before = seen();
  expect(host.hook('network-bridge', ['start', 'check=203.0.113.77']).status).toBe(1);
  expect(seen()).toBe(before);
});

describe.each([
  ['classic', 'eth0'],
  ['rename', 'eth0'],
  ['plain', 'xenbr0'],
] as const)(
  'what the kernel knows of a card is with the addresses, and back after stop (%s)',
  (topology, top) => {
    const call = (word: string) => host.hook('network-bridge', [word, `topology=${topology}`, 'netdev=eth0']);

    test('the identifier for routers’ prefixes (ip token)', () => {
      host.ok('sysctl', '-qw', 'net.ipv6.conf.eth0.accept_ra=1');
      host.ok('ip', 'token', 'set', '::5', 'dev', 'eth0');
      expect(call('start')).toEqual(FINE);
      expect(host.ok('ip', 'token', 'get', 'dev', top)).toContain('token ::5 ');
      expect(call('stop')).toEqual(FINE);
      expect(host.ok('ip', 'token', 'get', 'dev', 'eth0')).toContain('token ::5 ');
    });

    test('next hops that are objects, their groups, and the routes that lead by them', async () => {
      host.ip(
        'nexthop add id 10 via 192.0.2.1 dev eth0',
        'nexthop add id 11 via 192.0.2.9 dev eth0 onlink',
        'nexthop add id 12 via 2001:db8::1 dev eth0',
        'nexthop add id 20 group 10,3/11',
        'route add 198.51.100.0/24 nhid 20 metric 7',
        'route add 198.51.101.0/24 nhid 10',
        'route add 2001:db8:9::/64 nhid 12',
      );
      const seen = (dev: string) =>
        ['-4 route show', '-6 route show', 'nexthop show']
          .map((words) => host.ok('ip', ...words.split(' ')))
          .join('')
          .split('\n')
          .filter((line) => /nhid|^id /.test(line))
          .map((line) => line.replaceAll(` ${dev} `, ' DEV ').replace(/ linkdown/g, ''))
          .sort();
      const before = seen('eth0');
      expect(before).toHaveLength(7);
      expect(call('start')).toEqual(FINE);
      expect(seen(top)).toEqual(before);
      expect(call('stop')).toEqual(FINE);
      expect(seen('eth0')).toEqual(before);
    });

    test('neighbours that were set by hand, whether they are asked for or not', () => {
      const found = (dev: string) =>
        ['permanent', 'noarp'].map((nud) => host.ok('ip', '-4', 'neigh', 'show', 'nud', nud, 'dev', dev));
      host.ip('neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud noarp');
      host.ip('neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev eth0 nud permanent');
      const both = [expect.stringContaining('192.0.2.78'), expect.stringContaining('192.0.2.77')];
      expect(call('start')).toEqual(FINE);
      expect(found(top)).toEqual(both);
      expect(call('stop')).toEqual(FINE);
      expect(found('eth0')).toEqual(both);
    });
  },
);
