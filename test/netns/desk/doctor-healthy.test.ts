import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doctorOf, named, SILENT } from '../../support/hosts/doctor.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';

let net: NetHost;

const ip = (...lines: string[]) => net.host.ip(...lines);

describe('a healthy host is silent', () => {
  beforeAll(async () => {
    net = await NetHost.create();
    startOpenVswitch(net.host, 'ovsbr0');
    ip('link add eth1 type veth peer name far1', 'link set eth1 up', 'link set far1 up');
  });
  afterAll(() => net.host.close());

  /** What starts it, a guest's hook with its card, and what ends it. */
  const SETUPS: readonly (readonly [
    name: string,
    start: readonly (readonly string[])[],
    guest: readonly [hook: string, values: Record<string, string>, words?: readonly string[]],
  ])[] = [
    ['nothing', [], ['', {}]],
    ['classic', [['network-bridge']], ['vif-bridge', { bridge: 'xenbr0', ip: '192.0.2.11' }]],
    [
      'rename',
      [['network-bridge', 'topology=rename']],
      ['vif-bridge', { bridge: 'eth0', ip: '192.0.2.11 2001:db8::11' }],
    ],
    ['plain', [['network-bridge', 'topology=plain']], ['vif-bridge', { bridge: 'xenbr0' }]],
    [
      'antispoof=yes',
      [['network-bridge', 'antispoof=yes']],
      ['vif-bridge', { bridge: 'xenbr0', ip: '192.0.2.11' }],
    ],
    [
      'antispoof=strict',
      [['network-bridge', 'antispoof=strict']],
      ['vif-bridge', { bridge: 'xenbr0', ip: '192.0.2.11' }],
    ],
    ['route', [['network-route', 'ipv6=yes']], ['vif-route', { ip: '192.0.2.11 2001:db8::11' }]],
    ['strict route', [['network-route', 'antispoof=strict']], ['vif-route', { ip: '192.0.2.11' }]],
    ['nat', [['network-nat', 'dhcp=no']], ['vif-nat', {}, ['dhcp=no']]],
    ['strict nat', [['network-nat', 'dhcp=no', 'antispoof=strict']], ['vif-nat', {}, ['dhcp=no']]],
    [
      'virtual with NAT and DHCP',
      [['network-virtual', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'masquerade=yes', 'dhcp=dnsmasq']],
      ['vif-bridge', { bridge: 'vmnet1' }],
    ],
    [
      'several networks',
      [['network-multi-bridge', 'network-bridge', 'netdev=eth1', 'network-nat', 'dhcp=no']],
      ['vif-bridge', { bridge: 'xenbr1' }],
    ],
    ['Open vSwitch', [], ['vif-openvswitch', { bridge: 'ovsbr0' }]],
  ];

  test.each(SETUPS)('%s, with and without a guest', (_, calls, [hook, values, words = []]) => {
    try {
      for (const [name = '', ...variables] of calls) net.ok(name, 'start', ...variables);
      expect(doctorOf(net)).toMatchObject(SILENT);
      if (hook === '') return;
      net.guest(hook, 1, { ...values, script: `/etc/xen/scripts/${hook}` }, words);
      named(net);
      expect(doctorOf(net)).toMatchObject(SILENT);
      expect(doctorOf(net, 'web').stdout).toMatch(/^web +card 0 [\s\S]*Nothing was found that is wrong/m);
    } finally {
      if (hook !== '') net.end(hook, 1, words);
      net.store.forget(1, 0);
      for (const [name = '', ...variables] of calls) net.ok(name, 'stop', ...variables.filter(isPlace));
    }
  });

  test('as JSON it has a version and the host', () => {
    const host = net.host.ok('cat', '/proc/sys/kernel/hostname').trim();
    expect(JSON.parse(doctorOf(net, '--json').stdout)).toEqual({ version: 1, host, found: [] });
  });
});

function isPlace(word: string): boolean {
  return !word.includes('=') || /^(netdev|bridge|topology)=/.test(word);
}
