import { describe, expect, test } from 'vitest';
import { parseNeighbours, parseRoutes, parseRules } from '../../../lib/observe/host/routes.ts';
import {
  addressCommand,
  addressRemoval,
  creation,
  ownAddresses,
  ownRoutes,
  routeCommand,
  ruleCommand,
  rulesOf,
} from '../../../lib/plan/addressing/addressing.ts';
import { type Command, commandText } from '../../../lib/plan/step.ts';
import { address, link, richCard, richHost } from '../../support/cases/bridge-cases.ts';

const host = richHost('eth0', [richCard('eth0')]);
const _ = (actual: Command, expected: string) => expect(commandText(actual)).toBe(expected);

function route(line: string, family: 4 | 6 = 4) {
  const [found] = parseRoutes(family, line);
  if (found === undefined) throw new Error(`No route: ${line}`);
  return found;
}

describe('addresses', () => {
  test('all attributes are kept', () => {
    const rich = address('192.0.2.11/24', {
      broadcast: '192.0.2.255',
      scope: 'link',
      metric: 7,
      label: 'eth0:1',
      protocol: '77',
      validSeconds: 50,
      preferredSeconds: 90,
      flags: new Set(['noprefixroute', 'secondary', 'autojoin']),
    });
    _(
      addressCommand('add', rich, 'xenbr0', 'eth0'),
      'ip address add 192.0.2.11/24 broadcast 192.0.2.255 scope link metric 7 proto 77 dev xenbr0 label xenbr0:1 ' +
        'valid_lft 50 preferred_lft 50 noprefixroute autojoin',
    );
  });

  test('a label that cannot be carried over is left out', () => {
    const labelled = (label: string) => address('192.0.2.1/24', { label });
    _(addressCommand('add', labelled('mine'), 'eth0', 'eth0'), 'ip address add 192.0.2.1/24 dev eth0');
    _(
      addressCommand('add', labelled('eth0:very-long1'), 'xenbr0', 'eth0'),
      'ip address add 192.0.2.1/24 dev xenbr0',
    );
  });

  test('the other end of a point-to-point address belongs to it', () => {
    const peer = address('10.1.1.1/32', { peer: '10.1.1.2' });
    _(
      addressCommand('replace', peer, 'eth0', 'eth0'),
      'ip address replace 10.1.1.1 peer 10.1.1.2/32 dev eth0',
    );
    _(addressRemoval(peer, 'eth0'), 'ip address del 10.1.1.1 peer 10.1.1.2/32 dev eth0');
  });

  test('the link-local address that the kernel makes is not moved, unless it makes none', () => {
    const locals = (eui64: boolean) => ownAddresses(richCard('eth0'), 6, eui64).map(({ local }) => local);
    expect(locals(true)).toEqual(['2001:db8::11', '2001:db8::10']);
    expect(locals(false)).toContain('fe80::216:3eff:feaa:bbcc');
  });
});

