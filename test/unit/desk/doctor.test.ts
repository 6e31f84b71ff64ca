import { describe, expect, test } from 'vitest';
import { diagnose } from '../../../lib/desk/doctor/doctor.ts';
import type { DoctorFacts } from '../../../lib/desk/doctor/facts.ts';
import { hostMap } from '../../../lib/desk/map/map.ts';
import type { Hop } from '../../../lib/desk/way/path.ts';
import { droppingChains, type ForwardedPacket } from '../../../lib/desk/way/verdict.ts';
import { difference, type WatchedHop, whereItStops } from '../../../lib/desk/way/watch.ts';
import type { Link } from '../../../lib/observe/host/host.ts';
import { parsePrefix } from '../../../lib/request/addresses.ts';
import { parseIptablesSave } from '../../../lib/wire/firewall-rules.ts';
import { masqueradedCount, ownRuleCounts } from '../../../lib/wire/traffic/rule-counts.ts';

const NO_FACTS: DoctorFacts = {
  host: 'dom0',
  state: { links: [], routes: [], rules: [], neighbours: [] },
  cards: new Map(),
  bridges: [],
  virtuals: [],
  switches: [],
  guests: [],
  records: new Map(),
  strict: new Map(),
  drops: new Map(),
  spanning: [],
  warnings: [],
  damages: [],
  settings: {},
  owners: [],
  hooks: {},
  scripts: {
    faults: [],
    networkScript: undefined,
    vifScript: undefined,
    xlScript: 'vif-bridge',
    started: [],
    isMulti: false,
    udevCalls: [],
    xlRunsHooks: true,
  },
  firewall: {
    bridged: new Map(),
    unfilter: new Map(),
    owner: '',
    routed: [],
    chains: [],
    voided: new Map(),
    differences: [],
    strays: [],
    filtered: new Map(),
  },
  left: { leftovers: [], interrupted: [], pending: [], unowned: [], bereft: [], locks: [] },
  uses: [],
  badChecksums: {},
  offloading: [],
  servers: [],
  switchRuns: false,
};

function said(facts: Partial<DoctorFacts>): string[] {
  const all = { ...NO_FACTS, ...facts };
  return diagnose(all, hostMap(all)).map(({ level, text }) => `${level}: ${text}`);
}

function link(name: string, more: Partial<Link> = {}): Link {
  return {
    name,
    altnames: [],
    index: 1,
    kind: undefined,
    type: 'ether',
    mac: 'fe:ff:ff:ff:ff:ff',
    mtu: 1500,
    master: undefined,
    flags: new Set(['UP', 'LOWER_UP']),
    peer: undefined,
    addresses: [],
    ...more,
  };
}

