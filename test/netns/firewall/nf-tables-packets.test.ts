import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ownerComment, vifForwardRules } from '../../../lib/filter/forward.ts';
import { untrackRules } from '../../../lib/filter/notrack.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import {
  ether,
  type Hex,
  icmp6,
  ipv4,
  ipv6,
  neighbour,
  PROTO,
  PROTO6,
  TYPE,
  udp,
  zeros,
} from '../../support/frames/packets.ts';
import { arrivals, type End } from '../../support/frames/wire.ts';
import type { Host } from '../../support/hosts/host.ts';
import { byIptables, FAMILIES, type Line, NfHosts, topLines } from '../../support/hosts/nf-hosts.ts';

let hosts: NfHosts;

beforeAll(async () => {
  hosts = await NfHosts.create();
});

afterAll(() => hosts.close());

const GUEST: End = { netns: 'guest', device: 'eth0' };
const OUTSIDE: End = { netns: 'outside', device: 'eth0' };
const MARKER: End = { netns: 'marker', device: 'eth0' };

/** A bridge on which a guest, an outside and one more are, all without a word of their own. */
function makeNetwork(host: Host): void {
  host.ip('link add xenbr0 type bridge mcast_snooping 0');
  host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/xenbr0/disable_ipv6; ip link set xenbr0 up');
  for (const [port, { netns }] of [
    ['vif1.0', GUEST],
    ['up0', OUTSIDE],
    ['mark0', MARKER],
  ] as const) {
    const inside = host.netns(netns);
    host.ip(`link add ${port} type veth peer name eth0 netns ${netns}`, `link set ${port} master xenbr0 up`);
    inside.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip link set eth0 up');
  }
  for (const name of ['iptables', 'ip6tables'])
    host.ok('sh', '-c', `echo 1 >/proc/sys/net/bridge/bridge-nf-call-${name}`);
}

const MAC = '00:16:3e:00:00:01';
const byIpv4 = (from: string, source = 1000, destination = 2000): Hex =>
  ether(MAC, TYPE.ip, ipv4({ from, proto: PROTO.udp }, udp(source, destination)));
const byIpv6 = (from: string, next: number, payload: Hex): Hex =>
  ether(MAC, TYPE.ip6, ipv6({ from, next }, payload));

describe.each([
  {
    ...FAMILIES[0],
    own: '192.0.2.1 10.0.0.0/8 172.16.0.0/12',
    passing: [byIpv4('192.0.2.1'), byIpv4('10.255.1.2'), byIpv4('172.31.0.5'), byIpv4('0.0.0.0', 68, 67)],
    stopped: [
      byIpv4('192.0.2.2'),
      byIpv4('11.0.0.1'),
      byIpv4('172.32.0.1'),
      byIpv4('0.0.0.0', 67, 68),
      byIpv4('0.0.0.0', 68, 68),
      ether(MAC, TYPE.ip, ipv4({ from: '0.0.0.0', proto: PROTO.tcp }, udp(68, 67, zeros(12)))),
    ],
    back: [byIpv4('198.51.100.1')],
  },
  {
    ...FAMILIES[1],
    own: '2001:db8::1 fd00::/16 2400:1230::/28',
    passing: [
      byIpv6('2001:db8::1', PROTO.udp, udp(1, 2)),
      byIpv6('fd00:ffff::1', PROTO.udp, udp(1, 2)),
      byIpv6('2400:123f:1::1', PROTO.udp, udp(1, 2)),
      byIpv6('fe80::1', PROTO.udp, udp(1, 2)),
      byIpv6('::', PROTO6.icmp6, icmp6(135, neighbour('2001:db8::1'))),
      byIpv6('::', PROTO6.icmp6, icmp6(143, zeros(4))),
    ],
    stopped: [
      byIpv6('2001:db8::2', PROTO.udp, udp(1, 2)),
      byIpv6('fd01::1', PROTO.udp, udp(1, 2)),
      byIpv6('2400:1240::1', PROTO.udp, udp(1, 2)),
      byIpv6('fec0::1', PROTO.udp, udp(1, 2)),
      byIpv6('::', PROTO6.icmp6, icmp6(133, zeros(4))),
      byIpv6('::', PROTO.udp, udp(68, 67)),
    ],
    back: [byIpv6('2001:db8:9::1', PROTO.udp, udp(1, 2))],
  },
])('packets under the rules of $tool', ({ family, tool, own, passing, stopped, back }) => {
  beforeEach(() => {
    hosts.reset();
    for (const host of hosts.both) makeNetwork(host);
  });

  afterEach(() => {
    for (const host of hosts.both)
      for (const port of ['vif1.0', 'up0', 'mark0', 'xenbr0']) host.ip(`link del ${port}`);
  });

  test('pass or not, and are counted, as they are by its own', () => {
    const addresses = parseAddressList(own);
    const owner = ownerComment({ device: 'vif1.0', domid: 1 });
    const lines = topLines(family, [
      vifForwardRules('vif1.0', addresses, [4, 6], owner),
      untrackRules('vif1.0', addresses, [4, 6], owner),
    ]);
    expect(hosts.byKernel(family, lines)).toEqual({});
    byIptables(hosts.told, family, lines);
    const counters = hosts.both.map((host) => {
      host.ok(tool, '-P', 'FORWARD', 'DROP');
      const out = { sender: GUEST, watcher: OUTSIDE, marker: MARKER };
      expect(arrivals(host, out, [...stopped, ...passing])).toEqual(passing);
      expect(arrivals(host, { ...out, sender: OUTSIDE, watcher: GUEST }, back)).toEqual(back);
      return host.ok(tool, '-nvxL', 'FORWARD') + host.ok(tool, '-t', 'raw', '-nvxL', 'PREROUTING');
    });
    expect(counters[0]).toBe(counters[1]);
    expect(counters[0]?.match(/^ +[1-9]\d* +\d+ (ACCEPT|CT) /gm)).toHaveLength(
      lines.length - addresses.length,
    );
    // What a rule has counted makes it no other one.
    const taken = lines.map(([table, line]): Line => [table, line.replace('-I ', '-D ')]);
    expect(hosts.byKernel(family, taken)).toEqual({});
    expect(hosts.asked.ok(tool, '-S', 'FORWARD')).toBe('-P FORWARD DROP\n');
  });
});
