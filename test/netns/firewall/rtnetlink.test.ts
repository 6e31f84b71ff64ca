import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBun } from '../../support/bun.ts';
import { Host } from '../../support/hosts/host.ts';

const DRIVER = join(import.meta.dirname, '../../support/kernel/rtnetlink-driver.ts');

/** Two hosts alike: in one the kernel is asked, in the other `ip` is run. */
let asked: Host;
let told: Host;

beforeAll(async () => {
  [asked, told] = await Promise.all([Host.create(), Host.create()]);
  for (const host of [asked, told]) {
    host.ip(
      'link add xenbr0 address 00:16:3e:00:00:fe type bridge',
      'link set xenbr0 up',
      'link add vif1.0 address 00:16:3e:00:00:01 type veth peer name card1 address 00:16:3e:00:00:02',
      'link set card1 up',
    );
  }
});

afterAll(() => Promise.all([asked.close(), told.close()]));

interface Outcome {
  readonly done: number;
  readonly error?: string;
}

function byKernel(lines: readonly string[], force = false): Outcome | null {
  const input = JSON.stringify(lines.map((line) => line.split(' ')));
  const ran = asked.run([findBun(), DRIVER, force ? 'force' : 'stop'], { input });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout);
}

function byIp(lines: readonly string[], force = false): { readonly status: number; readonly stderr: string } {
  return told.run(['ip', ...(force ? ['-force'] : []), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

describe('what the kernel is asked for is what ip would have done', () => {
  test.each([
    [
      'a vif joins a bridge',
      [
        'link set dev vif1.0 down',
        'link set dev vif1.0 name web',
        'link set dev web alias xen-network-vif1.0',
        'link property add dev web altname a-name-that-is-too-long-for-a-device',
        'link set dev web address fe:ff:ff:ff:ff:ff',
        'address flush dev web',
        'link set dev web mtu 1400',
        'link set dev web master xenbr0',
        'link set dev web up',
      ],
    ],
    [
      'addresses and routes for it',
      [
        'address add 192.0.2.1/24 dev web',
        'address replace 192.0.2.2/32 dev web',
        'address replace 192.0.2.2/32 dev web',
        'address add 2001:db8::1/128 dev web nodad',
        'route add 198.51.100.7/32 dev web src 192.0.2.1 metric 2',
        'route replace 198.51.100.7/32 dev web src 192.0.2.2 metric 2',
        'route add 198.51.100.128/25 dev web metric 1',
        'route add 2001:db8:7::/48 dev web metric 2',
        'route del 198.51.100.128/25 dev web metric 1',
      ],
    ],
    [
      'a flush of many addresses, with secondaries',
      ['address add 192.0.2.3/24 dev web', 'address add 192.0.2.4/24 dev web', 'address flush dev web'],
    ],
    [
      'what a bridge takes over from a card',
      [
        'link add name br9 address 00:16:3e:00:00:08 type bridge stp_state 0 forward_delay 0',
        'link set dev br9 address 00:16:3e:00:00:09',
        'link set dev br9 up',
        'link set dev card1 arp off',
        'link set dev card1 promisc on',
        'link set dev card1 allmulticast on',
        'link set dev card1 multicast off',
        'address add 198.18.0.1/24 dev card1',
        'address add 2001:db8:18::1/64 dev card1 nodad',
        'address flush dev card1 to 0.0.0.0/0',
        'link set dev card1 master br9',
        'address replace 192.0.2.50/24 broadcast 192.0.2.255 dev br9 label br9:one',
        'address add 198.51.100.9/24 broadcast 198.51.100.200 scope link metric 7 dev br9 label br9 noprefixroute',
        'address add 2001:db8:9::1/64 dev br9 nodad noprefixroute',
        'address add 2001:db8:9::2/64 metric 300 dev br9 home nodad mngtmpaddr',
        'address add fe80::9/64 scope link dev br9 nodad',
        'address change fe80::9/64 scope link dev br9',
        'route append default via 192.0.2.1 dev br9 table main proto boot scope global',
        'route append default via 192.0.2.2 dev br9 table main proto static scope global metric 5',
        'route prepend 10.9.0.0/16 via 192.0.2.3 dev br9 table 100 proto dhcp scope global src 192.0.2.50',
        'route append 10.9.0.0/16 via 192.0.2.4 dev br9 table 100 proto 77 scope global src 192.0.2.50',
        'route append 10.10.0.0/16 dev br9 table 5000 proto kernel scope link src 192.0.2.50',
        'route append 10.11.0.0/16 via 203.0.113.1 dev br9 onlink',
        'route append 2001:db8:10::/64 dev br9 table main proto ra metric 1024 pref medium',
        'route append ::/0 via fe80::1 dev br9 table main proto static metric 9 pref high',
      ],
    ],
    [
      'and gives back',
      [
        'route del 10.10.0.0/16 dev br9 table 5000 proto kernel scope link src 192.0.2.50',
        'route del ::/0 via fe80::1 dev br9 table main proto static metric 9 pref high',
        'address flush dev br9 to ::/0',
        'address flush dev br9 to 0.0.0.0/0',
        'link set dev card1 nomaster',
        'link set dev card1 arp on',
        'link set dev card1 promisc off',
        'link set dev card1 allmulticast off',
        'link set dev card1 multicast on',
        'address flush dev card1',
        'link del dev br9',
      ],
    ],
    [
      'and the way back',
      [
        'link set dev web nomaster',
        'link set dev web down',
        'link property del dev web altname a-name-that-is-too-long-for-a-device',
        'link set dev web name vif1.0',
      ],
    ],
  ])('%s', async (_what, lines) => {
    expect(byKernel(lines)).toEqual({ done: lines.length });
    expect(byIp(lines)).toMatchObject({ status: 0, stderr: '' });
    const wanted = await told.settled();
    expect(await asked.snapshotLike(wanted)).toEqual(wanted);
  });

  test.each([
    ['a device that is not there', 'link set dev vif9.0 up'],
    ['a name that is taken', 'link set dev vif1.0 name xenbr0'],
    ['a master that is no bridge', 'link set dev vif1.0 master card1'],
    ['an MTU that the device has not', 'link set dev vif1.0 mtu 70000'],
    ['an address that is not there', 'address del 203.0.113.1/32 dev vif1.0'],
    ['a route that is not there', 'route del 203.0.113.0/24 dev vif1.0 metric 2'],
    ['a source that is not ours', 'route add 203.0.113.0/24 dev xenbr0 src 203.0.113.9 metric 2'],
  ])('%s is refused in the same words', (_what, line) => {
    const first = byIp([line])
      .stderr.split('\n')[0]
      ?.replace(/^Error: (argument .*)$/, '$1');
    expect(byKernel([line])).toMatchObject({ done: 0, error: first, refusals: [{ text: first }] });
  });

  test('a bridge that is not there is named, in clearer words than those of ip', () => {
    const line = 'link set dev vif1.0 master xenbr9';
    expect(byKernel([line])).toMatchObject({ done: 0, error: 'Cannot find device "xenbr9"' });
    expect(byIp([line]).stderr).toMatch(/xenbr9/);
  });

  test('it stops at the command that fails, and with force goes on', () => {
    const lines = ['link set dev vif1.0 mtu 1300', 'link set dev vif9.0 up', 'link set dev vif1.0 mtu 1280'];
    expect(byKernel(lines)).toMatchObject({ done: 1, refusals: [{ errno: 19 }] });
    expect(asked.ok('cat', '/sys/class/net/vif1.0/mtu')).toBe('1300\n');
    expect(byKernel(lines, true)).toMatchObject({
      done: 3,
      error: 'Cannot find device "vif9.0"',
      refusals: [{ errno: 19 }],
    });
    expect(asked.ok('cat', '/sys/class/net/vif1.0/mtu')).toBe('1280\n');
  });

  test.each([
    'link add name xenbr1 type bridge ageing_time 100',
    'link add name pair0 type veth peer name pair1',
    'link set dev vif1.0 txqueuelen 5',
    'link set dev vif1.0 arp maybe',
    'address add 192.0.2.1 peer 192.0.2.2/32 dev vif1.0',
    'address add 192.0.2.1/24 proto 9 dev vif1.0',
    'address add 192.0.2.1/24 broadcast + dev vif1.0',
    'address add 127.0.0.9/8 dev vif1.0',
    'address flush dev vif1.0 to 192.0.2.0/24',
    'route add blackhole 192.0.2.0/24 dev vif1.0',
    'route add 192.0.2.0/24 dev vif1.0 table local',
    'route add 192.0.2.0/24 dev vif1.0 mtu 1400',
    'route add 192.0.2.0/24 via inet6 fe80::1 dev vif1.0',
    'route add 192.0.2.0/24 via fe80::1 dev vif1.0',
    'route add default via 192.0.2.9',
    'rule add from all lookup 7',
  ])('"%s" is left to ip, and nothing of its batch is done', (line) => {
    expect(byKernel(['link set dev vif1.0 mtu 1290', line])).toBeNull();
    expect(asked.ok('cat', '/sys/class/net/vif1.0/mtu')).not.toBe('1290\n');
  });
});

describe('the IPv4 addresses that the kernel tells are those that ip lists', () => {
  const tell = (...words: string[]): unknown => JSON.parse(asked.ok(findBun(), DRIVER, ...words));

  beforeAll(() =>
    asked.ip(
      'link add a0 type veth peer name b0',
      'address add 203.0.113.1/24 dev a0',
      'address add 203.0.113.7/24 dev a0 label a0:7',
      'address add 10.0.0.1 peer 10.0.0.2/32 dev a0',
      'address add 2001:db8:a::1/64 dev a0',
      'address add 203.0.113.9/32 dev b0',
      'link set a0 name c0',
      'link set c0 up',
    ),
  );

  test('of a device, whether it has a carrier or not', () => {
    const ofOne = ['203.0.113.1', '10.0.0.1', '203.0.113.7'];
    expect(tell('addresses', 'c0')).toEqual([ofOne, ofOne]);
    expect(tell('addresses', 'b0')).toEqual([['203.0.113.9'], ['203.0.113.9']]);
    expect(tell('addresses', 'card1')).toEqual([[], []]);
    expect(tell('addresses', 'nosuch')).toEqual([[], []]);
  });

  test('of the host, among those that a guest is to get', () => {
    const own = [
      { device: 'c0', address: '203.0.113.1' },
      { device: 'c0', address: '203.0.113.7' },
    ];
    expect(tell('own', '203.0.113.2', '203.0.113.1', '10.0.0.2', '203.0.113.7')).toEqual([own, own]);
    expect(tell('own', '203.0.113.2', '10.0.0.2', '203.0.113.255', '192.0.2.1', '127.0.0.2')).toEqual([
      [],
      [],
    ]);
    expect(tell('own')).toEqual([[], []]);
  });

  test('are asked for again where they changed while the kernel sent them, and not for ever', () => {
    // Several parts, of 32 kB at most.
    const many = Array.from({ length: 1500 }, (_, i) => `10.9.${i >> 8}.${i & 255}`);
    asked.ip('link add m0 type bridge', ...many.map((address) => `address add ${address}/32 dev m0`));
    const late = Array.from({ length: 40 }, (_, i) => `10.10.0.${i}`);
    const told = tell('torn', 'm0', ...late.slice(0, 2).map((address) => `${address}/32`));
    expect(told).toMatchObject({
      questions: 3,
      found: expect.arrayContaining([...many, ...late.slice(0, 2)]),
    });
    expect(tell('torn', 'm0', ...late.slice(2).map((address) => `${address}/32`))).toMatchObject({
      refused: expect.stringContaining('change faster than they can be read'),
      questions: 20,
    });
  });
});
