import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type StrictGuest, strictBase, strictElements, strictExtras } from '../../../lib/filter/strict.ts';
import { elementLine } from '../../../lib/filter/strict-elements.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { findBun } from '../../support/bun.ts';
import { Host } from '../../support/hosts/host.ts';
import { FINE } from '../../support/hosts/namespace.ts';

const DRIVER = join(import.meta.dirname, '../../support/kernel/table-changes.ts');
const PORTS = ['vif1.0', 'vif1.0-emu', 'a_name.of+15-ch'];

/** In one the kernel is asked for all that belongs to a guest, in the other nft does it. */
let asked: Host;
let told: Host;

beforeAll(async () => {
  [asked, told] = await Promise.all([Host.create(), Host.create()]);
  for (const host of [asked, told])
    for (const [i, port] of PORTS.entries()) host.ip(`link add ${port} type veth peer name peer${i}`);
});

afterAll(() => Promise.all([asked, told].map((host) => host.close())));

const guest = (ip: string, more: Partial<StrictGuest> = {}): StrictGuest => ({
  port: 'vif1.0',
  place: 'bridged',
  mac: '00:16:3e:00:0a:01',
  addresses: parseAddressList(ip),
  mode: 'locked',
  ...more,
});

/** The elements of guests of all kinds, but for those of sets of ranges, which nft alone writes. */
const GUESTS: Readonly<Record<string, StrictGuest>> = {
  bridged: guest('192.0.2.1 198.51.100.9 2001:db8::1 ::ffff:192.0.2.7'),
  'with any address': guest(''),
  'with ranges': guest('10.0.0.0/22 0.0.0.0/0 2001:db8::/61', {
    vlans: [
      { from: 7, to: 7 },
      { from: 100, to: 260 },
    ],
  }),
  disabled: guest('192.0.2.1', { mode: 'disabled' }),
  'not tracked': guest('192.0.2.1', { untrackedBut: ['02:00:00:00:00:01', 'fe:ff:ff:ff:ff:ff'] }),
  unlocked: guest('192.0.2.1', { mode: 'unlocked' }),
  'on a switch': guest('192.0.2.1', { place: 'switched' }),
  routed: guest('192.0.2.1 2001:db8::1', { place: 'routed' }),
  'routed and disabled': guest('192.0.2.1', { place: 'routed', mode: 'disabled' }),
  'routed and disabled, without a hook for that': guest('192.0.2.1', {
    place: 'routed',
    mode: 'disabled',
    isDeafByChain: false,
  }),
  'a tap': guest('192.0.2.1', { port: 'vif1.0-emu' }),
  'with another name': guest('192.0.2.0/28', { port: 'a_name.of+15-ch', place: 'switched' }),
};

function linesOf(guest: StrictGuest, verb: 'add' | 'delete'): string[] {
  const elements = strictElements(guest);
  const lines = elements.map((element) => elementLine(verb, element));
  return verb === 'add' ? [...strictExtras(elements), ...lines] : lines;
}

/** @returns whether it did so */
function byKernel(lines: readonly string[]): boolean {
  const { stdout, stderr } = asked.run([findBun(), DRIVER], { input: JSON.stringify(lines) });
  expect(stderr).toBe('');
  return stdout === 'true';
}

function byNft(host: Host, lines: readonly string[]): void {
  expect(host.run(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` })).toEqual(FINE);
}

/** With all expressions, and without the numbers that the kernel counts by itself. */
function listed(host: Host): string[] {
  const text = host.ok('nft', '--debug=netlink', 'list', 'ruleset');
  return text
    .replace(/ use \d+/g, '')
    .replace(/^(\w+ \S+ \S+)(?: \d+)+$/gm, '$1')
    .split('\n')
    .map((line) => line.trim().replace(/^elements = \{ |,$| \}$/g, ''))
    .filter((line) => line !== '')
    .sort();
}

describe('the kernel', () => {
  beforeEach(() => {
    for (const host of [asked, told]) byNft(host, ['flush ruleset', ...strictBase()]);
  });

  test.each(Object.entries(GUESTS))(
    'takes a guest that is %s as nft gives it, twice, and lets it go',
    (_, one) => {
      for (let times = 0; times < 2; times++) {
        byNft(told, linesOf(one, 'add'));
        expect(byKernel(linesOf(one, 'add'))).toBe(true);
      }
      const there = listed(asked);
      expect(there.join()).toContain(one.port);
      expect(there).toEqual(listed(told));
      byNft(told, linesOf(one, 'delete'));
      expect(byKernel(linesOf(one, 'delete'))).toBe(true);
      expect(listed(asked)).toEqual(listed(told));
    },
  );

  test('does all or nothing', () => {
    const before = listed(asked);
    const lines = linesOf(guest('192.0.2.1'), 'add');
    expect(byKernel([...lines, 'add element bridge xen_network missing { "vif1.0" }'])).toBe(false);
    expect(byKernel([...lines, elementLine('delete', 'macs { "vif9.0" . 00:16:3e:00:00:09 }')])).toBe(false);
    expect(listed(asked)).toEqual(before);
  });

  test('takes a thousand guests at once', () => {
    const all = Array.from({ length: 1000 }, (_, i) =>
      guest(`10.0.${i >> 8}.${i & 255} 2001:db8::${i.toString(16)}`, { port: `vif${i}.7` }),
    );
    const lines = all.flatMap((one) =>
      strictElements(one)
        .filter((element) => !element.startsWith('netdev groups '))
        .map((element) => elementLine('add', element)),
    );
    byNft(told, lines);
    expect(byKernel(lines)).toBe(true);
    expect(listed(asked)).toEqual(listed(told));
  });
});