describe('routes', () => {
  test.each([
    [
      'unicast default via 192.0.2.1 dev eth0 table main proto boot scope global linkdown',
      4,
      'default via 192.0.2.1 dev xenbr0 table main proto boot scope global',
    ],
    [
      'unicast default via fe80::1 dev eth0 table main proto ra scope global metric 50 expires 99sec pref medium',
      6,
      '::/0 via fe80::1 dev xenbr0 table main proto ra scope global metric 50 expires 99 pref medium',
    ],
    [
      'unicast 10.0.0.0/8 via 192.0.2.1 dev eth0 table 7 proto bird scope global rto_min lock 9ms rtt lock 8ms',
      4,
      '10.0.0.0/8 via 192.0.2.1 dev xenbr0 table 7 proto bird scope global rto_min 9ms rtt lock 8ms',
    ],
    [
      'unicast 10.0.0.0/8 nhid 5 via 192.0.2.8 dev eth0 table main proto boot scope global offload rt_trap',
      4,
      '10.0.0.0/8 via 192.0.2.8 dev xenbr0 table main proto boot scope global',
    ],
    [
      'local 10.0.0.1 dev eth0 table 100 proto boot scope host',
      4,
      'local 10.0.0.1 dev xenbr0 table 100 proto boot scope host',
    ],
    [
      'unicast 10.0.0.0/8  encap ip id 7 src 0.0.0.0 dst 192.0.2.9 ttl 0 tos 0 dev eth0 table main proto boot scope link',
      4,
      '10.0.0.0/8 encap ip id 7 src 0.0.0.0 dst 192.0.2.9 ttl 0 tos 0 dev xenbr0 table main proto boot scope link',
    ],
    [
      'unicast 10.0.0.0/8 table main proto boot scope global \\\tnexthop via 192.0.2.3 dev eth0 weight 3 \\\tnexthop via 10.7.0.1 dev eth1 weight 1 onlink dead',
      4,
      '10.0.0.0/8 table main proto boot scope global nexthop via 192.0.2.3 dev xenbr0 weight 3 nexthop via 10.7.0.1 dev eth1 weight 1 onlink',
    ],
  ] as const)('%s', (line, family, words) => {
    _(routeCommand('append', route(line, family), 'eth0', 'xenbr0'), `ip route append ${words}`);
  });

  test('those that come back with the addresses are left out, gateways come last', () => {
    const destinations = (family: 4 | 6) => ownRoutes(host, 'eth0', family).map((own) => own.destination);
    expect(destinations(4)).toEqual([
      '10.16.0.0/16',
      '203.0.113.0/24',
      '10.9.0.0/16',
      'default',
      'default',
      '10.10.0.0/16',
      '10.12.0.0/16',
      '10.13.0.0/16',
      '10.14.0.0/16',
      '10.18.0.0/16',
    ]);
    expect(destinations(6)).toEqual(['2001:db8:104::/48', '2001:db8:101::/48', 'default']);
  });

  test('one that stood before another device’s to the same place goes before it again', () => {
    const lines = ['eth0', 'eth1'].map(
      (dev) => `unicast default via 192.0.2.1 dev ${dev} table main proto boot`,
    );
    const state = { ...host, routes: parseRoutes(4, lines.join('\n')) };
    const [first, second] = state.routes;
    if (first === undefined || second === undefined) throw new Error('no routes');
    expect(creation(state, 'eth0', first)).toBe('prepend');
    expect(creation(state, 'eth1', second)).toBe('append');
  });

  test('lines that are no routes are passed over', () => {
    const text =
      '90:\tfrom all lookup 100\nfe80::1 dev eth0 lladdr 02:02:02:02:02:02 PERMANENT\n\tnh_info id 5 dev eth0\n';
    expect(parseRoutes(6, text)).toEqual([]);
  });
});

describe('rules', () => {
  test('name the new device, and IPv6 ones go to an ip of their own', () => {
    const [rule] = parseRules(
      4,
      '92:\tnot from 192.0.2.0/24 tos 0x10 iif eth0 [detached] lookup 100 proto static\n',
    );
    if (rule === undefined) throw new Error('no rule');
    _(
      ruleCommand('add', rule, 'eth0', 'xenbr0'),
      'ip rule add not from 192.0.2.0/24 tos 0x10 iif xenbr0 lookup 100 proto static priority 92',
    );
    _(
      ruleCommand('del', { ...rule, family: 6 }, 'eth0', 'eth0'),
      'ip -6 rule del not from 192.0.2.0/24 tos 0x10 iif eth0 lookup 100 proto static priority 92',
    );
  });

  test('only those with the device as iif or oif are its own', () => {
    const rules = parseRules(
      4,
      '1:\tfrom all oif eth0 prohibit\n2:\tfrom all lookup eth0\n3:\tfrom all iif eth00 lookup 1\n',
    );
    expect(rulesOf({ ...host, rules }, 'eth0').map(({ priority }) => priority)).toEqual([1]);
  });
});

test('neighbours that were set by hand', () => {
  const text =
    'fe80::2 dev eth0 lladdr 02:02:02:02:02:02 router PERMANENT \n192.0.2.9 dev eth0 proxy \n192.0.2.8 dev eth0 FAILED\n' +
    '192.0.2.77 dev eth0 lladdr 02:00:00:00:00:77 NOARP \n192.0.2.255 dev eth0 lladdr ff:ff:ff:ff:ff:ff NOARP \n' +
    'ff02::16 dev eth0 lladdr 33:33:00:00:00:16 NOARP \n127.0.0.1 dev lo lladdr 00:00:00:00:00:00 NOARP \n';
  expect(parseNeighbours(4, text).map(({ words }) => words.join(' '))).toEqual([
    'fe80::2 lladdr 02:02:02:02:02:02 router nud permanent',
    'proxy 192.0.2.9',
    '192.0.2.77 lladdr 02:00:00:00:00:77 nud noarp',
  ]);
});

test('a device with nothing has nothing to be moved', () => {
  const bare = link('eth7', 7);
  expect([ownAddresses(bare, 4), ownRoutes({ ...host, links: [bare] }, 'eth7', 4)]).toEqual([[], []]);
});
