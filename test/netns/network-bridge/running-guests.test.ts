import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const HOOKS: readonly (readonly [hook: string, words: readonly string[]])[] = [
  ['network-nat', ['dhcp=no']],
  ['network-route', []],
  ['network-virtual', ['bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'masquerade=yes', 'dhcp=no']],
];

describe.each(HOOKS)(
  'what %s holds for a card follows where network-bridge moves its addresses',
  (hook, words) => {
    const start = () => net.ok(hook, 'start', ...words);
    const stop = () => net.ok(hook, 'stop');
    const bridge = (word: string) => net.ok('network-bridge', word, 'topology=plain', 'netdev=eth0');

    test.each([
      ['around it', [start, () => bridge('start'), () => bridge('stop'), stop]],
      ['and it stops first', [start, () => bridge('start'), stop, () => bridge('stop')]],
      ['and the bridge is there first', [() => bridge('start'), start, () => bridge('stop'), stop]],
      ['within it', [() => bridge('start'), start, stop, () => bridge('stop')]],
    ])('%s', async (_, calls) => {
      const before = await net.host.settled();
      for (const call of calls) {
        call();
        const rules = net.rules('nat', 'POSTROUTING').filter((rule) => rule.includes('MASQUERADE'));
        const uplink = /dev (\S+)/.exec(net.host.ok('ip', 'route', 'show', 'default'))?.[1] ?? '';
        for (const rule of rules) expect(rule).toContain(`-o ${uplink} `);
      }
      expect(await net.host.settled()).toEqual(before);
    });
  },
);

describe.each(['plain', 'rename', 'classic'])(
  'what crosses a bridge by which guests go outside is not masqueraded (%s)',
  (topology) => {
    const nat = (word: string) => net.ok('network-nat', word, 'dhcp=no');
    const bridge = (word: string) => net.ok('network-bridge', word, `topology=${topology}`, 'netdev=eth0');
    const rules = () => net.rules('nat', 'POSTROUTING').filter((rule) => /MASQUERADE|physdev/.test(rule));
    const top = topology === 'plain' ? 'xenbr0' : 'eth0';
    const masquerade = (dev: string) => expect.stringContaining(`-o ${dev} -j MASQUERADE`);
    const exempt = expect.stringContaining(`-o ${top} -m physdev --physdev-is-bridged -j ACCEPT`);
    const bridged = topology === 'classic' ? [masquerade(top)] : [exempt, masquerade(top)];

    test('from the start of network-bridge on, and not after its stop', async () => {
      const before = await net.host.settled();
      nat('start');
      expect(rules()).toEqual([masquerade('eth0')]);
      bridge('start');
      expect(rules()).toEqual(bridged);
      bridge('stop');
      expect(rules()).toEqual([masquerade('eth0')]);
      nat('stop');
      expect(await net.host.settled()).toEqual(before);
    });

    test('whichever of the two stops first', async () => {
      const before = await net.host.settled();
      nat('start');
      bridge('start');
      nat('stop');
      expect(rules()).toEqual([]);
      bridge('stop');
      expect(await net.host.settled()).toEqual(before);
    });

    test('a failed start leaves the rules as they were', () => {
      nat('start');
      const before = net.rules('nat', 'POSTROUTING');
      const words = ['start', `topology=${topology}`, 'netdev=eth0', 'check=203.0.113.77'];
      expect(net.host.hook('network-bridge', words).status).toBe(1);
      expect(net.rules('nat', 'POSTROUTING')).toEqual(before);
    });
  },
);

describe('guests that run meanwhile', () => {
  const own = (family: 4 | 6 = 4) =>
    net.rules('filter', 'FORWARD', family).filter((rule) => rule.includes('xen-network vif5.0 '));
  const inward = (family: 4 | 6 = 4) =>
    own(family).flatMap((rule) => / -i (?!vif)(\S+) -o vif5\.0 /.exec(rule)?.[1] ?? []);
  const proxies = () => net.host.ok('ip', '-6', 'neigh', 'show', 'proxy').trim().split('\n');

  test('get their rules from the start that makes FORWARD drop the rest, and lose them with its stop', async () => {
    const guest = net.guest('vif-route', 5, { ip: '198.51.100.7', script: '/etc/xen/scripts/vif-route' });
    guest.ip('address add 198.51.100.7/32 dev eth0', 'route add default dev eth0');
    net.outside.ip('route add 198.51.100.7 via 192.0.2.2');
    net.ok('network-route', 'start');
    const before = own();
    await waitUntil('the guest to be outside', () => guest.reaches('192.0.2.1'));
    net.ok('network-nat', 'start', 'antispoof=yes', 'dhcp=no');
    expect(inward()).toEqual(['eth0']);
    await waitUntil('the guest to be outside still', () => guest.reaches('192.0.2.1'));
    net.ok('network-nat', 'stop');
    expect(own()).toEqual(before);
  });

  test('are let in by the device that has the addresses, which answers for them', async () => {
    net.ok('network-route', 'start', 'ipv6=yes');
    net.ok('network-nat', 'start', 'antispoof=yes', 'ipv6=yes', 'dhcp=no');
    const before = await net.host.settled();
    net.guest('vif-route', 5, { ip: '198.51.100.7 2001:db8::7', script: '/etc/xen/scripts/vif-route' });
    expect([inward(), inward(6)]).toEqual([['eth0'], ['eth0']]);
    net.ok('network-bridge', 'start', 'topology=plain', 'netdev=eth0');
    expect([inward(), inward(6)]).toEqual([['xenbr0'], ['xenbr0']]);
    expect(proxies()).toEqual([expect.stringContaining('2001:db8::7 dev xenbr0')]);
    net.ok('network-bridge', 'stop', 'netdev=eth0');
    expect([inward(), inward(6)]).toEqual([['eth0'], ['eth0']]);
    expect(proxies()).toEqual([expect.stringContaining('2001:db8::7 dev eth0')]);
    net.ok('network-bridge', 'start', 'topology=plain', 'netdev=eth0');
    net.end('vif-route', 5);
    expect(own()).toEqual([]);
    expect(proxies()).toEqual(['']);
    net.ok('network-bridge', 'stop', 'netdev=eth0');
    expect(await net.host.settled()).toEqual(before);
  });
});
