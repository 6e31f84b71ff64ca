import { describe, expect, test } from 'vitest';
import { HostError, RequestError } from '../../../lib/errors.ts';
import { defaultPvid, hasVlans, parseVlanListing } from '../../../lib/observe/vif/vlan.ts';
import { portVlans, vlanCommands } from '../../../lib/plan/vif/vlan.ts';
import { parseVlans, type VlanSet, vlanRanges } from '../../../lib/request/vlan.ts';
import { memoryHost } from '../../support/hosts/memory.ts';
import { pick, type Random, randomNumbers } from '../../support/random.ts';

/** "10pu 20 30-39u": every range, with p for the PVID and u for untagged. */
function text(vlans: VlanSet): string {
  return vlanRanges(vlans)
    .map(
      ({ from, to, pvid, untagged }) =>
        `${from === to ? from : `${from}-${to}`}${pvid ? 'p' : ''}${untagged ? 'u' : ''}`,
    )
    .join(' ');
}

describe('vlan=', () => {
  test.each([
    ['10', '10pu'],
    ['10p', '10pu'],
    ['1p/10u/20', '1pu 10u 20'],
    ['4094p/1-3', '1-3 4094pu'],
    ['5p/100-102u', '5pu 100-102u'],
    ['5p/10+10x3', '5pu 10 20 30 40'],
    ['5p/10+1x3', '5pu 10-13'],
    ['5p/10+10x1u', '5pu 10u 20u'],
    ['30/20/10p', '10pu 20 30'],
    ['11/10p/12', '10pu 11-12'],
    ['10/11p/12', '10 11pu 12'],
    ['0010', '10pu'],
  ])('%s is %s', (given, meaning) => {
    expect(text(parseVlans(given))).toBe(meaning);
  });

  test.each([
    ['', 'term "" is none'],
    ['0', 'term "0" is none'],
    ['4095', 'term "4095" is none'],
    ['10/20', 'none of its terms have a "p"'],
    ['10-20', 'none of its terms have a "p"'],
    ['10u', 'none of its terms have a "p"'],
    ['10p/20p', '2 terms have a "p"'],
    ['10-20p', 'term "10-20p" is none'],
    ['20-10/1p', 'term "20-10" is none'],
    ['10-10/1p', 'term "10-10" is none'],
    ['1p/10+0x3', 'term "10+0x3" is none'],
    ['1p/4000+10x10', 'term "4000+10x10" is none'],
    ['1p/1-9999', 'term "1-9999" is none'],
    ['10p/10', 'VLAN 10 twice'],
    ['10p/5-15', 'VLAN 10 twice'],
    ['10p/', 'term "" is none'],
    ['10p 20', 'term "10p 20" is none'],
    ['10p/20;id', 'term "20;id" is none'],
    ['10p\n', 'term "10p\\n" is none'],
    ['99999999999999999999', 'is none'],
  ])('%j is refused', (given, why) => {
    expect(() => parseVlans(given)).toThrow(RequestError);
    expect(() => parseVlans(given)).toThrow(why);
  });
});

/** A random vlan= and what each of its VLANs is to be, worked out term by term. */
function randomVlans(random: Random): { given: string; untagged: Map<number, boolean>; pvid: number } {
  const untagged = new Map<number, boolean>();
  const pvid = 1 + random(4094);
  untagged.set(pvid, true);
  const terms = [`${pvid}p`];
  for (let n = random(6); n > 0; n--) {
    const [first, flag] = [1 + random(4000), random(2) === 0];
    const [more, offset] = [1 + random(8), pick(random, [1, 2, 7])];
    const ids = Array.from({ length: more + 1 }, (_, i) => first + i * offset);
    const isSingle = random(3) === 0;
    const own = isSingle ? [first] : ids;
    if (own.some((id) => untagged.has(id))) continue;
    for (const id of own) untagged.set(id, flag);
    const body = isSingle
      ? `${first}`
      : offset === 1
        ? `${first}-${first + more}`
        : `${first}+${offset}x${more}`;
    terms.push(`${body}${flag ? 'u' : ''}`);
  }
  return { given: terms.sort(() => random(2) - 0.5).join('/'), untagged, pvid };
}

