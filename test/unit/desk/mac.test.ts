import { describe, expect, test } from 'vitest';
import { collisionProbability, formulaMac, macFault, parseMac, xenMac } from '../../../lib/desk/mac/mac.ts';
import { type MacUse, macFindings } from '../../../lib/desk/mac/mac-uses.ts';

describe('MAC addresses', () => {
  test.each([
    ['192.0.2.17', '02:00', '02:00:c0:00:02:11'],
    ['10.0.0.1', 'AA:BB', 'aa:bb:0a:00:00:01'],
    ['255.255.255.255', 'fe:00', 'fe:00:ff:ff:ff:ff'],
    ['0.0.0.0', '16:3e', '16:3e:00:00:00:00'],
  ])('of %s with %s: %s', (address, prefix, mac) => {
    expect(formulaMac(address, prefix)).toBe(mac);
  });

  test.each([
    ['192.0.2.256', '02:00'],
    ['192.0.2', '02:00'],
    ['2001:db8::1', '02:00'],
    ['192.0.2.1/24', '02:00'],
    ['192.0.2.1', '00:16'],
    ['192.0.2.1', '03:00'],
    ['192.0.2.1', '02'],
    ['192.0.2.1', '02:00:00'],
  ])('none of %s with %s', (address, prefix) => {
    expect(formulaMac(address, prefix)).toBeUndefined();
  });

  test("Xen's prefix, as its tools fill it", () => {
    expect(xenMac([0xff, 0x0a, 0])).toBe('00:16:3e:7f:0a:00');
    expect(xenMac([0, 1, 2])).toBe('00:16:3e:00:01:02');
  });

  test.each([
    ['00:16:3e:00:00:01', undefined],
    ['02:00:c0:00:02:11', undefined],
    ['AE:00:00:00:00:01', undefined],
    ['52:54:00:12:34:56', undefined],
    ['00:16:3e:00:00', false],
    ['00-16-3e-00-00-01', false],
    ['00:16:3e:00:00:0g', false],
    ['', false],
    ['01:00:5e:00:00:01', false],
    ['ff:ff:ff:ff:ff:ff', false],
    ['00:00:00:00:00:00', false],
    ['fe:ff:ff:ff:ff:ff', false],
    ['00:1b:21:00:00:01', true],
  ])('%j: fault that a card can live with %s', (mac, isMild) => {
    expect(macFault(mac)?.isMild).toBe(isMild);
  });

  test('are compared in lower case', () => {
    expect(parseMac('00:16:3E:AA:BB:CC')).toBe('00:16:3e:aa:bb:cc');
  });
});

describe('the probability that two of so many are alike', () => {
  test.each([
    [0, 2 ** 23, 0],
    [1, 2 ** 23, 0],
    [2, 2 ** 23, 2 ** -23],
    // The birthdays of 23 people.
    [23, 365, 0.5072972],
    [366, 365, 1],
    [3411, 2 ** 23, 0.5],
  ])('%i among %i', (count, size, probability) => {
    expect(collisionProbability(count, size)).toBeCloseTo(probability, 3);
    expect(Math.abs(collisionProbability(2, 2 ** 40) / 2 ** -40 - 1)).toBeLessThan(1e-9);
  });
});

describe('addresses that two cards have', () => {
  const use = (more: Partial<MacUse>): MacUse => ({
    mac: '00:16:3e:00:00:01',
    host: 'a',
    guest: 'web',
    isRunning: false,
    where: 'somewhere',
    path: '/etc/xen/web.cfg',
    ...more,
  });
  const running = (more: Partial<MacUse> = {}) => {
    const { path: _, ...rest } = use({ isRunning: true, where: 'vif1.0', ...more });
    return rest;
  };

  test.each<[string, MacUse[]]>([
    ['a guest runs, and is in its file', [use({}), running()]],
    [
      "a guest's file lies on two hosts, and it runs on one of them",
      [use({}), use({ host: 'b' }), running({ host: 'b' })],
    ],
    ['a guest has two files on one host', [use({}), use({ path: '/etc/xen/web-2.cfg' })]],
    ['two guests have addresses of their own', [use({}), use({ guest: 'mail', mac: '00:16:3e:00:00:02' })]],
  ])('not where %s', (_, uses) => {
    expect(macFindings(uses)).toEqual([]);
  });

  test.each<[string, MacUse[]]>([
    ['two guests', [use({}), use({ guest: 'mail', mac: '00:16:3E:00:00:01' })]],
    ['two cards of one file', [use({}), use({ where: 'elsewhere' })]],
    ['two cards that run', [running(), running({ where: 'vif1.1' })]],
    ['a guest that runs on two hosts', [running(), running({ host: 'b' })]],
    ['a guest and a card of a host', [use({}), running({ guest: undefined, where: 'eth0', host: 'b' })]],
  ])('%s', (_, uses) => {
    const [finding, ...more] = macFindings(uses);
    expect(more).toEqual([]);
    expect(finding?.isMild).toBe(false);
    expect(finding?.text).toMatch(/^00:16:3e:00:00:01 is in use more than once: by the /);
  });

  test('those that are unfit are named as well, but not what makers gave cards of hosts', () => {
    const found = macFindings([
      use({ mac: '01:00:00:00:00:01' }),
      use({ mac: 'none', guest: 'mail' }),
      running({ mac: '00:1b:21:00:00:01', guest: undefined }),
    ]);
    expect(found.map(({ text }) => text)).toEqual([
      '01:00:00:00:00:01 of the guest web (somewhere on a) is an address of a group (the second digit is odd), which no card can have.',
      'none of the guest mail (somewhere on a) is no MAC address; write six bytes such as 00:16:3e:00:00:01.',
    ]);
  });
});
