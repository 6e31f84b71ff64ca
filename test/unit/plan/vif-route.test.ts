import { describe, expect, test } from 'vitest';
import { HostError } from '../../../lib/errors.ts';
import { routedForwardRules, rulesOf } from '../../../lib/filter/forward.ts';
import { defaultRouteDevice, findRoutes, readKernelRoutes } from '../../../lib/observe/host/kernel-routes.ts';
import { observeUplink } from '../../../lib/observe/vif/address.ts';
import { recordsBeside } from '../../../lib/observe/vif/guest-routes.ts';
import { sameAssignment } from '../../../lib/plan/routed/assignment.ts';
import { mustBeUnrouted } from '../../../lib/plan/routed/check.ts';
import { rangeWarnings, routedAssignments } from '../../../lib/plan/routed/route.ts';
import { isRouted } from '../../../lib/record/assignment.ts';
import { vifRecordPath } from '../../../lib/record/paths.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import type { System } from '../../../lib/system/system.ts';
import { type MemoryDevice, memoryHost } from '../../support/hosts/memory.ts';

const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
const ROUTES4 = [
  HEAD,
  'eth1\t00000000\t016433C6\t0003\t0\t0\t200\t00000000\t0\t0\t0   ',
  'eth0\t00000000\t016433C6\t0003\t0\t0\t100\t00000000\t0\t0\t0   ',
  '*\t0A000000\t00000000\t0201\t0\t0\t0\tFF000000\t0\t0\t0   ',
  'eth0\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0   ',
  'vif2.0\t070200C0\t00000000\t0005\t0\t0\t2\tFFFFFFFF\t0\t0\t0   ',
  'down0\t080200C0\t00000000\t0000\t0\t0\t2\tFFFFFFFF\t0\t0\t0   ',
  '',
].join('\n');
const six = (prefix: string, metric: string, flags: string, device: string) =>
  `${prefix} ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ${metric} 00000001 00000000 ${flags} ${device.padStart(8)}`;
const ROUTES6 = [
  six('20010db8000000000000000000000007 80', '00000002', '00000001', 'vif2.0'),
  six('20010db8000000000000000000000002 80', '00000000', '80200001', 'eth0'),
  six('20010db8000000010000000000000000 40', '00000400', '00000001', 'vif3.0'),
].join('\n');

const host = (
  devices: Readonly<Record<string, MemoryDevice>> = {},
  addresses: Readonly<Record<string, readonly string[]>> = {},
  more = {},
): System => ({
  ...memoryHost({ '/proc/net/route': ROUTES4, '/proc/net/ipv6_route': ROUTES6, ...more }, devices).system,
  ipv4Addresses: (device) => addresses[device] ?? [],
  run: () => ({ status: 0, stdout: '', stderr: '' }),
});

