import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

const GUEST = { 4: '192.0.2.77', 6: '2001:db8::77' } as const;

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  // A rule that asks for connections makes the kernel track them.
  for (const tool of ['iptables', 'ip6tables'])
    net.host.ok(tool, '-t', 'mangle', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW');
});

afterEach(() => net.host.close());

const raw = (family: 4 | 6 = 4): string[] => net.rules('raw', 'PREROUTING', family).slice(1);
const cardRule = (port: string): string =>
  `-A PREROUTING -m physdev --physdev-in ${port} -m addrtype ! --dst-type LOCAL -j CT --notrack`;
/** The connections of the guest that the kernel knows of, but for those with the host itself. */
const connections = (): string[] =>
  net.host
    .ok('cat', '/proc/net/nf_conntrack')
    .split('\n')
    .filter((line) => line.includes(`=${GUEST[4]} `) || /=2001:0?db8:(0000:)*0077 /.test(line))
    .filter((line) => !/192\.0\.2\.2 |:0002 /.test(line));

/** A guest on the bridge that has talked with the outside and the host in both families and from both sides. */
async function talkingGuest(bridge: string, ...words: string[]) {
  const guest = net.guest('vif-bridge', 1, { bridge, ip: `${GUEST[4]} ${GUEST[6]}` }, words);
  guest.ip(`address add ${GUEST[4]}/24 dev eth0`, `address add ${GUEST[6]}/64 dev eth0`);
  await waitUntil('the guest to be answered', () => guest.reaches('192.0.2.1'));
  for (const to of ['192.0.2.2', '2001:db8::1', '2001:db8::2'])
    expect({ to, answered: guest.reaches(to) }).toEqual({ to, answered: true });
  for (const from of [net.outside, net.host])
    for (const to of Object.values(GUEST)) expect(from.reaches(to)).toBe(true);
  return guest;
}

const tables = (): string => net.host.ok('nft', 'list', 'tables');

describe("tables of nft that are there only for hooks' rules", () => {
  test('go with stop and with the undo of a start, and others stay', () => {
    net.host.ok('nft', 'add table ip nat { chain POSTROUTING { type nat hook postrouting priority 100; }; }');
    const before = tables();
    net.ok('network-bridge', 'start', 'topology=plain', 'antispoof=yes');
    net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: GUEST[4] });
    net.ok('network-nat', 'start', 'netdev=xenbr0');
    expect(tables()).not.toBe(before);
    net.end('vif-bridge', 1);
    net.ok('network-nat', 'stop');
    net.ok('network-bridge', 'stop');
    expect(tables()).toBe(before);
    expect(net.host.hook('network-bridge', ['start', 'antispoof=yes', 'check=198.51.100.77']).status).toBe(1);
    expect(tables()).toBe(before);
  });

  test('stay where somebody has put something in meanwhile', () => {
    net.ok('network-bridge', 'start', 'topology=plain', 'antispoof=yes');
    net.host.ok('iptables', '-t', 'raw', '-N', 'MINE');
    net.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    net.ok('network-bridge', 'stop');
    expect(net.host.ok('iptables', '-t', 'raw', '-S')).toContain('-N MINE');
    expect(tables()).not.toContain('table ip6 raw');
  });
});

describe('network-bridge antispoof=yes', () => {
  test.each([
    ['classic', 'xenbr0', ['peth0', 'vif0.0']],
    ['rename', 'eth0', ['peth0']],
    ['plain', 'xenbr0', ['eth0']],
  ])(
    '%s: guests and outside talk untracked, and stop takes the rules out',
    async (topology, bridge, ports) => {
      const before = await net.host.settled();
      net.ok('network-bridge', 'start', `topology=${topology}`, 'antispoof=yes');
      for (const family of [4, 6] as const) expect(raw(family)).toEqual(ports.map(cardRule));
      await talkingGuest(bridge);
      expect(connections()).toEqual([]);
      // The card's rule does for all guests, so each has but one of its own.
      for (const family of [4, 6] as const)
        expect(raw(family).filter((rule) => rule.includes('xen-network vif1.0'))).toHaveLength(1);
      net.end('vif-bridge', 1);
      net.ok('network-bridge', 'stop');
      expect(await net.host.snapshotLike(before)).toEqual(before);
    },
  );

  test('with notrack=no all is tracked', async () => {
    net.ok('network-bridge', 'start', 'topology=plain', 'antispoof=yes', 'notrack=no');
    expect(raw()).toEqual([]);
    await talkingGuest('xenbr0', 'notrack=no');
    expect(connections().length).toBeGreaterThan(0);
  });

  test('where the host forwards for the bridge, masquerading goes on', async () => {
    const far = net.host.nic('far0', { address: '203.0.113.254/24' });
    far.ip('address add 203.0.113.1/24 dev eth0');
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    net.host.ok('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'far0', '-j', 'MASQUERADE');
    net.ok('network-bridge', 'start', 'topology=plain', 'antispoof=yes');
    expect(raw()).toEqual([]);
    for (const way of ['-i', '-o']) net.host.ok('iptables', '-I', 'FORWARD', way, 'far0', '-j', 'ACCEPT');
    const guest = await talkingGuest('xenbr0');
    expect(raw()).toEqual([]);
    guest.ip('route add 203.0.113.0/24 via 192.0.2.2');
    expect(guest.reaches('203.0.113.1')).toBe(true);
  });

  test('where another hook has the host forward, all is tracked even if somebody has turned that off', () => {
    net.host.nic('far0', { address: '203.0.113.254/24' });
    net.ok('network-nat', 'start', 'netdev=far0', 'dhcp=no');
    net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    net.ok('network-bridge', 'start', 'topology=plain', 'netdev=eth0', 'antispoof=yes');
    expect(raw()).toEqual([]);
  });
});

describe('network-bridge antispoof=strict', () => {
  test('where bridged packets pass iptables, notrack=yes keeps guests untracked without a rule there', async () => {
    net.host.ok('sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 1 >$f; done');
    net.ok('network-bridge', 'start', 'antispoof=strict');
    await talkingGuest('xenbr0', 'notrack=yes');
    expect([raw(), raw(6), connections()]).toEqual([[], [], []]);
    net.end('vif-bridge', 1);
    await talkingGuest('xenbr0', 'notrack=no');
    expect(connections().length).toBeGreaterThan(0);
  });
});
