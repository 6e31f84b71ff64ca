import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITED_CHAINS, LIMITED_SETS } from '../../../lib/filter/limited.ts';
import { wrappedTable } from '../../../lib/filter/wrapped.ts';
import { ether, ipv4, PROTO, TYPE, zeros } from '../../support/frames/packets.ts';
import { arrivals } from '../../support/frames/wire.ts';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

// What docs/antispoof.md says of packets that the host gets and routes on (antispoof=yes and the host itself).

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const OWN = { ip: '192.0.2.11 2001:db8::11', v4: '192.0.2.11', v6: '2001:db8::11' };
const FORGED = { v4: '192.0.2.99', v6: '2001:db8::99' };
const WAY = { v4: '192.0.2.2', v6: '2001:db8::2' };
/** The data of a ping, by which the receiver tells it even where its source was changed. */
const BYTES = { honest: 55, forged: 77 };

/** Counts the pings that come in, before anything else sees them. */
function watch(place: Namespace): void {
  const rules = Object.entries(BYTES).flatMap(([kind, bytes]) => [
    `add counter inet seen ${kind}`,
    `add rule inet seen in ip length ${28 + bytes} icmp type echo-request counter name ${kind}`,
    `add rule inet seen in ip6 length ${8 + bytes} icmpv6 type echo-request counter name ${kind}`,
  ]);
  const chain = 'add chain inet seen in { type filter hook prerouting priority -400; }';
  const ran = place.run(['nft', '-f', '-'], {
    input: ['add table inet seen', chain, ...rules, ''].join('\n'),
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
}

/** Whether the pings of a guest that were counted since the last look came in. */
function seen(place: Namespace): Record<keyof typeof BYTES, boolean> {
  const came = (kind: string) =>
    !/packets 0 /.test(place.ok('nft', 'reset', 'counter', 'inet', 'seen', kind));
  return { honest: came('honest'), forged: came('forged') };
}

const ping = (guest: Namespace, kind: keyof typeof BYTES, from: string, to: string, words: string[] = []) =>
  guest.run(['ping', '-n', '-q', '-s', `${BYTES[kind]}`, ...words, '-I', from, to]);

/** What reaches a target of a guest: forged packets first, then honest ones until one is answered. */
function reaching(guest: Namespace, place: Namespace, to: string, own: string, forged: string): unknown {
  seen(place);
  ping(guest, 'forged', forged, to, ['-c', '2', '-i', '0.2', '-W', '1']);
  const { status } = ping(guest, 'honest', own, to, ['-c', '1', '-w', '60', '-i', '0.2']);
  return { ...seen(place), answered: status === 0 };
}

/** Another place to which the host routes. */
interface Target {
  readonly name: string;
  readonly place: Namespace;
  readonly v4?: string;
  readonly v6?: string;
}

/** Makes a second uplink, and returns what is there. */
function uplink(): Target {
  const place = net.host.nic('eth1', { address: '203.0.113.2/24', address6: '2001:db8:113::2/64' });
  place.ip(
    'address add 203.0.113.1/24 dev eth0',
    'address add 2001:db8:113::1/64 dev eth0 nodad',
    'route add default via 203.0.113.2',
    'route add default via 2001:db8:113::2',
  );
  return { name: 'a second uplink', place, v4: '203.0.113.1', v6: '2001:db8:113::1' };
}

/** Everything that is not the bridge: a routed guest, one behind NAT, one on another bridge. */
function guestsBeside(netdev: string): Target[] {
  net.ok('network-route', 'start', `netdev=${netdev}`, 'ipv6=yes');
  const routed = net.guest('vif-route', 3, { ip: '198.51.100.7 2001:db8:7::7' }, [`netdev=${netdev}`]);
  routed.ip(
    'address add 198.51.100.7/32 dev eth0',
    'address add 2001:db8:7::7/128 dev eth0 nodad',
    'route add 192.0.2.2 dev eth0',
    'route add default via 192.0.2.2',
    'route add 2001:db8::2 dev eth0',
    'route add default via 2001:db8::2',
  );
  net.ok('network-nat', 'start', 'netdev=eth1', 'dhcp=no');
  const masked = net.guest('vif-nat', 4, {}, ['dhcp=no']);
  masked.ip('address add 10.0.4.1/16 dev eth0', 'route add default via 10.0.4.128');
  return [
    { name: 'a routed guest', place: routed, v4: '198.51.100.7', v6: '2001:db8:7::7' },
    { name: 'a guest behind NAT', place: masked, v4: '10.0.4.1' },
  ];
}

function virtualGuest(): Target {
  net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'brnet=10.1.1.0/24');
  const place = net.guest('vif-bridge', 5, { bridge: 'vmnet1', ip: '10.1.1.5' });
  place.ip('address add 10.1.1.5/24 dev eth0', 'route add default via 10.1.1.1');
  return { name: 'a guest of another bridge', place, v4: '10.1.1.5' };
}

/** The administrator lets the host route between its networks, whoever the sender is. */
function letRoute(bridge: string): void {
  for (const tool of ['iptables', 'ip6tables'])
    for (const [one, other] of ['io', 'oi'])
      net.host.ok(tool, '-I', 'FORWARD', `-${one}`, bridge, '!', `-${other}`, bridge, '-j', 'ACCEPT');
}

/** What is between the bridge of a topology and the host's addresses. */
const placesOf = (topology: string) => ({
  bridge: topology === 'rename' ? 'eth0' : 'xenbr0',
  top: topology === 'plain' ? 'xenbr0' : 'eth0',
});

function bridgedGuest(values: Readonly<Record<string, string>>, words: readonly string[] = []): Namespace {
  const guest = net.guest('vif-bridge', 1, { ip: OWN.ip, ...values }, words);
  for (const { v4, v6 } of [OWN, FORGED])
    guest.ip(`address add ${v4}/24 dev eth0`, `address add ${v6}/64 dev eth0 nodad`);
  guest.ip(`route add default via ${WAY.v4}`, `route add default via ${WAY.v6}`);
  return guest;
}

/** Sends to each target, in each family. */
function matrix(guest: Namespace, targets: readonly Target[]): Record<string, unknown> {
  const ways = targets.flatMap((target) =>
    (['v4', 'v6'] as const).flatMap((family) => {
      const to = target[family];
      const run = () => reaching(guest, target.place, to ?? '', OWN[family], FORGED[family]);
      return to === undefined ? [] : [[`${target.name}, ${family}`, run()] as const];
    }),
  );
  return Object.fromEntries(ways);
}

const each = (targets: readonly Target[], forged: boolean) =>
  Object.fromEntries(
    targets.flatMap((target) =>
      (['v4', 'v6'] as const).flatMap((family) =>
        target[family] === undefined
          ? []
          : [[`${target.name}, ${family}`, { honest: true, forged, answered: true }] as const],
      ),
    ),
  );

/** The host's own addresses. */
const itself = (): Target => ({ name: 'the host itself', place: net.host, ...WAY });

describe.each([
  ['no', 'plain', 'first', true],
  ['yes', 'plain', 'first', false],
  ['yes', 'plain', 'last', false],
  ['yes', 'rename', 'first', false],
  ['yes', 'rename', 'last', false],
  ['yes', 'classic', 'first', false],
  ['strict', 'plain', 'first', false],
])('antispoof=%s, %s, the bridge comes %s', (antispoof, topology, order, arrives) => {
  test(`a forged packet that the host would route ${arrives ? 'arrives' : 'does not arrive'}, an honest one does`, () => {
    const { bridge, top } = placesOf(topology);
    const start = () => {
      const words = antispoof === 'no' ? [] : [`antispoof=${antispoof}`];
      const ran = net.host.hook('network-bridge', ['start', `topology=${topology}`, ...words]);
      expect(ran.status).toBe(0);
    };
    const away = uplink();
    if (order === 'first') start();
    const beside = guestsBeside(order === 'first' ? top : 'eth0');
    const virtual = virtualGuest();
    if (order === 'last') start();
    const guest = bridgedGuest({ bridge });
    letRoute(bridge);
    if (topology !== 'rename' && top !== bridge) letRoute(top);
    const targets = [...beside, away, virtual];
    for (const { place } of [...targets, itself()]) watch(place);
    expect(matrix(guest, targets)).toEqual(each(targets, arrives));
  });
});

const refilter = () => expect(net.host.hook('xen-network', ['refilter']).status).toBe(0);
const table = (bridge = 'xenbr0') =>
  net.host.run(['nft', 'list', 'table', ...wrappedTable(bridge).split(' ')]).stdout;

/** The guests' elements in a bridge's table, by set. */
function elements(bridge = 'xenbr0'): Record<string, string[]> {
  const sets = table(bridge).matchAll(/set (\w+) \{\n[^}]*?\telements = \{([^}]*)\}/g);
  return Object.fromEntries(
    [...sets]
      .filter(([, name]) => name !== 'outside' && name !== 'guests')
      .map(([, name = '', inside = '']) => [
        name,
        inside
          .split(',')
          .map((word) => word.trim())
          .sort(),
      ]),
  );
}

