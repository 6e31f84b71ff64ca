import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doctorOf, findAll, named } from '../../support/hosts/doctor.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

const sh = (script: string) => net.host.ok('sh', '-c', script);

describe('on a strict host with a network of its own', () => {
  beforeAll(async () => {
    net = await NetHost.create();
    net.ok(
      'network-virtual',
      'start',
      'bridge=vmnet1',
      'bridgeip=10.1.1.1/24',
      'masquerade=yes',
      'dhcp=dnsmasq',
      'antispoof=strict',
    );
    net.guest('vif-bridge', 1, {
      bridge: 'vmnet1',
      ip: '10.1.1.11',
      script: '/etc/xen/scripts/vif-bridge',
    });
    named(net);
  });
  afterAll(() => net.host.close());

  findAll(
    () => net,
    [
      [
        'a strict guest whose record is gone',
        () => sh('mv /run/xen-network/strict/vif1.0 /run/kept'),
        /vif1\.0 is to be held by antispoof=strict, and is not/,
        () => sh('mv /run/kept /run/xen-network/strict/vif1.0'),
      ],
      [
        'a strict guest that xenstore gives another address',
        () => net.store.write({ 'backend/vif/1/0/ip': '10.1.1.99' }),
        /What antispoof=strict holds vif1\.0 to is not what xenstore says/,
        () => net.store.write({ 'backend/vif/1/0/ip': '10.1.1.11' }),
      ],
      [
        'a strict guest without ip=',
        () => void net.guest('vif-bridge', 2, { bridge: 'vmnet1' }),
        /vif2\.0 of 2 has no ip=, so antispoof=strict checks its MAC address alone/,
        () => {
          net.end('vif-bridge', 2);
          net.store.forget(2, 0);
        },
      ],
      [
        'elements that somebody removed',
        () => sh('nft flush set bridge xen_network macs'),
        /The strict filter is damaged: somebody changed the elements of vif1\.0.*xen-network refilter/,
        () => void net.host.hook('xen-network', ['refilter']),
      ],
      [
        'a second DHCP server',
        () =>
          sh(
            'dnsmasq --conf-file=/dev/null --port=0 --bind-dynamic --interface=vmnet1 --except-interface=lo --dhcp-range=10.1.1.50,10.1.1.60 --pid-file=/run/other.pid --dhcp-leasefile=/run/other.leases',
          ),
        /dnsmasq \(process \d+\) hands out addresses on vmnet1, too/,
        () => sh('p=$(cat /run/other.pid); kill $p; while [ -e /proc/$p ]; do sleep 0.02; done'),
      ],
    ],
  );

  test('a DHCP server that does not run', () => {
    sh('p=$(cat /run/xen-network/dnsmasq/*.pid); kill $p; while [ -e /proc/$p ]; do sleep 0.02; done');
    expect(doctorOf(net).stdout).toMatch(
      /dnsmasq does not run, though network-virtual on vmnet1 serves DHCP by it/,
    );
  });
});
