import { describe, expect, test } from 'vitest';
import { voidRules } from '../../../lib/filter/void-rules.ts';
import { parseIptablesSave, parseNftRuleset } from '../../../lib/wire/firewall-rules.ts';

const STAYING = { from: 'eth0', to: 'eth0' };
const PLAIN = { from: 'eth0', to: 'xenbr0' };

function iptables(...rules: string[]) {
  return parseIptablesSave(['*filter', ...rules, 'COMMIT'].join('\n'), 'ip');
}

const INPUT = ':INPUT DROP [0:0]';

/** The base chain of nft's input that drops, with these rules' expressions. */
function nft(...rules: unknown[][]) {
  const place = { family: 'inet', table: 'f' };
  const objects = [
    { chain: { ...place, name: 'in', hook: 'input', policy: 'drop' } },
    { chain: { ...place, name: 'w' } },
    { rule: { ...place, chain: 'w', expr: [{ accept: null }] } },
    { set: { ...place, name: 's', elem: ['eth0', { elem: { val: 'eth1', comment: 'x' } }] } },
    ...rules.map((expr) => ({ rule: { ...place, chain: 'in', expr } })),
  ];
  return parseNftRuleset(JSON.stringify({ nftables: objects }));
}

const match = (key: string, right: unknown, op = '==') => ({ match: { op, left: { meta: { key } }, right } });
const ACCEPT = { accept: null };

describe('a stop, which gives the addresses back to a card that is there', () => {
  test.each([
    ['the bridge by name', iptables(INPUT, '-A INPUT -i xenbr0 -j ACCEPT'), 'xenbr0', 1],
    [
      'the card too',
      iptables(INPUT, '-A INPUT -i xenbr0 -j ACCEPT', '-A INPUT -i eth0 -j ACCEPT'),
      'xenbr0',
      0,
    ],
    ['the host’s end by name', iptables(INPUT, '-A INPUT -i eth0 -j ACCEPT'), 'eth0', 0],
    ['the host’s end by index', nft([match('iif', 'eth0'), ACCEPT]), 'eth0', 1],
    ['both by index', nft([match('iif', 'eth0'), ACCEPT], [match('iif', 'peth0'), ACCEPT]), 'eth0', 0],
    ['the port by index', nft([match('iif', 'peth0'), ACCEPT]), 'eth0', 0],
    ['the port by name', nft([match('iifname', 'peth0'), ACCEPT]), 'eth0', 0],
  ])('%s', (_, chains, from, count) => {
    const move = { from, to: 'eth0', present: from === 'eth0' ? 'peth0' : 'eth0' };
    const { rules, closing } = voidRules(chains, move);
    expect([rules.length, closing.length]).toEqual([count, count]);
  });
});

describe('what goes out', () => {
  const output = (...rules: string[]) =>
    voidRules(iptables(':OUTPUT DROP [0:0]', ...rules, '-A OUTPUT -o eth0 -j ACCEPT'), PLAIN);
  const text = 'ip filter OUTPUT: -o eth0 -j ACCEPT';

  test('is dropped where only the old device may send', () => {
    expect(output('-A OUTPUT -o lo -j ACCEPT')).toEqual({ rules: [text], closing: [], silencing: [text] });
  });

  test('is let through where it answers a connection', () => {
    expect(output('-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT')).toEqual({
      rules: [text],
      closing: [],
      silencing: [],
    });
  });
});

describe('iptables', () => {
  test('a rule by name is right where the name stays with the addresses, and void where it does not', () => {
    const chains = iptables(INPUT, '-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT');
    expect(voidRules(chains, STAYING)).toEqual({ rules: [], closing: [], silencing: [] });
    const text = 'ip filter INPUT: -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT';
    expect(voidRules(chains, PLAIN)).toEqual({ rules: [text], closing: [text], silencing: [] });
  });

  test.each([
    ['a policy of ACCEPT', [':INPUT ACCEPT [0:0]', '-A INPUT -i eth0 -p tcp -j ACCEPT'], 1],
    ['a rule for the bridge', [INPUT, '-A INPUT -i eth0 -j ACCEPT', '-A INPUT -i xenbr0 -j ACCEPT'], 0],
    ['a wider rule', [INPUT, '-A INPUT -i eth0 -p tcp -j ACCEPT', '-A INPUT -p tcp -j ACCEPT'], 0],
    ['another card', [INPUT, '-A INPUT -i eth1 -j ACCEPT'], 0],
    ['every card', [INPUT, '-A INPUT -i + -j ACCEPT'], 0],
    ['all but another', [INPUT, '-A INPUT ! -i lo -j ACCEPT'], 0],
    ['output', [':OUTPUT DROP [0:0]', '-A OUTPUT -o eth0 -j ACCEPT'], 1],
    ['forward', [':FORWARD DROP [0:0]', '-A FORWARD -i eth0 -j ACCEPT'], 1],
  ])('nobody is kept out by %s', (_, rules, count) => {
    const found = voidRules(iptables(...rules), PLAIN);
    expect({ rules: found.rules.length, closing: found.closing }).toEqual({ rules: count, closing: [] });
  });

  test.each([
    ['a last rule', [':INPUT ACCEPT [0:0]', '-A INPUT -i eth+ -j ACCEPT', '-A INPUT -j REJECT']],
    ['a chain', [INPUT, ':in - [0:0]', '-A INPUT -i eth0 -j in', '-A in -p tcp -j ACCEPT']],
    ['what is dropped but from the card', [':INPUT ACCEPT [0:0]', '-A INPUT ! -i eth0 -j DROP']],
  ])('the host is kept to itself by %s', (_, rules) => {
    expect(voidRules(iptables(...rules), PLAIN).closing).toHaveLength(1);
  });
});

describe('nft', () => {
  test.each([
    ['an index', [match('iif', 'eth0'), ACCEPT]],
    [
      'a verdict map',
      [{ vmap: { key: { meta: { key: 'iif' } }, data: { set: [['eth0', { jump: { target: 'w' } }]] } } }],
    ],
  ])('%s follows the card, whatever its name', (_, rule) => {
    expect(voidRules(nft([match('iif', 'lo'), ACCEPT], rule), STAYING).closing).toHaveLength(1);
  });

  const concat = {
    op: '==',
    left: { concat: [{ meta: { key: 'iifname' } }, { payload: { protocol: 'tcp', field: 'dport' } }] },
    right: { set: [{ concat: ['eth0', 22] }] },
  };
  test.each([
    ['iifname', [match('iifname', 'eth0'), ACCEPT]],
    ['a star', [match('iifname', 'eth*'), ACCEPT]],
    ['a set of its own', [match('iifname', { set: ['eth0', 'eth1'] }), ACCEPT]],
    ['a named set', [match('iifname', '@s'), ACCEPT]],
    ['a concatenation', [{ match: concat }, ACCEPT]],
    ['a map', [{ vmap: { key: { meta: { key: 'iifname' } }, data: { set: [['eth0', ACCEPT]] } } }]],
  ])('%s is void where the name is another', (_, rule) => {
    expect(voidRules(nft(rule), STAYING)).toEqual({ rules: [], closing: [], silencing: [] });
    expect(voidRules(nft(rule), PLAIN).closing).toHaveLength(1);
  });

  test('a chain that hangs on the card is named', () => {
    const chain = { family: 'netdev', table: 'n', name: 'i', hook: 'ingress', dev: 'eth0' };
    const found = voidRules(parseNftRuleset(JSON.stringify({ nftables: [{ chain }] })), STAYING);
    expect(found).toEqual({ rules: ['netdev n i: hook ingress device eth0'], closing: [], silencing: [] });
  });
});