/** Guest 1 sends pings with the tag of VLAN 0 to the host, for it to route: a forged one, then an honest one. */
function sendTagged(guest: Namespace, to: string): void {
  const macIn = (place: Namespace, device: string) =>
    /link\/ether (\S+)/.exec(place.ok('ip', 'link', 'show', device))?.[1] ?? '';
  const more = { to: macIn(net.host, 'xenbr0'), tags: [[TYPE.vlan, 0]] } as const;
  const frames = (['forged', 'honest'] as const).map((kind) => {
    const echo = `0800${zeros(6 + BYTES[kind])}`;
    const from = kind === 'honest' ? OWN.v4 : FORGED.v4;
    return ether(macIn(guest, 'eth0'), TYPE.ip, ipv4({ from, to, proto: PROTO.icmp }, echo), more);
  });
  for (const domid of [7, 8]) net.guest('vif-bridge', domid, { bridge: 'xenbr0' });
  const end = (domid: number) => ({ netns: `guest${domid}`, device: 'eth0' });
  arrivals(net.host, { sender: end(1), watcher: end(7), marker: end(8) }, frames);
}

const start = (...words: string[]) =>
  net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain', ...words);
const passes = (guest: Namespace, from: string, to = WAY.v4) =>
  ping(guest, 'honest', from, to, ['-c', '1', '-w', '60']).status === 0;
