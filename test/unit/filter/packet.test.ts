import { expect, test } from 'vitest';
import { holdsFor } from '../../../lib/filter/packet.ts';
import { parsePrefix } from '../../../lib/request/addresses.ts';
import { parseIptablesSave, parseNftRuleset } from '../../../lib/wire/firewall-rules.ts';

const guest = holdsFor(parsePrefix('192.0.2.7'));

test.each([
  ['', true],
  ['-s 192.0.2.0/24', true],
  ['-s 192.0.2.7/32', true],
  ['! -s 192.0.2.0/24', false],
  ['-s 192.0.3.0/24', false],
  ['-d 192.0.2.0/24', false],
  ['-p tcp -m tcp --dport 80', false],
  ['-m conntrack --ctstate RELATED,ESTABLISHED', false],
  ['-m conntrack --ctstate NEW,ESTABLISHED', true],
  ['-s 192.0.2.0/24 -m state --state NEW', true],
  ['-m comment --comment "guests only"', true],
  ['-m limit --limit 3/hour', false],
])('iptables’ %s', (words, holds) => {
  const [chain] = parseIptablesSave(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${words} -j ACCEPT\n`, 'ip');
  expect(guest(chain?.rules[0]?.others ?? ['no rule'])).toBe(holds);
});

const saddr = (right: unknown, op = '==') => ({
  match: { op, left: { payload: { protocol: 'ip', field: 'saddr' } }, right },
});
const state = (right: unknown) => ({ match: { op: 'in', left: { ct: { key: 'state' } }, right } });

test.each([
  [[], true],
  [[saddr('192.0.2.7')], true],
  [[saddr({ prefix: { addr: '192.0.2.0', len: 24 } })], true],
  [[saddr({ set: ['192.0.3.1', { prefix: { addr: '192.0.2.0', len: 25 } }] })], true],
  [[saddr({ prefix: { addr: '192.0.2.0', len: 24 } }, '!=')], false],
  [[saddr('@guests')], false],
  [[state(['established', 'related'])], false],
  [[state('new'), saddr('192.0.2.7')], true],
  [[{ match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'tcp' } }], false],
  [[{ limit: { rate: 3, per: 'hour' } }], false],
])('nft’s %j', (expr, holds) => {
  const [chain] = parseNftRuleset(
    JSON.stringify({
      nftables: [
        { chain: { family: 'inet', table: 't', name: 'c', hook: 'forward', policy: 'accept' } },
        { rule: { family: 'inet', table: 't', chain: 'c', expr: [...expr, { accept: null }] } },
      ],
    }),
  );
  expect(guest(chain?.rules[0]?.others ?? ['no rule'])).toBe(holds);
});
