import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Ran } from '../../support/hosts/namespace.ts';
import { createPluggedHost, differences, look, settled } from '../../support/models/bridge-state.ts';

let host: Host;

beforeEach(async () => {
  host = await createPluggedHost();
});

afterEach(() => host.close());

function bridge(...words: string[]): Ran {
  return host.hook('network-bridge', words);
}

const REFUSED: readonly (readonly [words: readonly string[], sentence: RegExp])[] = [
  [['netdev=nosuch0'], /There is no device nosuch0\. The devices of this host are eth0, eth9/],
  [['netdev=lo'], /lo is no Ethernet device \(its type is loopback\)/],
  [['bridge=eth9'], /eth9 is a device of this host but no bridge\. Name another one by bridge=/],
  [['bridge=eth0'], /The bridge cannot be called eth0 as its card is/],
  [['bridge=peth0'], /The bridge cannot be called peth0, a name that eth0 needs itself/],
  [
    ['bridge=busy0'],
    /The bridge busy0 serves eth9 already\. Name another one for eth0 by bridge= or vifnum=/,
  ],
  [['netdev=eth9'], /eth9 belongs to busy0 already/],
  [['bridge=own0', 'topology=plain'], /The bridge own0 has addresses of its own/],
  [['bridge=own0', 'topology=rename'], /The bridge own0 is there already, and topology=rename makes its own/],
  [['vifnum=5'], /The name vif0\.5, which eth0 needs for its bridge, is taken by another device/],
  [['vifnum=x'], /vifnum is "x"; say a whole number from 0 to 99999/],
  [['topology=star'], /topology is "star"; say one of classic, rename and plain/],
  [['antispoof=maybe'], /antispoof is "maybe"; say /],
  [['bridge=a/b'], /bridge is "a\/b", which is no usable device name/],
  [['check=nowhere'], /check is "nowhere"; say one IPv4 or IPv6 address/],
  [['confirm=0'], /confirm is "0"; say a whole number from 1 to 86400/],
];