describe('the kernel’s routes', () => {
  test('are read in both families', () => {
    expect(
      readKernelRoutes(host(), [4]).map(({ prefix, device, metric }) => `${prefix} ${device} ${metric}`),
    ).toEqual([
      '0.0.0.0/0 eth1 200',
      '0.0.0.0/0 eth0 100',
      '198.51.100.0/24 eth0 0',
      '192.0.2.7/32 vif2.0 2',
    ]);
    expect(readKernelRoutes(host(), [6])).toEqual([
      { family: 6, prefix: '2001:db8::7/128', device: 'vif2.0', metric: 2, local: false },
      { family: 6, prefix: '2001:db8::2/128', device: 'eth0', metric: 0, local: true },
      { family: 6, prefix: '2001:db8:0:1::/64', device: 'vif3.0', metric: 1024, local: false },
    ]);
  });

  test('are those of some devices alone where no others are asked for', () => {
    const of = (...devices: string[]) =>
      readKernelRoutes(host(), [4, 6], { prefixes: [], devices }).map(
        ({ prefix, device }) => `${prefix} ${device}`,
      );
    expect(of('vif2.0')).toEqual(['192.0.2.7/32 vif2.0', '2001:db8::7/128 vif2.0']);
    expect(of('vif2')).toEqual([]);
    expect(of('if3.0')).toEqual([]);
    expect(of('eth1', 'vif3.0')).toEqual(['0.0.0.0/0 eth1', '2001:db8:0:1::/64 vif3.0']);
  });

  test('leave out where other guests’ single addresses lead, unless they are asked for or a range is', () => {
    const more4 = [
      'vif3.0\t090200C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF',
      'vif3.0\t0A0200C0\t010200C0\t0007\t0\t0\t0\tFFFFFFFF',
      'vif3.0\t000300C0\t00000000\t0001\t0\t0\t0\t00FFFFFF',
      'web\t0B0200C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF',
      '',
    ].join('\n');
    const more6 = [
      six('20010db8000000000000000000000008 80', '00000002', '00000001', 'vif3.0'),
      six('fe800000000000000000000000000000 40', '00000100', '00000001', 'vif3.0'),
      six('ff000000000000000000000000000000 08', '00000100', '00000001', 'eth0'),
    ].join('\n');
    const lists = { '/proc/net/route': ROUTES4 + more4, '/proc/net/ipv6_route': `${ROUTES6}\n${more6}` };
    const system = host({}, {}, lists);
    const all = readKernelRoutes(system, [4, 6]);
    const left = (...prefixes: string[]) => {
      const found = findRoutes(system, [4, 6], { prefixes, devices: ['vif1.0'] });
      expect([...found.devices]).toEqual(expect.arrayContaining(['eth0', 'vif2.0', 'vif3.0', 'web']));
      return all
        .filter((route) => !found.routes.some((kept) => JSON.stringify(kept) === JSON.stringify(route)))
        .map(({ prefix, device }) => `${prefix} ${device}`);
    };
    const [two, three] = ['192.0.2.7/32 vif2.0', '192.0.2.9/32 vif3.0'];
    const [two6, three6, local6] = ['2001:db8::7/128 vif2.0', '2001:db8::8/128 vif3.0', 'fe80::/64 vif3.0'];
    expect(left('192.0.2.1/32')).toEqual([two, three, two6, three6, local6]);
    expect(left('192.0.2.7/32', '2001:db8::8')).toEqual([three, two6, local6]);
    expect(left('fe80::5/128')).toEqual([two, three, two6, three6]);
    expect(left('192.0.2.1/32', '2001:db8::/64')).toEqual([]);
    expect(left('192.0.2.0/31')).toEqual([]);
  });

  test('tell whose records need not be read, unless there are too many routes to read them all', () => {
    const record = (name: string) => JSON.stringify({ name, bridge: '', rules: { 4: [], 6: [] } });
    const records = {
      [vifRecordPath('vif2.0')]: record('vif2.0'),
      [vifRecordPath('vif4.0')]: record('web'),
      [vifRecordPath('vif5.0')]: record('vif5.0'),
    };
    const question = { prefixes: ['192.0.2.9/32'], devices: ['vif1.0'] };
    const beside = (routes: string) => {
      const system = host({}, {}, { ...records, '/proc/net/route': routes });
      const found = findRoutes(system, [4], question);
      return [found.isCut, ...recordsBeside(system, found).keys()];
    };
    expect(beside(ROUTES4)).toEqual([false, 'vif4.0', 'vif5.0']);
    const more = (count: number, device: string) =>
      [ROUTES4, ...Array(count).fill(`${device}\t070200C0\t016433C6\t0003\t0\t0\t0\tFFFFFFFF`)].join('\n');
    expect(beside(more(1000, 'eth0'))).toEqual([true, 'vif2.0', 'vif4.0', 'vif5.0']);
    // So many lead to guests on a host with that many guests.
    expect(beside(more(1000, 'vif9.0'))).toEqual([false, 'vif4.0', 'vif5.0']);
    expect(beside(more(30_000, 'vif9.0'))).toEqual([true, 'vif2.0', 'vif4.0', 'vif5.0']);
  });

  test('name the default device by the lowest metric', () => {
    expect(defaultRouteDevice(host())).toBe('eth0');
    expect(defaultRouteDevice(host({}, {}, { '/proc/net/route': `${HEAD}\n` }))).toBeUndefined();
  });

  test('tell whether one is there, by device and metric', () => {
    const routes = readKernelRoutes(host(), [4, 6]);
    const there = (prefix: string, device: string, metric?: number) =>
      isRouted(routes, { kind: 'route', prefix, device, ...(metric === undefined ? {} : { metric }) });
    expect(there('192.0.2.7/32', 'vif2.0', 2)).toBe(true);
    expect(there('192.0.2.7/32', 'vif2.0')).toBe(false);
    expect(there('192.0.2.7/32', 'vif2.0-emu', 2)).toBe(false);
    expect(there('2001:db8:0:1::/64', 'vif3.0')).toBe(true);
    expect(there('198.51.100.0/24', 'eth0')).toBe(true);
  });
});

