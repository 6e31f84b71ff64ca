import { describe, expect, test } from 'vitest';
import { untrackRules } from '../../../lib/filter/notrack.ts';
import { strictElements } from '../../../lib/filter/strict.ts';
import type { StrictRecord } from '../../../lib/observe/filter/strict.ts';
import { planStrict, planStrictTable } from '../../../lib/plan/filter/strict.ts';
import { type Command, commandText, type Step } from '../../../lib/plan/step.ts';
import { markedValues, storedSettings } from '../../../lib/record/stored-settings.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { parseVifCall, parseVifSettings } from '../../../lib/request/vif.ts';

const record = (...elements: string[]): StrictRecord => ({ device: 'vif1.0', mode: 'locked', elements });
const plan = (
  old: StrictRecord | undefined,
  fresh: StrictRecord | undefined,
  flushed = false,
  shared: readonly string[] = [],
): Step[] =>
  planStrict({ port: 'vif1.0', recordPath: '/run/xen-network/strict/vif1.0', old, fresh, flushed, shared });
const text = (command: Command) =>
  commandText(command)
    .replace(/^nft '(.*)'$/, '$1')
    .replace('bridge xen_network ', '');
const texts = (steps: readonly Step[]): string[] => steps.map((step) => text(step.do));
const undos = (steps: readonly Step[]): string[] => steps.flatMap((step) => step.undo.map(text));

describe('the plan for a port under the strict filter', () => {
  test('what another port needs as well is neither taken out nor taken back', () => {
    const both = record('macs { a }', 'untracked_macs { m }');
    expect(texts(plan(both, undefined, false, ['untracked_macs { m }']))).toEqual([
      'delete element macs { a }',
      'rm -f /run/xen-network/strict/vif1.0',
    ]);
    expect(undos(plan(undefined, both, false, ['untracked_macs { m }']))).not.toContain(
      'delete element untracked_macs { m }',
    );
  });

  test('a new one is put in, and an undo takes exactly that out', () => {
    const steps = plan(undefined, record('macs { a }', 'guests { b }'));
    expect(texts(steps).slice(0, 2)).toEqual(['add element macs { a }', 'add element guests { b }']);
    expect(undos(steps)).toEqual([
      'delete element macs { a }',
      'delete element guests { b }',
      'rm -f /run/xen-network/strict/vif1.0',
    ]);
  });

  test('what stays is given again, and no undo takes it away', () => {
    const steps = plan(record('macs { a }', 'own4 { b }'), record('macs { a }', 'own4 { c }'));
    expect(texts(steps).slice(0, 3)).toEqual([
      'delete element own4 { b }',
      'add element macs { a }',
      'add element own4 { c }',
    ]);
    expect(undos(steps).slice(0, 2)).toEqual(['add element own4 { b }', 'delete element own4 { c }']);
  });

  test('one that leaves is taken out whole, its record last', () => {
    const steps = plan(record('macs { a }'), undefined);
    expect(texts(steps)).toEqual(['delete element macs { a }', 'rm -f /run/xen-network/strict/vif1.0']);
  });

  test('where somebody may have flushed it, what is gone is no reason to fail', () => {
    expect(texts(plan(record('macs { a }'), undefined, true)).slice(0, 2)).toEqual([
      'add element macs { a }',
      'delete element macs { a }',
    ]);
  });

  test('one that is not in it and is not to be has no step', () => {
    expect(plan(undefined, undefined)).toEqual([]);
  });

  test('chains that few need are made for those that need them', () => {
    const chains = (...elements: string[]) =>
      texts(plan(undefined, record(...elements))).filter((line) => line.startsWith('add chain'));
    expect(chains('macs { a }')).toEqual([]);
    expect(chains('disabled { a }')).toEqual([
      expect.stringContaining('add chain to_guests { type filter hook postrouting'),
    ]);
    expect(chains('untracked { a }')).toEqual([
      expect.stringContaining('add chain untrack { type filter hook prerouting'),
    ]);
  });

  test('the table is made with all guests in it, and stays', () => {
    const steps = planStrictTable(['macs { a }', 'disabled { b }']);
    expect(texts(steps)[0]).toBe('add table bridge xen_network');
    expect(texts(steps).slice(-2)).toEqual(['add element macs { a }', 'add element disabled { b }']);
    expect(texts(steps).join()).toContain('add chain to_guests');
    expect(undos(steps)).toEqual([]);
  });
});

