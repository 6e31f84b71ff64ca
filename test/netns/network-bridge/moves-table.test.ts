import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { createPluggedHost } from '../../support/models/bridge-state.ts';
import { waitUntil } from '../../support/wait.ts';

/** How a row's attribute is set on eth0, and seen. */
interface Case {
  /** Commands, one word after the other. */
  readonly set: readonly string[];
  /** A shell command that prints it, of the device $D, without what changes by itself. */
  readonly seen: string;
  /** For what cannot move: what the warning says. */
  readonly words?: RegExp;
}

const address = (set: string, family = 6): Case => ({
  set: [`ip address add ${set} dev eth0`],
  seen: `ip -${family} -o address show dev $D | grep -F '${set.split('/')[0]?.split(' ')[0]}' | sed 's/^[0-9]*: *[^ ]* *//; s/ *valid_lft.*//'`,
});

const link = (set: string, seen: string): Case => ({ set: [`ip link set dev eth0 ${set}`], seen });

const CASES: Readonly<Record<string, Case>> = {
  'ip link: address (MAC)': link('address 00:16:3e:aa:bb:cd', 'cat /sys/class/net/$D/address'),
  'ip link: mtu': link('mtu 1444', 'cat /sys/class/net/$D/mtu'),
  'ip link: alias': link('alias rack-7', 'cat /sys/class/net/$D/ifalias'),
  'ip link: group': link('group 7', 'ip -o link show dev $D | grep -o "group 7"'),
  'ip link: promisc, allmulticast': {
    set: ['ip link set dev eth0 promisc on', 'ip link set dev eth0 allmulticast on'],
    seen: 'ip -o link show dev $D | grep -o "PROMISC\\|ALLMULTI"',
  },
  'ip link: noarp': link('arp off', 'ip -o link show dev $D | grep -o NOARP'),
  'ip link: altname': {
    set: ['ip link property add dev eth0 altname enp3s0'],
    seen: 'ip link show dev $D | grep -o "altname .*"',
  },
  'ip link: txqueuelen': link('txqueuelen 777', 'cat /sys/class/net/$D/tx_queue_len'),
  'ip link: gso_max_size': link(
    'gso_max_size 30000',
    'ip -d link show dev $D | grep -o "gso_max_size 30000"',
  ),
  'ip address: broadcast, label, scope, metric': address(
    '198.51.100.5/25 broadcast 198.51.100.99 label eth0:7 scope link metric 77',
    4,
  ),
  'ip address: peer': address('10.1.1.1 peer 10.1.1.2/32', 4),
  'ip address: proto': address('198.51.100.200/32 proto 77', 4),
  'ip address: valid_lft, preferred_lft': {
    set: ['ip address add 2001:db8:12::1/64 valid_lft 500000 preferred_lft 300000 dev eth0'],
    seen: 'ip -6 -o address show dev $D | grep -F 2001:db8:12: | grep -o "valid_lft 4[89]....sec preferred_lft [23].....sec\\|valid_lft 500000sec preferred_lft 300000sec" | sed "s/[0-9]\\{5,6\\}sec/SEC/g"',
  },
  'ip address: home, nodad': address('2001:db8:13::1/64 home nodad'),
  'ip address: noprefixroute': address('2001:db8:14::1/64 nodad noprefixroute'),
  'ip address: autojoin': address('239.1.1.1/32 autojoin', 4),
  'ip address: optimistic': address('2001:db8:15::1/64 optimistic'),
  'ip address: mngtmpaddr': address('2001:db8:16::1/64 nodad mngtmpaddr valid_lft 6000 preferred_lft 4000'),
  'ip address: temporary': {
    set: ['ip address add 2001:db8:17::1/64 nodad mngtmpaddr valid_lft 6000 preferred_lft 4000 dev eth0'],
    seen: 'ip -6 -o address show dev $D | grep -o "2001:db8:17:0:[0-9a-f:]*"',
  },
  'ip route: every attribute': {
    set: [
      'ip route add 10.13.0.0/16 via 192.0.2.3 dev eth0 proto static metric 5 table 100 mtu lock 1300 advmss 1200 src 192.0.2.10',
      'ip route add 10.12.0.0/16 via 10.77.0.1 dev eth0 onlink initcwnd 20',
    ],
    seen: 'ip route show table all | grep -E "^10.1[23]" | grep -w "dev $D"',
  },
  'ip nexthop: objects, groups': {
    set: [
      'ip nexthop add id 10 via 192.0.2.1 dev eth0',
      'ip nexthop add id 20 group 10',
      'ip route add 10.44.0.0/16 nhid 20',
    ],
    seen: '{ ip nexthop show dev $D; ip route show 10.44.0.0/16; } | grep -w "dev $D"',
  },
  'ip neigh: permanent': {
    set: ['ip neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev eth0 nud permanent'],
    seen: 'ip neigh show dev $D | grep -F 192.0.2.78',
  },
  'ip neigh: noarp': {
    set: ['ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud noarp'],
    seen: 'ip neigh show nud noarp dev $D | grep -F 192.0.2.77',
  },
  'ip neigh: proxy': {
    set: ['ip neigh add proxy 192.0.2.222 dev eth0', 'ip neigh add proxy 2001:db8::222 dev eth0'],
    seen: 'ip neigh show proxy dev $D | grep 222',
  },
  'ip rule: iif, oif': {
    set: ['ip rule add iif eth0 lookup 101 priority 95', 'ip rule add oif eth0 lookup 101 priority 96'],
    seen: 'ip rule | grep "^9[56]:" | grep -w "$D"',
  },
  'ip token: token': {
    set: ['sysctl -qw net.ipv6.conf.eth0.accept_ra=1', 'ip token set ::5 dev eth0'],
    seen: 'ip token get dev $D | grep -o "token ::5"',
  },
  'ip maddr: joined by a program': {
    set: [],
    seen: 'true',
    words: /These listen on eth0 itself .*the multicast group 239\.9\.9\.9/,
  },
  'ip maddr: static': {
    set: ['ip maddr add 33:33:00:00:12:34 dev eth0'],
    seen: 'ip maddr show dev $D | grep -o "33:33:00:00:12:34"',
  },
  'ip netconf: forwarding, rp_filter, proxy_neigh, ignore_routes_with_linkdown': {
    set: ['forwarding', 'rp_filter', 'proxy_arp', 'ignore_routes_with_linkdown'].map(
      (key) => `sysctl -qw net.ipv4.conf.eth0.${key}=1`,
    ),
    seen: 'ip -4 netconf show dev $D',
  },
  'tc qdisc: root': {
    set: ['tc qdisc replace dev eth0 root handle 5: pfifo limit 55'],
    seen: 'tc qdisc show dev $D | grep "limit 55p"',
  },
  'tc qdisc: clsact': { set: ['tc qdisc add dev eth0 clsact'], seen: 'tc qdisc show dev $D | grep clsact' },
  'bridge fdb: self': {
    set: ['bridge fdb add 02:00:00:00:00:99 dev eth0 self'],
    seen: 'bridge fdb show dev $D | grep 00:99',
  },
  'ss: sockets bound to the device': { set: [], seen: 'true', words: /python3 \(process \d+\) at/ },
};