describe('any vlan=', () => {
  test('means the same as its terms, said as ranges or one by one', () => {
    const random = randomNumbers(2);
    for (let n = 0; n < 300; n++) {
      const { given, untagged, pvid } = randomVlans(random);
      const vlans = parseVlans(given);
      expect({ given, pvid: vlans.pvid }).toEqual({ given, pvid });
      expect({ given, ids: vlans.ids }).toEqual({ given, ids: [...untagged.keys()].sort((a, b) => a - b) });
      for (const { from, to, ...flags } of vlanRanges(vlans))
        for (let id = from; id <= to; id++)
          expect({ given, id, ...flags }).toEqual({
            given,
            id,
            pvid: id === pvid,
            untagged: untagged.get(id),
          });
    }
  });

  test('that is rubbish is refused, and never taken half', () => {
    const random = randomNumbers(3);
    for (let n = 0; n < 2000; n++) {
      const given = Array.from({ length: 1 + random(8) }, () =>
        pick(random, [...'0123456789pu-+x/ ,;$'] as [string]),
      ).join('');
      try {
        const { ids, pvid } = parseVlans(given);
        expect(ids.every((id) => id >= 1 && id <= 4094)).toBe(true);
        expect(ids).toContain(pvid);
        expect(given).toMatch(/^[\dpu+x/-]+$/);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(RequestError);
      }
    }
  });
});

describe('a port is given', () => {
  const lines = (given: string, standard: number) =>
    vlanCommands('vif1.0', portVlans(given, parseVlans(given), standard)).map((command) =>
      command.tool === 'bridge' ? command.args.join(' ') : command.tool,
    );

  test('its VLANs and not the bridge’s default', () => {
    expect(lines('10p/20/30-39/50u', 1)).toEqual([
      'vlan del dev vif1.0 vid 1',
      'vlan add dev vif1.0 vid 10 pvid untagged',
      'vlan add dev vif1.0 vid 20',
      'vlan add dev vif1.0 vid 30-39',
      'vlan add dev vif1.0 vid 50 untagged',
    ]);
  });

  test('the default, where it is one of them', () => {
    expect(lines('1/10p', 1)).toEqual([
      'vlan add dev vif1.0 vid 1',
      'vlan add dev vif1.0 vid 10 pvid untagged',
    ]);
  });

  test('nothing else, where the bridge has no default', () => {
    expect(lines('10', 0)).toEqual(['vlan add dev vif1.0 vid 10 pvid untagged']);
  });
});

describe('the bridge', () => {
  const folder = '/sys/class/net/xenbr0/bridge';
  const pvidOf = (files: Record<string, string>) => defaultPvid(memoryHost(files).system, 'xenbr0');

  test('tells its default', () => {
    expect(pvidOf({ [`${folder}/vlan_filtering`]: '1\n', [`${folder}/default_pvid`]: '7\n' })).toBe(7);
  });

  test('must filter VLANs', () => {
    const off = () => pvidOf({ [`${folder}/vlan_filtering`]: '0\n' });
    expect(off).toThrow(HostError);
    expect(off).toThrow('"ip link set dev xenbr0 type bridge vlan_filtering 1"');
  });

  test('must be able to', () => {
    expect(() => pvidOf({})).toThrow('this kernel has no VLAN filtering for the bridge xenbr0');
  });
});

describe('what a port has', () => {
  const listing = (vlans: unknown) => JSON.stringify([{ ifname: 'vif1.0', vlans }]);
  const LISTED = listing([
    { vlan: 10, flags: ['PVID', 'Egress Untagged'] },
    { vlan: 20 },
    { vlan: 30, vlanEnd: 39 },
    { vlan: 50, flags: ['Egress Untagged'] },
  ]);
  const has = (stdout: string, wanted: string) => {
    const system = { ...memoryHost().system, run: () => ({ status: 0, stdout, stderr: '' }) };
    return hasVlans(system, 'vif1.0', vlanRanges(parseVlans(wanted)));
  };

  test('is read from bridge(8)', () => {
    expect(has(LISTED, '10p/20/30-39/50u')).toBe(true);
    expect(has(listing([{ vlan: 10, flags: ['PVID', 'Egress Untagged'] }]), '10')).toBe(true);
  });

  test.each([
    '10p/20/30-39',
    '10p/20/30-38/50u',
    '10p/20u/30-39/50u',
    '20p/10u/30-39/50u',
    '10p/20/30-39/50u/60',
  ])('is not %s when it is more, less or other', (wanted) => {
    expect(has(LISTED, wanted)).toBe(false);
  });

  test.each(['', '[]', '{}', 'null', '[{"ifname":"vif1.0"}]', '[[]]'])(
    'is nothing when it prints %j',
    (printed) => {
      expect(parseVlanListing(printed)).toEqual([]);
    },
  );
});