describe('what a guest may be', () => {
  const elements = (ip: string) =>
    strictElements({
      place: 'bridged',
      port: 'vif1.0',
      mac: '00:16:3e:00:00:01',
      addresses: parseAddressList(ip),
      mode: 'locked',
    });

  test('includes its link-local address, once', () => {
    const local = elements('fe80::216:3eff:fe00:1 2001:db8::1').filter((element) => element.includes('fe80'));
    expect(local).toEqual([
      'own6 { "vif1.0" . 00:16:3e:00:00:01 . fe80::216:3eff:fe00:1 }',
      'targets { "vif1.0" . 0xfe8000000000000002163efffe000001 }',
    ]);
  });

  test('names no range within another, which the kernel would refuse', () => {
    const nets = elements('10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 192.0.2.0/24 2001:db8::/32 2001:db8:1::/48');
    expect(nets.filter((element) => /^net[46] /.test(element))).toEqual([
      'net4 { "vif1.0" . 10.0.0.0/8 }',
      'net4 { "vif1.0" . 192.0.2.0/24 }',
      'net6 { "vif1.0" . 2001:db8::/32 }',
    ]);
  });

  test('a range of IPv6 is a range of numbers as well', () => {
    expect(elements('2001:db8::/63')).toContain(
      'target_nets { "vif1.0" . 0x20010db8000000000000000000000000-0x20010db800000001ffffffffffffffff }',
    );
  });
});

describe('the rules that keep packets out of connection tracking', () => {
  const rules = (ip: string, families: readonly (4 | 6)[]) =>
    untrackRules('vif1.0', parseAddressList(ip), families, 'OWNER');

  test('are for what the guest sends and for its addresses, never for the host', () => {
    expect(rules('192.0.2.1 2001:db8::/64', [4, 6])).toEqual({
      4: [
        'PREROUTING -m physdev --physdev-in vif1.0 -m addrtype ! --dst-type LOCAL OWNER -j CT --notrack',
        'PREROUTING -d 192.0.2.1/32 -m physdev --physdev-is-in OWNER -j CT --notrack',
      ],
      6: [
        'PREROUTING -m physdev --physdev-in vif1.0 -m addrtype ! --dst-type LOCAL OWNER -j CT --notrack',
        'PREROUTING -d 2001:db8::/64 -m physdev --physdev-is-in OWNER -j CT --notrack',
      ],
    });
  });

  test('never take in every bridge of the host', () => {
    expect(rules('0.0.0.0/0', [4])[4]).toHaveLength(1);
    expect(rules('192.0.2.1', [])).toEqual({ 4: [], 6: [] });
  });
});

describe('the settings that online leaves in xenstore', () => {
  const call = parseVifCall('online', { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' });
  const settings = (values: Record<string, string>) => parseVifSettings(call, values, {});

  test.each([
    [{}, false, undefined],
    [{ antispoof: 'strict' }, true, 'antispoof=strict'],
    [{}, true, 'antispoof=strict'],
    [{ filter: 'no', notrack: 'yes' }, false, 'filter=no notrack=yes'],
    [{ notrack: 'auto' }, false, undefined],
  ])('%j, strict %j: %j', (values, strict, mark) => {
    expect(storedSettings(settings(values), strict)).toBe(mark);
    expect(storedSettings(settings(markedValues(mark)), strict)).toBe(mark);
  });

  test('have the VLANs of an argument, from which the tags follow that a guest may use', () => {
    const given = { vlan: '10p/20' };
    expect(storedSettings(settings(given), true, given)).toBe('antispoof=strict vlan=10p/20');
    expect(storedSettings(settings(given), true, given, given)).toBe('antispoof=strict');
    expect(markedValues('antispoof=strict vlan=10p/20')).toEqual({ antispoof: 'strict', vlan: '10p/20' });
  });

  test('are read as settings and nothing else', () => {
    expect(markedValues('antispoof=strict bridge=evil $(reboot) filter=no')).toEqual({
      antispoof: 'strict',
      filter: 'no',
    });
    expect(markedValues(undefined)).toEqual({});
  });
});
