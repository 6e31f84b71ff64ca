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

const elementsOf = (ip: string) => limitedElements(guestPort('web', rulesOf(ip)));

describe('the elements of a guest', () => {
  test('ranges are blocks, and none is of a range within another', () => {
    expect(elementsOf('192.0.2.0/24 192.0.2.16/28 192.0.2.17 198.51.100.0/22 2001:db8::1')).toEqual([
      'checked { "web" }',
      'own4 { "web" . 192.0.2.17 }',
      'own6 { "web" . 2001:db8::1 }',
      'ranged4 { "web" }',
      'blocks4 { "web" . 192.0.2.128 }',
      'blocks4 { "web" . 198.51.100.128 }',
      'blocks4 { "web" . 198.51.101.128 }',
      'blocks4 { "web" . 198.51.102.128 }',
      'blocks4 { "web" . 198.51.103.128 }',
    ]);
  });

  test('their sets are none of ranges, in which the kernel goes through all guests to take one out', () => {
    const table = { kind: 'wrapped', bridge: 'xenbr0', byBridge: true } as const;
    expect(wrappedDrops(table)).toMatch(/blocks4/);
    expect(wrappedDrops(table)).not.toMatch(/interval/);
  });

  test('without addresses of its own it has none', () => {
    expect(elementsOf('')).toEqual([]);
  });
});