const isDropped = (guest: Namespace, from: string, to = WAY.v4) =>
  ping(guest, 'forged', from, to, ['-c', '1', '-W', '1']).status !== 0;

describe('what reaches the host', () => {
  test('an address that the host hands on to another, and a frame with the tag of VLAN 0', () => {
    start();
    uplink();
    net.host.ip('address add 192.0.2.3/24 dev xenbr0');
    const [, masked] = guestsBeside('xenbr0');
    if (masked === undefined) throw new Error('no guest behind NAT');
    const guest = bridgedGuest({ bridge: 'xenbr0', vifname: 'web' });
    letRoute('xenbr0');
    watch(masked.place);
    const routed = { honest: true, forged: false };
    sendTagged(guest, '10.0.4.1');
    expect(seen(masked.place)).toEqual(routed);
    const to = ['-j', 'DNAT', '--to', '10.0.4.1'];
    net.host.ok('iptables', '-t', 'nat', '-A', 'PREROUTING', '-d', '192.0.2.3', ...to);
    const fine = { ...routed, answered: true };
    expect(reaching(guest, masked.place, '192.0.2.3', OWN.v4, FORGED.v4)).toEqual(fine);
  });

  test('a guest without ip and one with filter=no may use any address, one with ranges those alone', () => {
    start();
    for (const [ip, ...words] of [[''], [OWN.ip, 'filter=no']]) {
      const guest = bridgedGuest({ bridge: 'xenbr0', ip: ip ?? '' }, words);
      expect([passes(guest, OWN.v4), passes(guest, FORGED.v4)]).toEqual([true, true]);
      expect([passes(guest, OWN.v6, WAY.v6), passes(guest, FORGED.v6, WAY.v6)]).toEqual([true, true]);
      expect(elements()).toEqual({});
      net.end('vif-bridge', 1);
    }
    const ip = '192.0.2.8/29 192.0.2.8/30 192.0.2.11 2001:db8::/124';
    const guest = bridgedGuest({ bridge: 'xenbr0', ip });
    expect(elements()).toEqual({
      checked: ['"vif1.0"'],
      own4: ['"vif1.0" . 192.0.2.11'],
      ranged4: ['"vif1.0"'],
      ranged6: ['"vif1.0"'],
      blocks4: expect.arrayContaining([9, 11, 13, 15].map((last) => `"vif1.0" . 192.0.2.${last}`)),
      blocks6: ['"vif1.0" . 2001:db8::8'],
    });
    guest.ip('address add 192.0.2.15/24 dev eth0', 'address add 2001:db8::f/64 dev eth0 nodad');
    expect([passes(guest, '192.0.2.15'), isDropped(guest, FORGED.v4)]).toEqual([true, true]);
    expect([passes(guest, '2001:db8::f', WAY.v6), isDropped(guest, OWN.v6, WAY.v6)]).toEqual([true, true]);
  });

  test('link-local packets and requests of DHCP pass', () => {
    net.dhcpd();
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'antispoof=yes', 'dhcp=yes');
    const guest = net.guest('vif-bridge', 1, { bridge: 'vmnet1', ip: '10.1.1.5' });
    expect(net.lease(1)).toBeDefined();
    net.endClient(1);
    const [, local = ''] =
      /inet6 (fe80\S+)\//.exec(net.host.ok('ip', '-6', 'address', 'show', 'vmnet1')) ?? [];
    expect(guest.run(['ping', '-n', '-q', '-c', '1', '-w', '60', `${local}%eth0`]).status).toBe(0);
    net.end('vif-bridge', 1);
    expect(elements('vmnet1')).toEqual({});
  });
});