describe('what no host in a test can have', () => {
  test('a host without anything is silent', () => {
    expect(said({})).toEqual([]);
  });

  test('connection tracking that is nearly full', () => {
    const counts = (count: number) => ({
      'net/netfilter/nf_conntrack_count': `${count}`,
      'net/netfilter/nf_conntrack_max': '1000',
    });
    expect(said({ settings: counts(799) })).toEqual([]);
    expect(said({ settings: counts(800) })).toEqual([
      expect.stringMatching(/^warning: Connection tracking holds 800 of 1000 .*nf_conntrack_max/),
    ]);
  });

  describe('many guests with the compatible rules', () => {
    type Filter = 'rules' | 'no' | 'strict';

    /** A host with bridges of so many guests each. */
    const crowd = (bridges: Readonly<Record<string, number>>, filter: (domid: number) => Filter) => {
      const places = Object.entries(bridges).flatMap(([bridge, count]) => Array<string>(count).fill(bridge));
      const guests = places.map((bridge, i) => ({
        bridge,
        domid: i + 1,
        device: `vif${i + 1}.0`,
        filter: filter(i + 1),
      }));
      const rules = (device: string) => ({ 4: [`FORWARD -i ${device} -j ACCEPT`], 6: [] });
      const held = { mode: 'locked', elements: [] } as const;
      return said({
        state: {
          ...NO_FACTS.state,
          links: [
            ...Object.keys(bridges).map((name) => link(name, { kind: 'bridge' })),
            ...guests.map(({ device, bridge }) => link(device, { master: bridge })),
          ],
        },
        guests: guests.map(({ domid, bridge, device }) => ({
          guest: `g${domid}`,
          domid,
          devid: 0,
          mac: `00:16:3e:00:00:${domid}`,
          addresses: ['192.0.2.1'],
          bridge,
          script: undefined,
          hotplug: 'connected',
          error: undefined,
          devices: [{ device, name: device }],
        })),
        records: new Map(
          guests.map(({ device, bridge, filter: has }) => [
            device,
            { name: device, bridge, rules: has === 'rules' ? rules(device) : { 4: [], 6: [] } },
          ]),
        ),
        strict: new Map(
          guests
            .filter(({ filter: has }) => has === 'strict')
            .map(({ device }) => [device, { ...held, device }]),
        ),
      });
    };

    test('antispoof=strict is named from 200 on', () => {
      expect(crowd({ br0: 199 }, () => 'rules')).toEqual([]);
      expect(crowd({ br0: 200 }, () => 'rules')).toEqual([
        expect.stringMatching(/200 guests' devices on br0 .*Start the bridge with antispoof=strict/),
      ]);
    });

    test('of several bridges together, whose packets all go through FORWARD', () => {
      expect(crowd({ br0: 120, br1: 80 }, () => 'rules')).toEqual([
        expect.stringMatching(/200 guests' devices on br0 and br1 .*Start the bridges with antispoof=strict/),
      ]);
    });

    test('those without rules there are not counted', () => {
      expect(crowd({ br0: 300 }, () => 'strict')).toEqual([]);
      expect(crowd({ br0: 300 }, () => 'no')).toEqual([]);
      expect(crowd({ br0: 300 }, (domid) => (domid < 200 ? 'rules' : 'strict'))).toEqual([]);
    });
  });

  test('a VLAN on a card with a smaller MTU', () => {
    const links = [
      link('br0', { kind: 'bridge' }),
      link('eth0.5', { kind: 'vlan', master: 'br0', peer: 'eth0' }),
      link('eth0', { mtu: 1400 }),
    ];
    expect(said({ state: { ...NO_FACTS.state, links } })).toEqual([
      expect.stringMatching(/eth0\.5 on br0 has the MTU 1500, and eth0, on which that VLAN is, 1400/),
    ]);
  });

  test('a lock that is held for long, and one that is held for a moment', () => {
    const lock = { path: '/run/xen-network/lock/vif1.0', pid: 7, program: 'vif-bridge', isStopped: false };
    const left = (seconds: number) => ({ ...NO_FACTS.left, locks: [{ ...lock, seconds }] });
    expect(said({ left: left(20) })).toEqual([]);
    expect(said({ left: left(500) })).toEqual([
      expect.stringMatching(/vif-bridge \(process 7\) has held the lock .* for 500 s.*kill 7/),
    ]);
  });

  test('a start whose time is over and that nothing has undone', () => {
    const pending = [{ id: 'network-bridge.xenbr0', seconds: 0 }];
    expect(said({ left: { ...NO_FACTS.left, pending } })).toEqual([
      expect.stringMatching(/The time to confirm network-bridge\.xenbr0 is over.*xen-network recover/),
    ]);
  });
});

describe("FORWARD's verdict", () => {
  const address = parsePrefix('192.0.2.11');
  const bridged: ForwardedPacket = {
    from: 'xenbr0',
    to: 'xenbr0',
    ports: { from: 'vif1.0', to: 'peth0' },
    source: address,
    destination: undefined,
    state: 'new',
  };
  const verdict = (rules: readonly string[], packet: ForwardedPacket) =>
    droppingChains(
      parseIptablesSave(`*filter\n:FORWARD DROP [0:0]\n${rules.join('\n')}\nCOMMIT\n`, 'ip'),
      packet,
    );

  test.each([
    ['no rule', [], false],
    [
      'its own rule',
      ['-A FORWARD -s 192.0.2.11/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged -j ACCEPT'],
      true,
    ],
    [
      'that of another address',
      ['-A FORWARD -s 192.0.2.12/32 -m physdev --physdev-in vif1.0 -j ACCEPT'],
      false,
    ],
    ["another guest's", ['-A FORWARD -m physdev --physdev-in vif2.0 --physdev-is-bridged -j ACCEPT'], false],
    ['one for all guests', ['-A FORWARD -m physdev --physdev-in vif+ -j ACCEPT'], true],
    ['one for a protocol', ['-A FORWARD -p tcp -j ACCEPT'], false],
    [
      'a drop before it',
      [
        '-A FORWARD -m physdev --physdev-out peth0 -j DROP',
        '-A FORWARD -m physdev --physdev-in vif1.0 -j ACCEPT',
      ],
      false,
    ],
  ] as const)('a bridged packet under a policy of DROP: %s', (_, rules, passes) => {
    expect(verdict(rules, bridged)).toEqual(passes ? [] : ['ip filter FORWARD']);
  });

  test('an answer to a routed guest, by its address and by its connection', () => {
    const answer: ForwardedPacket = {
      from: 'eth0',
      to: 'vif1.0',
      ports: undefined,
      source: undefined,
      destination: address,
      state: 'established',
    };
    expect(verdict(['-A FORWARD -d 192.0.2.11/32 -o vif1.0 -j ACCEPT'], answer)).toEqual([]);
    expect(verdict(['-A FORWARD -d 192.0.2.12/32 -o vif1.0 -j ACCEPT'], answer)).toHaveLength(1);
    expect(verdict(['-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'], answer)).toEqual([]);
    expect(verdict(['-A FORWARD -m physdev --physdev-is-bridged -j ACCEPT'], answer)).toHaveLength(1);
  });
});

describe('counts', () => {
  const LISTING = `*nat
:POSTROUTING ACCEPT [0:0]
[4:240] -A POSTROUTING -o eth0 -j MASQUERADE
[9:540] -A POSTROUTING ! -o eth0 -j MASQUERADE
COMMIT
*filter
:FORWARD ACCEPT [5:300]
[7:588] -A FORWARD -s 192.0.2.11/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged -m comment --comment "xen-network vif1.0 domain 1" -j ACCEPT
[2:656] -A FORWARD -p udp -m physdev --physdev-in vif1.0 --physdev-is-bridged -m comment --comment "xen-network vif1.0 domain 1" -j ACCEPT
[6:504] -A FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -m comment --comment "xen-network vif1.0 domain 1" -j ACCEPT
[1:84] -A FORWARD -i vif1.0 -j ACCEPT
[3:84] -A FORWARD -o vif11.0 -m comment --comment "xen-network vif11.0 domain 11" -j ACCEPT
COMMIT
`;

  test("are those of a guest's own rules, by direction", () => {
    expect(ownRuleCounts(LISTING, 'vif1.0')).toEqual({ from: 9, to: 6 });
    expect(ownRuleCounts(LISTING, 'vif11.0')).toEqual({ from: 0, to: 3 });
    expect(ownRuleCounts(LISTING, 'vif2.0')).toBeUndefined();
  });

  test('of masquerading are those of the device by which packets leave', () => {
    expect(masqueradedCount(LISTING, 'eth0')).toBe(4);
    expect(masqueradedCount(LISTING, 'eth1')).toBe(9);
    expect(masqueradedCount('', 'eth0')).toBeUndefined();
  });

  test('grow between two readings, and not where a device was made again', () => {
    expect(difference({ from: 1, to: 9, dropped: undefined }, { from: 3, to: 2, dropped: 4 })).toEqual({
      from: 2,
      to: 0,
      dropped: undefined,
    });
  });
});

describe('where packets stop', () => {
  const hop = (
    counter: Hop['counter'],
    name: string,
    from?: number,
    to?: number,
    dropped?: number,
  ): WatchedHop => ({
    hop: { name, what: '', state: '', fault: undefined, counter },
    counts: { from, to, dropped },
  });
  const all = (
    guest: readonly [number, number],
    rules: readonly [number, number],
    uplink: readonly [number, number],
  ) => [
    hop('guest', 'vif1.0', ...guest),
    hop('rules', 'FORWARD', ...rules),
    hop('host', 'eth0', 0, 0),
    hop('uplink', 'peth0', ...uplink),
  ];

  test.each([
    [
      'nothing at all',
      all([0, 0], [0, 0], [5, 5]),
      'vif1.0',
      /Nothing comes from web, and nothing goes to it/,
    ],
    [
      'a guest that sends nothing',
      all([0, 3], [0, 3], [5, 5]),
      'vif1.0',
      /web sends nothing, though 3 packets/,
    ],
    ['rules', all([3, 0], [0, 0], [0, 5]), 'FORWARD', /its rules in FORWARD matched none/],
    ['before the card', all([3, 0], [3, 0], [0, 5]), 'peth0', /none left by peth0/],
    ['outside', all([3, 0], [3, 0], [3, 0]), 'peth0', /leave by peth0, and nothing comes back to it/],
    [
      'after FORWARD',
      all([3, 0], [3, 3], [3, 3]),
      'FORWARD',
      /Answers pass FORWARD, and do not reach vif1\.0/,
    ],
    ['on the way back', all([3, 0], [3, 0], [3, 3]), 'FORWARD', /none of them goes to web by vif1\.0/],
    ['nowhere', all([3, 3], [3, 3], [3, 3]), undefined, /pass both ways: 3 from web, 3 to it/],
  ] as const)('%s', (_, hops, at, sentence) => {
    const found = whereItStops('web', hops, undefined);
    expect(found.sentence).toMatch(sentence);
    expect(found.at).toBe(at);
  });

  test('by the strict filter', () => {
    const hops = [hop('guest', 'vif1.0', 3, 1), hop('refused', 'filter', undefined, undefined, 3)];
    expect(whereItStops('web', hops, undefined)).toMatchObject({
      at: 'filter',
      sentence: expect.stringMatching(/antispoof=strict dropped 3 packets of web/),
    });
  });

  test('talk with dom0 does not leave', () => {
    const hops = [hop('guest', 'vif1.0', 3, 3), hop('host', 'eth0', 3, 3), hop('uplink', 'peth0', 0, 0)];
    expect(whereItStops('web', hops, undefined)).toMatchObject({ at: undefined });
  });

  test('connections tell of answers where the card also counts packets of others', () => {
    const hops = all([3, 3], [3, 3], [9, 9]);
    expect(whereItStops('web', hops, { all: 2, unanswered: 2 }).sentence).toMatch(
      /None of 2 connections of web has got an answer/,
    );
    expect(whereItStops('web', hops, { all: 2, unanswered: 1 }).at).toBeUndefined();
  });
});
