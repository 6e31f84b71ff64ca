import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ownerComment, routedForwardRules, vifForwardRules } from '../../../lib/filter/forward.ts';
import { untrackRules } from '../../../lib/filter/notrack.ts';
import { type Family, type Prefix, parsePrefix } from '../../../lib/request/addresses.ts';
import type { Host } from '../../support/hosts/host.ts';
import { byIptables, dumped, FAMILIES, type Line, NfHosts, topLines } from '../../support/hosts/nf-hosts.ts';
import { pick, type Random, randomNumbers } from '../../support/random.ts';

const GOLDEN = join(import.meta.dirname, '../../golden');

let hosts: NfHosts;

beforeAll(async () => {
  hosts = await NfHosts.create();
});

afterAll(() => hosts.close());

beforeEach(() => hosts.reset());

/** A family's listing without the times in it. */
function saved(host: Host, family: Family): string[] {
  const listing = host.ok(family === 4 ? 'iptables-save' : 'ip6tables-save');
  return listing.split('\n').filter((line) => !line.startsWith('#'));
}

/** The whole ruleset as nft shows it. */
function listed(host: Host): string[] {
  return host
    .ok('nft', '-j', 'list', 'ruleset')
    .replace(/, "handle": \d+/g, '')
    .split('}, ');
}

function rulesIn(host: Host, family: Family): Line[] {
  let table = '';
  return saved(host, family).flatMap((line): Line[] => {
    if (line.startsWith('*')) table = line.slice(1);
    return line.startsWith('-A ') ? [[table, line]] : [];
  });
}

/**
 * All rules with their handles, and the tables without theirs: the kernel counts in them each table that was ever asked
 * for on this host, also in a transaction that it refused.
 */
