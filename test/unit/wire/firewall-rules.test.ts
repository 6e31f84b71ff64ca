import { expect, test } from 'vitest';
import { parseNftRuleset } from '../../../lib/wire/firewall-rules.ts';

/** How many matches besides devices the rule of these expressions has, and its verdict. */
function read(...expr: readonly object[]) {
  const place = { family: 'bridge', table: 'filter' };
  const nftables = [
    { chain: { ...place, name: 'FORWARD', hook: 'forward', policy: 'accept' } },
    { rule: { ...place, chain: 'FORWARD', expr } },
  ];
  const [rule] = parseNftRuleset(JSON.stringify({ nftables }))[0]?.rules ?? [];
  return [rule?.others.length, rule?.verdict.kind];
}

test.each([
  ['as nft 1.0.6 tells it', { type: 'match', name: 'physdev' }],
  ['as nft 0.9.8 does', null],
])('a match of iptables is a condition, %s', (_, xt) => {
  expect(read({ xt }, { accept: null })).toEqual([1, 'accept']);
});

test('a target of iptables is none', () => {
  expect(read({ xt: { type: 'target', name: 'REJECT' } })).toEqual([0, 'drop']);
  expect(read({ accept: null })).toEqual([0, 'accept']);
});
