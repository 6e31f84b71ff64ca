import { describe, expect, test } from 'vitest';
import { NO_RULES, ownerComment, vifForwardRules } from '../../../lib/filter/forward.ts';
import { guestPort, limitedElements } from '../../../lib/filter/limited.ts';
import { wrappedDrops } from '../../../lib/filter/wrapped.ts';
import { parseAddressList, prefixText } from '../../../lib/request/addresses.ts';

const OWNER = ownerComment({ device: 'vif1.0', domid: 1 });
const rulesOf = (ip: string, sources?: string[]) =>
  vifForwardRules('web', parseAddressList(ip), [4, 6], OWNER, sources);

/** The sources that a guest's rules tell. */
const told = (ip: string) => guestPort('web', rulesOf(ip, ['eth0'])).sources?.map(prefixText);

describe('the addresses of a guest are those of its rules in FORWARD', () => {
  test.each([
    ['192.0.2.11', ['192.0.2.11/32']],
    ['192.0.2.11 192.0.2.16/28', ['192.0.2.11/32', '192.0.2.16/28']],
    ['2001:db8::1 2001:db8:1::/64', ['2001:db8::1/128', '2001:db8:1::/64']],
    ['0.0.0.0/0 2001:db8::1', ['0.0.0.0/0', '2001:db8::1/128']],
    ['', undefined],
    ['0.0.0.0/0 ::/0', undefined],
  ])('ip=%s', (ip, sources) => {
    expect(told(ip)).toEqual(sources);
  });

  test('rules of another port, and those for packets to the guest, tell nothing', () => {
    expect(guestPort('vif1.0', rulesOf('192.0.2.11')).sources).toBeUndefined();
    expect(guestPort('web', NO_RULES).sources).toBeUndefined();
    const before = {
      4: ['FORWARD -s 192.0.2.11/32 -m physdev --physdev-in web --physdev-is-bridged -j ACCEPT'],
      6: [],
    };
    expect(guestPort('web', before).sources?.map(prefixText)).toEqual(['192.0.2.11/32']);
  });
});

const elementsOf = (ip: string, ranges?: false) =>
  limitedElements(ranges === false ? { ranges } : {}, guestPort('web', rulesOf(ip)));

describe('the elements of a guest', () => {
  test('no range lies within another', () => {
    expect(elementsOf('192.0.2.0/24 192.0.2.16/28 192.0.2.17 2001:db8::1')).toEqual([
      'limited { "web" }',
      'own4 { "web" . 192.0.2.17 }',
      'own6 { "web" . 2001:db8::1 }',
      'net4 { "web" . 192.0.2.0/24 }',
    ]);
  });

  test('where the kernel has no sets of ranges, a guest with one is not limited, and others are', () => {
    expect(elementsOf('192.0.2.0/24 192.0.2.17', false)).toEqual([]);
    expect(elementsOf('192.0.2.17', false)).toEqual(['limited { "web" }', 'own4 { "web" . 192.0.2.17 }']);
    const table = { kind: 'wrapped', bridge: 'xenbr0', byBridge: true } as const;
    expect(wrappedDrops(table)).toMatch(/net4/);
    expect(wrappedDrops({ ...table, ranges: false })).not.toMatch(/net[46]|interval/);
  });

  test('without addresses of its own it has none', () => {
    expect(elementsOf('')).toEqual([]);
  });
});
