import { describe, expect, test } from 'vitest';
import {
  elementLine,
  kernelElements,
  withoutRanged,
  withRanged,
} from '../../../lib/filter/strict-elements.ts';
import { ROUTED_SETS, SETS } from '../../../lib/filter/strict-hooks.ts';
import {
  BLOCKS_4,
  BLOCKS_6,
  type BlockKind,
  blockMasks,
  blocksOf,
  boundsOf,
  LEASE_BLOCKS,
  TARGET_BLOCKS,
  VLAN_BLOCKS,
} from '../../../lib/request/blocks.ts';
import { pick, randomNumbers } from '../../support/random.ts';

const blocks = (kind: BlockKind, value: string) => blocksOf(kind, ...boundsOf(value)).blocks;

/** The number in a text of these rules: hexadecimal or decimal, or an address. */
const numberOf = (text: string): bigint => boundsOf(text)[0];

/** Whether rules with these masks find a value among the blocks and single values of a range. */
function isFound(kind: BlockKind, from: bigint, to: bigint, value: bigint): boolean {
  const { blocks: all, singles } = blocksOf(kind, from, to);
  const numbers = new Set(all.map(numberOf));
  const isInBlock = blockMasks(kind).some((mask) => {
    const [, and = '', or = ''] = /^& (\S+) \| (\S+)$/.exec(mask) ?? [];
    return numbers.has((value & numberOf(and)) | numberOf(or));
  });
  return isInBlock || singles.map(numberOf).includes(value);
}

describe('a range as blocks', () => {
  test.each([
    ['10.0.0.0/24', ['10.0.0.128']],
    ['10.0.0.0/8', ['10.128.0.0']],
    ['192.0.2.8/29', ['192.0.2.9', '192.0.2.11', '192.0.2.13', '192.0.2.15']],
    ['10.0.0.0/22', ['10.0.0.128', '10.0.1.128', '10.0.2.128', '10.0.3.128']],
    ['255.255.255.254/31', ['255.255.255.255']],
  ])('%s is %j', (range, expected) => {
    expect(blocks(BLOCKS_4, range)).toEqual(expected);
  });

  test('is the same in the form of DHCP, and of targets', () => {
    expect(blocks(LEASE_BLOCKS, '0x0a000000-0x0a0000ff')).toEqual(['0x0a000080']);
    expect(blocks(BLOCKS_6, '2001:db8::/64')).toEqual(['2001:db8:0:0:8000::']);
    expect(blocks(TARGET_BLOCKS, `0x20010db8${'0'.repeat(24)}-0x20010db800000000${'f'.repeat(16)}`)).toEqual([
      '0x20010db8000000008000000000000000',
    ]);
  });

  test('of VLANs has single ones at its ends', () => {
    expect(blocksOf(VLAN_BLOCKS, 30n, 39n)).toEqual({ blocks: [], singles: range(30, 39) });
    expect(blocksOf(VLAN_BLOCKS, 15n, 32n)).toEqual({ blocks: ['24'], singles: ['15', '32'] });
    expect(blocksOf(VLAN_BLOCKS, 1n, 4094n).blocks).toHaveLength(44);
  });

  test('has few of them, whatever its length', () => {
    const most = (kind: BlockKind, base: string) =>
      Math.max(
        ...Array.from({ length: kind.width }, (_, length) => blocks(kind, `${base}/${length}`).length),
      );
    expect([most(BLOCKS_4, '0.0.0.0'), most(BLOCKS_6, '::')]).toEqual([16, 128]);
  });

  test.each([
    ['IPv4', BLOCKS_4],
    ['IPv6', BLOCKS_6],
    ['VLANs', VLAN_BLOCKS],
  ])('is exactly the range, for %s', (_what, kind) => {
    const random = randomNumbers(7);
    const last = (1n << BigInt(kind.width)) - 1n;
    const bits = () => Array.from({ length: kind.width }, () => random(2)).join('');
    for (let turn = 0; turn < 60; turn++) {
      const value = BigInt(`0b${bits()}`);
      const size = 1n << BigInt(1 + random(kind.width));
      const from = value - (value % size);
      const to = kind === VLAN_BLOCKS ? from + BigInt(random(Number(size))) : from + size - 1n;
      const near = [from, to, from + 1n, (from + to) / 2n, from - 1n, to + 1n, pick(random, [0n, last])];
      for (const each of near.filter((one) => one >= 0n && one <= last))
        expect({ from, to, each, is: isFound(kind, from, to, each) }).toEqual({
          ...{ from, to, each },
          is: from <= each && each <= to,
        });
    }
  });
});

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe('elements of records', () => {
  test('stand for blocks in the kernel, where they are ranges', () => {
    expect(kernelElements('netdev net4 { "web" . 10.0.0.0/23 }')).toEqual([
      'netdev blocks4 { "web" . 10.0.0.128 }',
      'netdev blocks4 { "web" . 10.0.1.128 }',
    ]);
    expect(elementLine('delete', 'netdev net4 { "web" . 10.0.0.0/23 }')).toBe(
      'delete element netdev xen_network blocks4 { "web" . 10.0.0.128, "web" . 10.0.1.128 }',
    );
    expect(elementLine('add', 'vlans { "web" . 15-32 }')).toBe(
      'add element bridge xen_network tag_blocks { "web" . 24 }; ' +
        'add element bridge xen_network tags { "web" . 15, "web" . 32 }',
    );
    for (const same of ['own4 { "web" . 00:16:3e:00:00:01 . 10.0.0.1 }', 'blocks4 { "web" . 10.0.0.128 }'])
      expect(kernelElements(same)).toEqual([same]);
  });

  test('name a guest with ranges once, and the record does not', () => {
    const [four, more, six] = ['10.0.0.0/24', '10.1.0.0/24', '2001:db8::/64'].map(
      (net) => `net${net.includes(':') ? 6 : 4} { "web" . ${net} }`,
    );
    const elements = ['macs { a }', four ?? '', more ?? '', six ?? ''];
    const whole = ['macs { a }', 'ranged4 { "web" }', four, more, 'ranged6 { "web" }', six];
    expect(withRanged('web', elements)).toEqual(whole);
    expect(withRanged('web', withRanged('web', elements))).toEqual(whole);
    expect(withoutRanged(withRanged('web', elements))).toEqual(elements);
  });
});

// In a set of ranges whose key is a name and an address (pipapo) the kernel goes through all elements to take one out.
test('no set that is keyed by guests is a set of ranges', () => {
  const keyed = [...SETS, ...ROUTED_SETS].filter((set) => /ifname/.test(set));
  expect(keyed.length).toBeGreaterThan(20);
  expect(keyed.filter((set) => set.includes('interval'))).toEqual([]);
});
