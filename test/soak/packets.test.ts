import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Host } from '../support/hosts/host.ts';
import { endOf, fullHouse } from './deeds.ts';
import { type Model, NOTHING } from './model.ts';
import { wrongPackets } from './packets.ts';
import { makeHost, mustPlay } from './world.ts';

// Each run of the soak, whatever its seed, ends with both full houses: what is noticed here is noticed by all of them.

let host: Host;
let model: Model = NOTHING;

beforeAll(async () => {
  host = await makeHost();
});
afterAll(() => host?.close());

async function become(antispoof: 'yes' | 'strict'): Promise<void> {
  const emptied = endOf(model);
  for (const deed of [...emptied, ...fullHouse(emptied.at(-1)?.model ?? model, antispoof)]) {
    for (const act of [...deed.acts, ...deed.later]) await mustPlay(host, act);
    model = deed.model;
  }
}

/** A filter that holds less than it should, in the words of a shell; and what is noticed of it. */
interface Mutation {
  readonly breaks: string;
  readonly mends: string;
  readonly noticed: readonly RegExp[];
}

/** A rule at the top of a chain that lets something pass. */
function accepting(table: string, chain: string, match: string, ...noticed: RegExp[]): Mutation {
  return {
    breaks: `nft 'insert rule ${table} ${chain} ${match} accept'`,
    mends: `nft -a list chain ${table} ${chain} | sed -n 's/.* accept # handle \\([0-9]*\\)$/\\1/p' | head -n 1 | xargs -n 1 nft delete rule ${table} ${chain} handle`,
    noticed,
  };
}

const BRIDGE = 'bridge xen_network';
const NETDEV = 'netdev xen_network';
const STRICT: Readonly<Record<string, Mutation>> = {
  'lets IPv4 pass': accepting(
    BRIDGE,
    'guest',
    'ether type ip',
    /^IPv4, as nobody of guest 1 on its bridge comes to gw-eth1$/,
    /^IPv4, as its gateway of guest 2 on its bridge comes to guest1$/,
    /^IPv4, as guest 4 of guest 3 on its bridge comes to guest4$/,
  ),
  'lets IPv6 pass': accepting(BRIDGE, 'guest', 'ether type ip6', /^IPv6, as nobody of guest 1 on/),
  'lets ARP pass': accepting(BRIDGE, 'guest', 'ether type arp', /ARP.* of guest 1 on/, /ARP.* of guest 4 on/),
  'lets neighbour advertisements pass': accepting(
    BRIDGE,
    'advert_guard',
    'meta protocol ip6 icmpv6 type nd-neighbor-advert',
    /advertisement.* of guest 2 on/,
  ),
  'lets router advertisements pass': accepting(
    BRIDGE,
    'icmp6_guard',
    'meta protocol ip6 icmpv6 type nd-router-advert',
    /router advertisement.* of guest 2 on/,
  ),
  'lets tags pass': accepting(BRIDGE, 'guest', 'ether type 8021q', /802.1Q.* of guest 1 on/),
  'lets other MAC addresses pass': accepting(
    BRIDGE,
    'guest_guard',
    'ether type ip ether saddr != 02:02:02:02:02:02 ip saddr 192.0.3.101',
    /another's MAC address, as nobody of guest 1 on/,
  ),
  'lets DHCP servers pass': accepting(
    BRIDGE,
    'udp_guard',
    'udp dport 68',
    /a DHCP server, as nobody of guest 3/,
  ),
};
const ROUTED: Readonly<Record<string, Mutation>> = {
  'lets IPv4 of routed guests pass': accepting(
    NETDEV,
    'guest',
    'ether type ip',
    /^IPv4 from the address of nobody of guest 5 beyond/,
    /^IPv4 from the address of its gateway of guest 6 beyond/,
  ),
  'lets IPv6 of routed guests pass': accepting(
    NETDEV,
    'guest',
    'ether type ip6',
    /^IPv6 from the.* of guest 6 beyond/,
  ),
  'lets ARP of routed guests pass': accepting(
    NETDEV,
    'guest',
    'ether type arp',
    /^the host believes .*192.0.2.66/,
  ),
};
const YES: Readonly<Record<string, Mutation>> = Object.fromEntries(
  [
    [
      'iptables',
      /^IPv4, as nobody of guest 1 on/,
      /^IPv4 from the address of nobody of guest 5 beyond/,
    ] as const,
    [
      'ip6tables',
      /^IPv6, as nobody of guest 2 on/,
      /^IPv6 from the address of nobody of guest 6 beyond/,
    ] as const,
  ].map(([program, ...noticed]) => [
    `${program} accepts all`,
    { breaks: `${program} -I FORWARD -j ACCEPT`, mends: `${program} -D FORWARD -j ACCEPT`, noticed },
  ]),
);

async function isNoticed({ breaks, mends, noticed }: Mutation): Promise<void> {
  await mustPlay(host, { shell: breaks });
  const wrong = await wrongPackets(host, model);
  await mustPlay(host, { shell: mends });
  for (const pattern of noticed) expect(wrong).toContainEqual(expect.stringMatching(pattern));
  for (const { v4 } of [{ v4: '192.0.2.66' }]) host.ok('sh', '-c', `ip neigh flush to ${v4} nud all`);
}

test('a full house under the strict filter lets nothing forged pass, and all that is honest', async () => {
  await become('strict');
  expect(await wrongPackets(host, model)).toEqual([]);
});

test.each(Object.entries({ ...STRICT, ...ROUTED }))(
  'a strict filter is noticed that %s',
  async (_what, mutation) => {
    await isNoticed(mutation);
  },
);

test('a full house with antispoof=yes lets nothing forged pass, and all that is honest', async () => {
  await become('yes');
  expect(await wrongPackets(host, model)).toEqual([]);
});

test.each(Object.entries(YES))('a firewall is noticed where %s', async (_what, mutation) => {
  await isNoticed(mutation);
});