describe('the table of a bridge', () => {
  const ONE = { checked: ['"vif1.0"'], own4: ['"vif1.0" . 192.0.2.11'], own6: ['"vif1.0" . 2001:db8::11'] };
  const NAMED = { checked: ['"web"'], own4: ['"web" . 192.0.2.12'] };

  test('follows the guest’s addresses, its name and its end', () => {
    start();
    const guest = bridgedGuest({ bridge: 'xenbr0' });
    expect(elements()).toEqual(ONE);
    const [, mac = ''] = /link\/ether (\S+)/.exec(guest.ok('ip', 'link', 'show', 'eth0')) ?? [];
    net.store.vif(1, 0, { mac, bridge: 'xenbr0', ip: '192.0.2.12', vifname: 'web' });
    expect(net.call('vif-bridge', 'online', 1).status).toBe(0);
    expect(elements()).toEqual(NAMED);
    net.end('vif-bridge', 1);
    expect(elements()).toEqual({});
    net.ok('network-bridge', 'stop', 'topology=plain');
    expect(table()).toBe('');
  });

  test('is whole again after a refilter, and after an online that finds it missing', () => {
    start();
    // The online tells the kernel, the refilter nft.
    const ranges = '192.0.2.128/25 0.0.0.0/1 198.51.100.32/27 2001:db8:5:4000::/50 2001:db8:6::/127';
    const guest = bridgedGuest({ bridge: 'xenbr0', ip: `${OWN.ip} ${ranges}` });
    const whole = elements();
    net.host.ok('nft', 'flush', 'ruleset');
    refilter();
    expect(elements()).toEqual(whole);
    net.end('vif-bridge', 1);
    expect(elements()).toEqual({});
    bridgedGuest({ bridge: 'xenbr0' });
    expect([passes(guest, OWN.v4), isDropped(guest, FORGED.v4)]).toEqual([true, true]);
    net.host.ok('nft', 'flush', 'ruleset');
    net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.12', vifname: 'web' });
    expect(elements()).toEqual({
      checked: ['"vif1.0"', '"web"'],
      own4: ['"vif1.0" . 192.0.2.11', '"web" . 192.0.2.12'],
      own6: ONE.own6,
    });
    refilter();
    expect([passes(guest, OWN.v4), isDropped(guest, FORGED.v4)]).toEqual([true, true]);
  });

  test('a refilter puts in what is missing of it, and takes out what belongs to nobody', () => {
    start();
    bridgedGuest({ bridge: 'xenbr0' });
    const whole = table();
    const change = (verb: string, set: string, element: string) =>
      net.host.ok('nft', verb, 'element', ...wrappedTable('xenbr0').split(' '), set, `{ ${element} }`);
    change('delete', 'checked', '"vif1.0"');
    change('add', 'own4', '"vif1.0" . 192.0.2.99');
    change('add', 'checked', '"vif7.0"');
    change('add', 'blocks4', '"mail" . 192.0.2.128');
    refilter();
    expect(table()).toBe(whole);
  });

  test('of an earlier version is told of, and completed by a refilter or an online; a stop removes it', () => {
    start();
    const guest = bridgedGuest({ bridge: 'xenbr0' });
    const whole = table();
    const earlier = () => {
      const name = wrappedTable('xenbr0');
      const sets = LIMITED_SETS.map((set) => `delete set ${name} ${set.replace(/ .*/, '')}`);
      const limiting = LIMITED_CHAINS.map(([chain]) => chain).reverse();
      const chains = limiting.map((chain) => `delete chain ${name} ${chain}`);
      const input = [...limiting.map((chain) => `flush chain ${name} ${chain}`), ...chains, ...sets, ''].join(
        '\n',
      );
      expect(net.host.run(['nft', '-f', '-'], { input }).stderr).toBe('');
      expect(passes(guest, FORGED.v4)).toBe(true);
    };
    earlier();
    expect(net.host.hook('network-bridge', ['status']).stderr).toContain(
      'network-bridge xenbr0 lacks the table that drops what guests of xenbr0 forge or wrap: ' +
        '"xen-network refilter" puts it back.',
    );
    refilter();
    expect(table()).toBe(whole);
    earlier();
    net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.12' });
    expect([passes(guest, OWN.v4), isDropped(guest, FORGED.v4)]).toEqual([true, true]);
    net.end('vif-bridge', 2);
    expect(table()).toBe(whole);
    earlier();
    net.end('vif-bridge', 1);
    net.ok('network-bridge', 'stop', 'topology=plain');
    expect(table()).toBe('');
  });

  test('has the guests that were on the bridge before it', () => {
    net.host.ip('link add vmnet1 type bridge', 'link set vmnet1 up');
    const guest = net.guest('vif-bridge', 1, { bridge: 'vmnet1', ip: '192.0.3.5', vifname: 'web' });
    guest.ip('address add 192.0.3.5/24 dev eth0', 'address add 192.0.3.99/24 dev eth0');
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=192.0.3.1/24', 'antispoof=yes');
    expect(elements('vmnet1')).toEqual({ checked: ['"web"'], own4: ['"web" . 192.0.3.5'] });
    const host = '192.0.3.1';
    expect([passes(guest, '192.0.3.5', host), isDropped(guest, '192.0.3.99', host)]).toEqual([true, true]);
  });

  test('goes before its guests, whose offline then finds none', () => {
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=192.0.3.1/24', 'antispoof=yes');
    net.guest('vif-bridge', 1, { bridge: 'vmnet1', ip: '192.0.3.5' });
    expect(elements('vmnet1')).toEqual({ checked: ['"vif1.0"'], own4: ['"vif1.0" . 192.0.3.5'] });
    expect(net.host.hook('network-virtual', ['stop', 'bridge=vmnet1']).status).toBe(0);
    expect(table('vmnet1')).toBe('');
    const { status, stderr } = net.call('vif-bridge', 'offline', 1);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(net.host.ok('nft', 'list', 'tables', 'bridge')).toBe('');
  });
});