describe('the network’s device', () => {
  const addresses = {
    eth0: ['198.51.100.2'],
    eth1: ['203.0.113.2', '203.0.113.3'],
    br0: ['10.0.0.1'],
  };
  const inet6 = [
    'fd000000000000000000000000000001 02 40 00 80     eth0',
    '20010db8000000000000000000000009 02 40 00 00     eth0',
    '20010db8000000000000000000000001 02 40 00 a0     eth0',
    '20010db8000000000000000000000002 02 40 00 80     eth0',
    'fe800000000000000000000000000001 02 40 20 80     eth0',
    '20010db8000000000000000000000003 03 40 00 80     eth1',
    'fd000000000000000000000000000002 04 40 00 80      br0',
  ].join('\n');
  const find = (devices: string[], wanted?: string, families: (4 | 6)[] = [4, 6], more = {}) =>
    observeUplink(
      host(Object.fromEntries(devices.map((name, i) => [name, { index: i + 2 }])), addresses, {
        '/proc/net/if_inet6': inet6,
        ...more,
      }),
      wanted,
      families,
    );

  test('is the one that is named', () => {
    expect(find(['eth0', 'eth1'], 'eth1', [4, 6])).toEqual({
      ...{ device: 'eth1', index: 3, main4: '203.0.113.2', main6: '2001:db8::3' },
    });
  });

  test('is eth0 unless told, with a lasting IPv6 address of the whole internet before any other', () => {
    expect(find(['eth0', 'eth1'])).toMatchObject({
      device: 'eth0',
      main4: '198.51.100.2',
      main6: '2001:db8::2',
    });
    expect(find(['br0'], 'br0')).toMatchObject({ main6: 'fd00::2' });
  });

  test('is the default route’s where there is no eth0', () => {
    const elsewhere = { '/proc/net/route': ROUTES4.replaceAll('eth0', 'eth9') };
    expect(
      find(['eth1', 'br0'], undefined, [4], {
        '/proc/net/route': `${HEAD}\neth1\t00000000\t016433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0`,
      }).device,
    ).toBe('eth1');
    expect(find(['eth0'], undefined, [4], elsewhere).device).toBe('eth0');
  });

  test.each([
    [
      'it does not exist',
      ['eth1'],
      'eth7',
      "The network's device eth7, by which the guest is to be reached, does not exist. Make it, or say netdev= (gatewaydev= in xl's vif), such as eth0.",
    ],
    ['it has no address', ['lan0'], 'lan0', "The network's device lan0 has no IPv4 address"],
    ['it has no IPv6 address', ['eth1'], 'eth1', "The network's device eth1 has no IPv6 address"],
  ])('is refused when %s', (_what, devices, wanted, why) => {
    const without = { '/proc/net/if_inet6': inet6.replace(/.*eth1/, '') };
    expect(() => find(devices, wanted, [4, 6], without)).toThrow(HostError);
    expect(() => find(devices, wanted, [4, 6], without)).toThrow(why);
  });

  test('is refused when it is down', () => {
    const { system } = memoryHost({}, { eth1: {} });
    const down: System = {
      ...system,
      readText: (path) => (path.endsWith('/flags') ? '0x1002' : system.readText(path)),
      ipv4Addresses: () => addresses.eth1,
    };
    expect(() => observeUplink(down, 'eth1', [4])).toThrow(
      'eth1, by which the guest is to be reached, is down. Bring it up',
    );
  });
});