function ruleset(host: Host, ...options: string[]): string {
  const text = host.ok('nft', '-a', ...options, 'list', 'ruleset');
  return text.replace(/^(table .*) # handle \d+$/gm, '$1');
}

/** nft's view of the expressions; `oldest` in the forms that every version of iptables reads, which is what we send. */
function expressions(host: Host, oldest: boolean): string {
  const text = ruleset(host, '--debug=netlink');
  return oldest
    ? text.replace(SHORT_RANGE, longRange).replace(DHCP_PORTS, '  [ match name udp rev 0 ]\n')
    : text;
}

const SHORT_RANGE =
  / {2}\[ payload load (\d+)b @ network header \+ (\d+) => reg 1 \]\n {2}\[ cmp eq reg 1 ((?:0x[\da-f]{8} ?)+)\]\n/g;
const DHCP_PORTS =
  / {2}\[ payload load 4b @ transport header \+ 0 => reg 1 \]\n {2}\[ cmp eq reg 1 0x43004400 \]\n/g;

/** A range of whole octets, as any other range is. */
function longRange(text: string, size: string, offset: string, value: string): string {
  const whole = offset === '12' || offset === '16' ? 4 : 16;
  if (Number(size) === whole) return text;
  const words = value.trim().split(' ');
  const count = whole / 4;
  const all = (fill: (i: number) => string) => Array.from({ length: count }, (_, i) => fill(i)).join(' ');
  const mask = all((i) => {
    const octets = Math.min(Math.max(Number(size) - 4 * i, 0), 4);
    return `0x${'ff'.repeat(octets).padStart(8, '0')}`;
  });
  const zero = '0x00000000';
  return [
    `  [ payload load ${whole}b @ network header + ${offset} => reg 1 ]`,
    `  [ bitwise reg 1 = ( reg 1 & ${mask} ) ^ ${all(() => zero)} ]`,
    `  [ cmp eq reg 1 ${all((i) => words[i] ?? zero)} ]`,
    '',
  ].join('\n');
}

/** Every line that our golden plans put at the top of a chain. */
function goldenLines(tool: string): Line[] {
  const found = new Map<string, Line>();
  for (const name of readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.txt')) continue;
    const text = readFileSync(join(GOLDEN, name), 'utf8');
    for (const [whole, own, table = 'filter', line = ''] of text.matchAll(
      /(ip6?tables) -w (?:-t (\S+) )?(-I .*)/g,
    ))
      if (own === tool) found.set(whole, [table, line]);
  }
  return [...found.values()];
}

/** What is the network hooks' own, once for the host, is left to iptables. */
const OTHERS = /! -[io]|conntrack|vif\+/;

function randomPrefix(random: Random, family: Family): Prefix {
  const part = () => (family === 4 ? `${random(256)}` : random(65536).toString(16));
  const address = Array.from({ length: family === 4 ? 4 : 8 }, part).join(family === 4 ? '.' : ':');
  const prefix = parsePrefix(`${address}/${1 + random(family === 4 ? 32 : 128)}`);
  if (prefix === undefined) throw new Error(`${address} is no address.`);
  return prefix;
}

/** The rules of one guest with random addresses and names, in all the ways in which guests are connected. */
function guestLines(random: Random, family: Family): Line[] {
  const device = pick(random, ['vif1.0', 'vif32751.7', 'vif4.0-emu', 'web', 'a_name-of-15.bytes']).slice(
    0,
    15,
  );
  const owner = ownerComment({ device, domid: random(32752) }, pick(random, ['', 'web-1', 'a.b+c_d']));
  const addresses = Array.from({ length: random(4) }, () => randomPrefix(random, family));
  return topLines(family, [
    vifForwardRules(device, addresses, [4, 6], owner),
    routedForwardRules(device, addresses, [4, 6], owner),
    untrackRules(device, addresses, [4, 6], owner),
  ]);
}

describe.each(FAMILIES)(
  'rules of $tool that the kernel is asked for are those that $tool would have made',
  ({ family, tool }) => {
    const random = randomNumbers(6 + family);
    const golden = goldenLines(tool).filter(([, line]) => !OTHERS.test(line));
    const batches = [
      ['all of the golden plans', golden],
      ...Array.from({ length: 6 }, (_, i) => [`random ones, ${i}`, guestLines(random, family)] as const),
    ] as const;

    test.each(batches)('%s', (_what, lines) => {
      expect(lines.length).toBeGreaterThan(1);
      expect(hosts.byKernel(family, lines)).toEqual({});
      byIptables(hosts.told, family, lines);
      expect(saved(hosts.asked, family)).toEqual(saved(hosts.told, family));
      expect(rulesIn(hosts.asked, family)).toHaveLength(lines.length);
      for (const words of [
        [tool, '-nvL'],
        [tool, '-t', 'raw', '-nvxL', '--line-numbers'],
      ])
        expect(hosts.asked.ok(...words)).toBe(hosts.told.ok(...words));
      expect(ruleset(hosts.asked)).toBe(ruleset(hosts.told));
      expect(expressions(hosts.asked, false)).toBe(expressions(hosts.told, true));
      // Each of them can be taken away by what the other host's listing says of it.
      const theirs = rulesIn(hosts.told, family).map(
        ([table, line]): Line => [table, line.replace('-A ', '-D ')],
      );
      const ours = rulesIn(hosts.asked, family).map(
        ([table, line]): Line => [table, line.replace('-A ', '-D ')],
      );
      const [table = '', line = ''] = theirs.shift() ?? [];
      hosts.asked.ok('sh', '-c', `${tool} -w -t ${table} ${line}`);
      byIptables(hosts.asked, family, theirs);
      byIptables(hosts.told, family, ours);
      expect([...rulesIn(hosts.asked, family), ...rulesIn(hosts.told, family)]).toEqual([]);
    });

    test('are found again and taken out by the kernel, each the first that is alike, as by it', () => {
      const random = randomNumbers(600 + family);
      const some = [...golden.slice(0, 20), ...guestLines(random, family), ...guestLines(random, family)];
      // More than one datagram holds, and what was said twice.
      const filling = Array.from(
        { length: 200 },
        (_, i): Line => ['filter', `-A FORWARD -i vif${i}.7 -j ACCEPT`],
      );
      const first = [...some, ...some.filter(() => random(3) === 0)].slice(0, 60);
      for (const host of hosts.both) {
        byIptables(host, family, [['filter', '-A FORWARD -i vif1.0 -j DROP'], ...filling]);
        expect(hosts.byKernel(family, first, host)).toEqual({});
      }
      const asListed = (words: readonly string[]) => hosts.both.map((host) => host.ok(...words));
      const left = [...first];
      while (left.length > 0) {
        const count = 1 + random(8);
        const taken = Array.from({ length: count }, () => left.splice(random(left.length), 1)).flat();
        const old = taken.map(([table, line]): Line => [table, line.replace('-I ', '-D ')]);
        // In one transaction with what comes in their place.
        const fresh = random(2) === 0 ? [] : guestLines(random, family).slice(0, 2);
        expect(hosts.byKernel(family, [...old, ...fresh])).toEqual({});
        byIptables(hosts.told, family, [...old, ...fresh]);
        const [ours, theirs] = asListed([tool === 'iptables' ? 'iptables-save' : 'ip6tables-save']);
        expect(ours?.replace(/^#.*$/gm, '')).toBe(theirs?.replace(/^#.*$/gm, ''));
      }
      const deepest = filling.map(([table, line]): Line => [table, line.replace('-A ', '-D ')]).slice(-60);
      expect(hosts.byKernel(family, deepest)).toEqual({});
      expect(rulesIn(hosts.asked, family)).not.toContainEqual(filling.at(-1));
      expect(rulesIn(hosts.asked, family)).toContainEqual(filling.at(-61));
    });

    test('a rule that is not there, or only near, is left to it, and nothing of its batch is done', () => {
      const rest =
        '-m physdev --physdev-in vif1.0 --physdev-is-bridged -m comment --comment "xen-network vif1.0 domain 1"';
      const own: Line[] = [['filter', `-I FORWARD -i vif1.0 ${rest} -j ACCEPT`]];
      expect(hosts.byKernel(family, own)).toEqual({});
      const before = rulesIn(hosts.asked, family);
      for (const line of [
        `-i vif1.1 ${rest} -j ACCEPT`,
        `-o vif1.0 ${rest} -j ACCEPT`,
        `-i vif1.0 ${rest.replace('domain 1', 'domain 2')} -j ACCEPT`,
        `-i vif1.0 ${rest.replace('-in', '-out')} -j ACCEPT`,
        `-i vif1.0 ${rest.replace(' --physdev-is-bridged', '')} -j ACCEPT`,
        `-i vif1.0 ${rest} -j CT --notrack`,
        `-p udp -i vif1.0 ${rest} -j ACCEPT`,
        `-i vif1.0 ${rest} -j DROP`,
      ])
        for (const batch of [
          [`-D FORWARD ${line}`],
          [`-D FORWARD -i vif1.0 ${rest} -j ACCEPT`, `-D FORWARD ${line}`],
          ['-I FORWARD -i vif9.0 -j ACCEPT', `-D FORWARD ${line}`],
        ])
          expect([
            line,
            hosts.byKernel(
              family,
              batch.map((text): Line => ['filter', text]),
            ),
          ]).toEqual([line, null]);
      expect(hosts.byKernel(family, [['nothere', '-D FORWARD -i vif1.0 -j ACCEPT']])).toBeNull();
      expect(hosts.byKernel(family, [['raw', own[0]?.[1].replace('-I', '-D') ?? '']])).toBeNull();
      expect(rulesIn(hosts.asked, family)).toEqual(before);
    });

    test('byte for byte, where newer versions have no shorter form', () => {
      const random = randomNumbers(60 + family);
      const many = Array.from({ length: 8 }, () => guestLines(random, family)).flat();
      const lines = [...golden, ...many]
        .filter(([, line]) => !/-m udp|\/(8|16|24|40|48|56|64|72|80|88|96|104|112|120) /.test(line))
        .slice(0, 60);
      expect(lines.length).toBeGreaterThan(20);
      expect(hosts.byKernel(family, lines)).toEqual({});
      byIptables(hosts.told, family, lines);
      const ours = dumped(hosts.asked, family);
      expect(ours).toHaveLength(lines.length);
      expect(ours).toEqual(dumped(hosts.told, family));
    });

    test('a line of another kind is left to it, and nothing of its batch is done', () => {
      const good: Line = [
        'filter',
        '-I FORWARD -m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT',
      ];
      const others = goldenLines(tool).filter(([, line]) => OTHERS.test(line));
      expect(others.length).toBeGreaterThan(3);
      for (const line of [
        ...others.map(([, text]) => text),
        '-A FORWARD -i vif1.0 -j ACCEPT',
        '-D FORWARD 1',
        '-I FORWARD 2 -i vif1.0 -j ACCEPT',
        ':FORWARD DROP [0:0]',
        '-I FORWARD -i vif1.0',
        '-I FORWARD -i vif1.0 -j DROP',
        '-I FORWARD -i a-name-of-16-bytes -j ACCEPT',
        '-I FORWARD -i vif1.0 -i vif2.0 -j ACCEPT',
        '-I FORWARD -p tcp -j ACCEPT',
        '-I FORWARD -s 0.0.0.0/0 -j ACCEPT',
        '-I FORWARD -s 192.0.2.1/33 -j ACCEPT',
        '-I FORWARD -s 2001:db8::1/129 -j ACCEPT',
        '-I FORWARD -m physdev -j ACCEPT',
        '-I FORWARD -m physdev constructor vif1.0 -j ACCEPT',
        '-I FORWARD -m physdev --physdev-in vif+ -j ACCEPT',
        '-I FORWARD -m udp --sport 68 --dport 67 -j ACCEPT',
        '-I FORWARD -p udp -m udp --sport 68 --dport 65536 -j ACCEPT',
        '-I FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 256 -j ACCEPT',
        '-I FORWARD -m comment --comment "it\'s \\" odd" -j ACCEPT',
        '-I FORWARD -i vif1.0 -j ACCEPT -m comment --comment "x"',
      ])
        expect([line, hosts.byKernel(family, [good, ['filter', line]])]).toEqual([line, null]);
      expect(rulesIn(hosts.asked, family)).toEqual([]);
    });

    test.each([
      ['filter', ['filter']],
      ['raw', ['raw']],
      ['all', ['filter', 'raw', 'input', 'filter']],
    ])('the chains that are not there yet are made, as it makes them: %s', (_name, of) => {
      for (const host of hosts.both) host.ok('nft', 'flush', 'ruleset');
      const first: Readonly<Record<string, Line>> = {
        filter: ['filter', '-I FORWARD -m physdev --physdev-in vif1.0 -j ACCEPT'],
        input: ['filter', '-I INPUT -i vif1.0 -j ACCEPT'],
        raw: ['raw', '-I PREROUTING -m physdev --physdev-in vif1.0 -j CT --notrack'],
      };
      const lines = of.map((name): Line => first[name] ?? ['', '']);
      expect(hosts.byKernel(family, lines)).toEqual({});
      byIptables(hosts.told, family, lines);
      const [asked, told] = hosts.both.map(listed);
      expect(asked).toEqual(told);
      expect(asked?.filter((line) => line.includes('hook')).length).toBe(new Set(of).size);
      expect(dumped(hosts.asked, family)).toEqual(dumped(hosts.told, family));
      expect(saved(hosts.asked, family)).toEqual(saved(hosts.told, family));
      // iptables finds nothing odd in them.
      expect(hosts.asked.ok(tool, '-S', 'FORWARD')).not.toContain('incompatible');
      byIptables(hosts.asked, family, [['filter', '-I FORWARD -i vif2.0 -j ACCEPT']]);
      hosts.asked.ok(tool, '-P', 'FORWARD', 'DROP');
    });

    test('a chain that is there keeps its policy and its rules when another one is made', () => {
      for (const host of hosts.both) {
        host.ok('nft', 'flush', 'ruleset');
        host.ok(tool, '-P', 'FORWARD', 'DROP');
        host.ok(tool, '-A', 'FORWARD', '-i', 'eth9', '-j', 'ACCEPT');
      }
      const lines: Line[] = [
        ['filter', '-I FORWARD -m physdev --physdev-in vif1.0 -j ACCEPT'],
        ['raw', '-I PREROUTING -m physdev --physdev-in vif1.0 -j CT --notrack'],
      ];
      expect(hosts.byKernel(family, lines)).toEqual({});
      byIptables(hosts.told, family, lines);
      expect(listed(hosts.asked)).toEqual(listed(hosts.told));
      expect(hosts.asked.ok(tool, '-S', 'FORWARD')).toMatch(/^-P FORWARD DROP\n/);
    });

    test('a chain of another table or name is left to it, and nothing of the batch is done', () => {
      const line = '-m physdev --physdev-in vif1.0 -j ACCEPT';
      const batch: Line[] = [
        ['filter', `-I FORWARD ${line}`],
        ['mangle', `-I FORWARD ${line}`],
        ['filter', `-I FORWARD ${line}`],
      ];
      expect(hosts.byKernel(family, batch)).toBeNull();
      expect(hosts.byKernel(family, [['filter', `-I NOWHERE ${line}`]])).toBeNull();
      expect(rulesIn(hosts.asked, family)).toEqual([]);
    });
  },
);