/** A socket that is bound to the card, and has joined a group on it. */
const LISTENER = `import socket, struct, signal
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
s.bind(('', 9999))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.9.9.9') + socket.inet_aton('192.0.2.10'))
open('/run/listener', 'w').write(str(__import__('os').getpid()))
signal.pause()
`;

const ROWS = readFileSync(new URL('../../../docs/moves.md', import.meta.url), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, shown = '', attribute = '', verdict = ''] = line.split('|').map((cell) => cell.trim());
    return /^(moves|stays|named)$/.test(verdict) ? [{ row: `${shown}: ${attribute}`, verdict }] : [];
  });

let host: Host;

beforeEach(async () => {
  host = await createPluggedHost();
});

afterEach(() => host.close());

test('every row of the table has a case', () => {
  expect(ROWS.map(({ row }) => row)).toEqual(Object.keys(CASES));
});

/** What a row's command prints, with the device's name left out. */
function seen(row: string, device: string): string[] {
  const { stdout } = host.run(['env', `D=${device}`, 'sh', '-c', CASES[row]?.seen ?? '']);
  const plain = stdout.replaceAll(device, 'DEV').replace(/ (linkdown|tentative)\b/g, '');
  return plain
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** Without ARP a device finds no IPv6 neighbours either, which other rows need. */
const ALONE = 'ip link: noarp';

/** Sets all that this kernel and this iproute2 can set. */
function setAll(wanted: typeof ROWS): typeof ROWS {
  host.ok('sysctl', '-qw', 'net.ipv6.conf.eth0.use_tempaddr=2');
  return wanted.filter(({ row }) => {
    const failed = (CASES[row]?.set ?? [])
      .map((line) => host.run(line.split(' ')))
      .find(({ status }) => status !== 0);
    if (failed !== undefined)
      console.log(`"${row}" is skipped: it cannot be set here: ${failed.stderr.trim()}`);
    return failed === undefined;
  });
}

const TOPOLOGIES = [
  ['classic', 'eth0', 'peth0'],
  ['plain', 'xenbr0', 'eth0'],
] as const;

test.each(TOPOLOGIES)('every row of the table is right (%s)', async (topology, top, card) => {
  const call = (word: string) => host.hook('network-bridge', [word, `topology=${topology}`, 'netdev=eth0']);
  const rows = setAll(ROWS.filter(({ row }) => row !== ALONE));
  host.write('/run/listener.py', LISTENER);
  const listener = host.start(['python3', '/run/listener.py']);
  await waitUntil('the listener', () => host.run(['test', '-s', '/run/listener']).status === 0);
  await waitUntil('the temporary address', () => seen('ip address: temporary', 'eth0').length > 0);
  const before = new Map(rows.map(({ row }) => [row, seen(row, 'eth0')]));
  for (const { row, verdict } of rows)
    if (verdict !== 'named') expect([row, before.get(row)]).not.toEqual([row, []]);
  const started = call('start');
  expect(started.status).toBe(0);
  for (const { row, verdict } of rows) {
    const [had, where] = [before.get(row) ?? [], verdict === 'moves' ? top : card];
    const words = CASES[row]?.words;
    if (words !== undefined) expect([row, started.stderr]).toEqual([row, expect.stringMatching(words)]);
    else expect([row, seen(row, where)]).toEqual([row, expect.arrayContaining(had)]);
  }
  host.ok('sh', '-c', 'kill "$(cat /run/listener)"');
  await listener;
  expect(call('stop').status).toBe(0);
  for (const { row } of rows)
    expect([row, seen(row, 'eth0')]).toEqual([row, expect.arrayContaining(before.get(row) ?? [])]);
});

test.each(TOPOLOGIES)(
  'a card without ARP has it neither before nor after nor meanwhile (%s)',
  (topology, top) => {
    const call = (word: string) => host.hook('network-bridge', [word, `topology=${topology}`, 'netdev=eth0']);
    setAll(ROWS.filter(({ row }) => row === ALONE));
    host.ip('neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent');
    for (const [word, device] of [
      ['start', top],
      ['stop', 'eth0'],
    ] as const) {
      expect(call(word)).toMatchObject({ status: 0 });
      expect(seen(ALONE, device)).toEqual(['NOARP']);
      expect(host.ok('ip', 'neigh', 'show', 'nud', 'permanent', 'dev', device)).toContain('192.0.2.77');
    }
  },
);