describe('an address that somebody else has', () => {
  const routes = readKernelRoutes(host(), [4, 6]);
  const uplink = { device: 'eth0', index: 2, main4: '198.51.100.2', main6: '2001:db8::2' };
  const check = (ip: string, own = ['vif1.0', 'vif1.0-emu']) =>
    mustBeUnrouted(
      'vif1.0',
      own,
      routedAssignments('vif1.0', uplink, parseAddressList(ip), 2),
      routes,
      new Set(['vif2.0', 'vif3.0']),
    );

  test.each([
    ['192.0.2.7', 'vif1.0 cannot have 192.0.2.7, which is routed to vif2.0; vif2.0 keeps it.'],
    ['2001:db8::7', 'vif1.0 cannot have 2001:db8::7, which is routed to vif2.0; vif2.0 keeps it.'],
    ['2001:db8:0:1::/64', 'vif1.0 cannot have 2001:db8:0:1::/64, which is routed to vif3.0'],
    ['192.0.2.0/29', 'vif1.0 cannot have 192.0.2.0/29, which overlaps 192.0.2.7, which is routed to vif2.0'],
    [
      '2001:db8:0:1::9',
      'vif1.0 cannot have 2001:db8:0:1::9, which overlaps 2001:db8:0:1::/64, which is routed to vif3.0',
    ],
    ['2001:db8::2', "vif1.0 cannot have 2001:db8::2, which is this host's own, on eth0; eth0 keeps it."],
    [
      '198.51.100.255',
      "which is the network's own or the broadcast address of 198.51.100.0/24 on eth0. Give this guest another ip=.",
    ],
    ['198.51.100.0', "which is the network's own or the broadcast address of 198.51.100.0/24 on eth0."],
  ])('%s is refused, naming both', (ip, why) => {
    expect(() => check(ip)).toThrow(HostError);
    expect(() => check(ip)).toThrow(why);
  });

  test.each(['0.0.0.0/0', '::/0'])('%s, which is everybody’s, is refused', (ip) => {
    expect(() => check(ip)).toThrow('would cut off this host');
  });

  test('may be the device’s own, or its twin’s', () => {
    expect(() => check('192.0.2.7', ['vif2.0'])).not.toThrow();
  });

  test('is none where a guest is the way to it, as a router is', () => {
    const by = (prefix: string, gateway?: string) => ({
      family: 4 as const,
      prefix,
      device: 'vif3.0',
      metric: 0,
      local: false,
      ...(gateway === undefined ? {} : { gateway }),
    });
    const assigned = routedAssignments('vif1.0', uplink, parseAddressList('203.0.113.9'), 2);
    const ways = [by('0.0.0.0/0'), by('203.0.113.0/24', '192.0.2.9')];
    expect(() => mustBeUnrouted('vif1.0', ['vif1.0'], assigned, ways, new Set(['vif3.0']))).not.toThrow();
    expect(() =>
      mustBeUnrouted('vif1.0', ['vif1.0'], assigned, [by('203.0.113.0/24')], new Set(['vif3.0'])),
    ).toThrow('overlaps 203.0.113.0/24');
  });

  test('may lie within the network, and a range may be the network’s own', () => {
    expect(() => check('198.51.100.9 198.51.100.0/24')).not.toThrow();
  });
});

