import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const doctor = (...words: string[]) => net.host.hook('xen-network', ['doctor', ...words]);

/** A bridged host with a guest called web. */
function bridged(...words: string[]): void {
  net.ok('network-bridge', 'start', 'netdev=eth0', ...words);
  net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.11' });
  net.store.write({ '/local/domain/1/name': 'web' });
}

describe('a healthy host', () => {
  const SETUPS: readonly (readonly [name: string, setUp: () => void])[] = [
    ['with nothing', () => {}],
    ['with a bridge', () => bridged()],
    ['with antispoof=yes', () => bridged('antispoof=yes')],
    ['with antispoof=strict', () => bridged('antispoof=strict')],
    [
      'with routed guests',
      () => {
        net.ok('network-route', 'start');
        net.guest('vif-route', 1, { ip: '192.0.2.11' });
      },
    ],
    [
      'with NAT',
      () => {
        net.ok('network-nat', 'start', 'dhcp=no');
        net.guest('vif-nat', 1, {}, ['dhcp=no']);
      },
    ],
    [
      'with a network of its own',
      () => {
        net.ok(
          'network-virtual',
          'start',
          'bridge=vmnet1',
          'bridgeip=10.1.1.1/24',
          'masquerade=yes',
          'dhcp=no',
        );
        net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
      },
    ],
  ];

  test.each(SETUPS)('%s: nothing is found', (_, setUp) => {
    setUp();
    expect(doctor()).toMatchObject({ status: 0, stdout: 'Nothing was found that is wrong.\n', stderr: '' });
    expect(JSON.parse(doctor('--json').stdout)).toMatchObject({ version: 1, found: [] });
  });
});

describe('what is wrong is said, with what to do', () => {
  const FAULTS: readonly (readonly [name: string, fault: () => void, sentence: RegExp])[] = [
    ['a bridge that is down', () => net.host.ip('link set xenbr0 down'), /The bridge xenbr0 is down/],
    [
      'a bridge that was deleted',
      () => net.host.ip('link del xenbr0'),
      /xenbr0 was deleted.*xen-network recover/,
    ],
    [
      'a card without carrier',
      () => net.host.netns('gw-eth0').ip('link set eth0 down'),
      /peth0, the card of xenbr0, has no carrier/,
    ],
    [
      'a guest off its bridge',
      () => net.host.ip('link set vif1.0 nomaster'),
      /vif1\.0 of web is on no network.*xen-network reattach web/,
    ],
    [
      'a guest on another bridge',
      () => net.host.ip('link add other type bridge', 'link set other up', 'link set vif1.0 master other'),
      /vif1\.0 of web is on other; xenstore says xenbr0/,
    ],
    [
      'two guests with one address',
      () => void net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.11' }),
      /web and 2 have the address 192\.0\.2\.11 2 times/,
    ],
    [
      'two guests with one MAC address',
      () => {
        const mac = net.store.read('backend/vif/1/0/mac')?.trim() ?? '';
        net.guest('vif-bridge', 2, { bridge: 'xenbr0' });
        net.store.write({ 'backend/vif/2/0/mac': mac });
      },
      /web and 2 have the MAC address/,
    ],
    [
      'an MTU that is smaller below',
      () => net.host.ip('link set peth0 mtu 1400'),
      /vif1\.0 of web has the MTU 1500, its bridge xenbr0 1400/,
    ],
    [
      'rules that were flushed',
      () => net.host.ok('iptables', '-F', 'FORWARD'),
      /vif1\.0 lacks \d+ of its rules in FORWARD.*xen-network refilter/,
    ],
    [
      'a hook that failed',
      () => {
        net.card(3, { bridge: 'nowhere' });
        net.call('vif-bridge', 'online', 3);
      },
      /vif3\.0 of 3: .*nowhere/,
    ],
    [
      'a script over our link',
      () => {
        net.host.ok('rm', '/etc/xen/scripts/vif-nat');
        net.host.write('/etc/xen/scripts/vif-nat', '#!/bin/sh\n', '755');
      },
      /vif-nat in \/etc\/xen\/scripts: not this program/,
    ],
    [
      'a start that waits for its confirmation',
      () => net.host.hook('network-route', ['start', 'netdev=eth0', 'confirm=600']),
      /network-route\.eth0 is undone in \d+ s.*xen-network confirm/,
    ],
  ];

  test.each(FAULTS)('%s', (_, fault, sentence) => {
    bridged();
    fault();
    const ran = doctor();
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 1, stderr: '' });
    expect(ran.stdout).toMatch(sentence);
    expect(ran.stdout).toMatch(/\d+ errors?, \d+ warnings?\.\n$/);
  });

  test('routed and masqueraded guests need what the network hooks set', () => {
    net.guest('vif-route', 1, { ip: '192.0.2.11' });
    net.guest('vif-nat', 2, { script: '/etc/xen/scripts/vif-nat' }, ['dhcp=no']);
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    const { stdout } = doctor();
    expect(stdout).toMatch(/ip_forward is 0/);
    expect(stdout).toMatch(/2 are behind NAT \(vif-nat\), and nothing masquerades/);
  });
});

describe('doctor GUEST', () => {
  test("shows the way of the guest's packets, and what concerns it alone", () => {
    bridged();
    net.guest('vif-bridge', 2, { bridge: 'xenbr0' });
    net.host.ip('link set vif2.0 nomaster');
    const { status, stdout } = doctor('web');
    expect(status).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ['DEVICE', 'IS'],
      ['vif1.0', "the guest's end in dom0"],
      ['xenbr0', 'bridge'],
      ['peth0', 'card'],
      [''],
      ['Nothing was found that is wrong.'],
      [''],
    ]);
    expect(doctor('2').stdout).toMatch(/vif2\.0 of 2 is on no network/);
  });

  test('one that is not there is said', () => {
    expect(doctor('web')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/There is no guest "web"/),
    });
  });
});