describe('what is refused, with nothing changed and one sentence that says what to do', () => {
  test('all that cannot be done', async () => {
    host.nic('eth9');
    host.ip('link add busy0 type bridge', 'link set eth9 master busy0', 'link add own0 type bridge');
    host.ip('address add 172.30.0.1/24 dev own0', 'link add vif0.5 type bridge');
    const before = await settled(host);
    for (const [words, sentence] of REFUSED) {
      const ran = bridge('start', ...words);
      expect({ words, ...ran }).toMatchObject({ words, status: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^network-bridge: .*\.\n$/);
      expect(ran.stderr).toMatch(sentence);
    }
    expect(differences(before, look(host))).toEqual([]);
  });

  test('a card that carries a macvlan device', async () => {
    host.ok('ip', 'link', 'add', 'mv0', 'link', 'eth0', 'type', 'macvlan');
    expect(bridge('start').stderr).toMatch(
      /eth0 carries the macvlan device mv0, and cannot be the port of a bridge/,
    );
  });

  test('a card that is bridged already, for another bridge', async () => {
    expect(bridge('start')).toEqual(FINE);
    expect(bridge('start', 'bridge=other')).toMatchObject({ status: 1 });
    expect(bridge('start', 'bridge=other').stderr).toContain('eth0 is on the bridge xenbr0 already');
    expect(bridge('start', 'netdev=peth0').stderr).toContain('peth0 belongs to xenbr0 already');
  });

  test('a folder that cannot be written', async () => {
    host.ok('sh', '-c', 'mkdir /run/xen-network && mount -t tmpfs -o ro,mode=755 tmpfs /run/xen-network');
    const before = await settled(host);
    const ran = bridge('start');
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(
      /\/run\/xen-network\/\S+ cannot be written: the file system is read-only \(EROFS\)/,
    );
    expect(differences(before, look(host))).toEqual([]);
  });

  test('what is mistyped, before anything is looked at', async () => {
    const before = await settled(host);
    const slips = [
      '--dryrun',
      '-N',
      '--netdev=eth0',
      'netdev = eth0',
      'netdev= eth0',
      'netdv=eth0',
      'dry',
      'stop',
    ];
    for (const slip of slips)
      for (const command of ['start', 'status']) {
        const ran = bridge(command, ...slip.split(' '));
        expect({ slip, ...ran }).toMatchObject({ slip, status: 1, stdout: '' });
        expect(ran.stderr).toMatch(/^network-bridge: .*Nothing was changed\.\n$/);
      }
    for (const hook of ['network-nat', 'network-route', 'network-virtual', 'network-multi-bridge'])
      expect(host.hook(hook, ['start', '--dryrun'])).toMatchObject({ status: 1 });
    expect(host.hook('network-multi-bridge', ['start', 'network-bridge', 'netdv=eth0']).stderr).toContain(
      'In "network-bridge netdv=eth0": "netdv=eth0" sets no variable of this hook; did you mean netdev=eth0?',
    );
    expect(host.hook('network-multi-bridge', ['start', 'network-brige', 'netdev=eth0']).stderr).toContain(
      'did you mean network-bridge?',
    );
    expect(differences(before, look(host))).toEqual([]);
  });

  test('nothing at all where start is only to be shown', async () => {
    const before = await settled(host);
    for (const how of ['-n', '--dry-run']) expect(bridge('start', how).stdout).toContain('ip link');
    for (const wish of ['1', 'yes', 'true'])
      expect(host.hook('network-bridge', ['start'], { XEN_NETWORK_DRY_RUN: wish }).stdout).toContain(
        'ip link',
      );
    expect(differences(before, look(host))).toEqual([]);
  });

  test('a word that is no command', async () => {
    expect(bridge('begin').stderr).toBe(
      'network-bridge: "begin" is no command of this hook; say one of start, stop and status. Nothing was changed.\n',
    );
  });
});

describe("a firewall that lets nobody in any more once the card's addresses are another device's", () => {
  const RULES = [
    'add table inet f',
    'add chain inet f in { type filter hook input priority 0; policy drop; }',
    'add rule inet f in iif eth0 accept',
  ];

  test('is named and keeps a start from being made, but with check= or force=yes', async () => {
    host.ok('nft', RULES.join('; '));
    const before = await settled(host);
    const shown = bridge('start', '--dry-run');
    expect(shown.stdout).toMatch(/^# The firewall has rules .*"inet f in: iif eth0 accept"/m);
    const refused = bridge('start');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/Nothing was changed, .*"inet f in: iif eth0 accept"/);
    expect(differences(before, await settled(host))).toEqual([]);
    expect(bridge('start', 'check=192.0.2.77').stderr).toMatch(/192\.0\.2\.77 did not answer/);
    expect(differences(before, await settled(host))).toEqual([]);
    const forced = bridge('start', 'force=yes');
    expect(forced.status).toBe(0);
    expect(forced.stderr).toMatch(/inet f in: iif eth0 accept/);
  });
});

test('a firewall that lets the host answer by its card alone is named and keeps a start from being made', async () => {
  for (const rule of ['-A OUTPUT -o lo -j ACCEPT', '-A OUTPUT -o eth0 -j ACCEPT', '-P OUTPUT DROP'])
    host.ok('iptables', ...rule.split(' '));
  const before = await settled(host);
  const refused = bridge('start', 'topology=plain');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(
    /Nothing was changed, .*drop what goes out.*"ip filter OUTPUT: -o eth0 -j ACCEPT"/,
  );
  expect(differences(before, await settled(host))).toEqual([]);
  host.ok('iptables', '-I', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT');
  expect(bridge('start', 'topology=plain').status).toBe(0);
});

describe.each([
  ['plain', 'ip', 'iifname xenbr0 accept'],
  ['classic', 'inet', 'iif eth0 accept'],
  ['rename', 'inet', 'iif eth0 accept'],
])('a firewall that lets packets in by what stop takes away (%s)', (topology, family, rule) => {
  const call = (...words: string[]) => bridge(...words, `topology=${topology}`, 'netdev=eth0');

  test('is named, and stop refused unless it is forced', async () => {
    expect(call('start')).toEqual(FINE);
    const table = `${family} f`;
    for (const words of [
      `add table ${table}`,
      `add chain ${table} in { type filter hook input priority 0; policy drop; }`,
      `add rule ${table} in iif lo accept`,
      `add rule ${table} in ${rule}`,
    ])
      host.ok('nft', words);
    const before = await settled(host);
    const shown = call('stop', '--dry-run');
    expect(shown.stdout).toMatch(/^# The firewall has rules that match /m);
    expect(shown.stdout).toContain('the host lets nobody in');
    const refused = call('stop');
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/Nothing was changed, .* lets packets in by .* or say force=yes\./);
    expect(differences(before, look(host))).toEqual([]);
    const forced = call('stop', 'force=yes');
    expect(forced.status).toBe(0);
    expect(forced.stderr).toMatch(/The firewall has rules that match /);
  });

  test('is right where it names the card as well', () => {
    expect(call('start')).toEqual(FINE);
    const card = topology === 'plain' ? 'iifname eth0' : 'iif peth0';
    host.ok('nft', `add table ${family} f`);
    host.ok('nft', `add chain ${family} f in { type filter hook input priority 0; policy drop; }`);
    for (const each of [rule, `${card} accept`]) host.ok('nft', `add rule ${family} f in ${each}`);
    expect(call('stop')).toMatchObject({ status: 0 });
  });
});