describe('what is assigned', () => {
  const uplink = { device: 'eth0', index: 2, main4: '198.51.100.2', main6: '2001:db8::2' };

  test('is the main addresses, a route for each, and a proxy entry for single IPv6 addresses', () => {
    expect(
      routedAssignments(
        'web',
        uplink,
        parseAddressList('192.0.2.7 10.0.0.0/8 2001:db8::7 2001:db8:1::/64'),
        1,
      ),
    ).toEqual([
      { kind: 'address', device: 'web', prefix: '198.51.100.2/32' },
      { kind: 'address', device: 'web', prefix: '2001:db8::2/128' },
      { kind: 'route', device: 'web', prefix: '192.0.2.7/32', metric: 1, source: '198.51.100.2' },
      { kind: 'route', device: 'web', prefix: '10.0.0.0/8', metric: 1, source: '198.51.100.2' },
      { kind: 'route', device: 'web', prefix: '2001:db8::7/128', metric: 1 },
      { kind: 'route', device: 'web', prefix: '2001:db8:1::/64', metric: 1 },
      { kind: 'proxy', device: 'eth0', address: '2001:db8::7' },
    ]);
  });

  test('is the IPv4 address alone for a guest without addresses', () => {
    expect(routedAssignments('web', uplink, [], 2)).toEqual([
      { kind: 'address', device: 'web', prefix: '198.51.100.2/32' },
    ]);
  });

  test('is compared by all that it says', () => {
    const route = {
      kind: 'route',
      device: 'web',
      prefix: '192.0.2.7/32',
      metric: 1,
      source: '198.51.100.2',
    } as const;
    expect(sameAssignment(route, { ...route })).toBe(true);
    expect(sameAssignment(route, { ...route, source: '198.51.100.3' })).toBe(false);
    expect(sameAssignment(route, { ...route, metric: 2 })).toBe(false);
  });

  test('IPv6 ranges are warned about', () => {
    const warnings = rangeWarnings('web', 'eth0', parseAddressList('10.0.0.0/8 2001:db8::7 2001:db8:1::/64'));
    expect(warnings).toEqual([
      expect.stringContaining('web: 2001:db8:1::/64 is routed to the guest, but eth0 answers'),
    ]);
  });
});

describe('the rules of a routed guest', () => {
  const OWNER = '-m comment --comment "xen-network vif1.0 domain 1"';

  const rules = (ip: string, families: (4 | 6)[]) =>
    routedForwardRules('vif1.0', parseAddressList(ip), families, OWNER);

  test('are those of a bridged one', () => {
    expect(rules('192.0.2.7', [4])[4]).toEqual([
      `FORWARD -s 192.0.2.7/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
      `FORWARD -p udp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m udp --sport 68 --dport 67 ${OWNER} -j ACCEPT`,
      `FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged ${OWNER} -j ACCEPT`,
    ]);
  });

  test('under antispoof are by device as well, and known for ours in a listing', () => {
    const all = rules('192.0.2.7 2001:db8:1::/64', [4, 6]);
    expect(all[4].slice(3)).toEqual([
      `FORWARD -s 192.0.2.7/32 -i vif1.0 ${OWNER} -j ACCEPT`,
      `FORWARD -d 192.0.2.7/32 -o vif1.0 ${OWNER} -j ACCEPT`,
    ]);
    expect(all[6].slice(-2)).toEqual([
      `FORWARD -s 2001:db8:1::/64 -i vif1.0 ${OWNER} -j ACCEPT`,
      `FORWARD -d 2001:db8:1::/64 -o vif1.0 ${OWNER} -j ACCEPT`,
    ]);
    const listing = [...all[4], 'FORWARD -s 192.0.2.7/32 -i vif1.0 -j ACCEPT'].map((rule) => `-A ${rule}`);
    expect(rulesOf(['*filter', ...listing].join('\n'), 'vif1.0')).toEqual(all[4]);
    expect(rules('', [4, 6])[6].slice(-2)).toEqual([
      `FORWARD -i vif1.0 ${OWNER} -j ACCEPT`,
      `FORWARD -o vif1.0 ${OWNER} -j ACCEPT`,
    ]);
  });
});
