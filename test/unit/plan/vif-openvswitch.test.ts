import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import { readVm } from '../../../lib/observe/vif/vm.ts';
import { parseOvsBridge } from '../../../lib/request/openvswitch.ts';
import type { Xenstore } from '../../../lib/system/xenstore/xenstore.ts';

describe('the bridge of Open vSwitch', () => {
  test.each([
    ['ovsbr0', 'ovsbr0', undefined, []],
    ['ovsbr0.10', 'ovsbr0', 10, []],
    ['ovsbr0:20', 'ovsbr0', undefined, [20]],
    ['ovsbr0.10:20:30', 'ovsbr0', 10, [20, 30]],
    ['br-int.0:0:4095', 'br-int', 0, [0, 4095]],
  ])('%s is taken apart', (given, bridge, tag, trunks) => {
    expect(parseOvsBridge(given)).toEqual({ bridge, tag, trunks });
  });

  test.each([
    '',
    '.10',
    ':10',
    'ovsbr0.',
    'ovsbr0.x',
    'ovsbr0:',
    'ovsbr0.10:',
    'ovsbr0:20:',
    'ovsbr0::20',
    'ovsbr0.10.20',
    'ovsbr0:20.10',
    'ovsbr0.-1',
    'ovsbr0.10 ',
    'ovsbr0.10\n',
    'ovsbr0.4096',
    'ovsbr0:9999999999',
    'ovsbr0.10,20',
    'ovs br0',
    '--help',
    '@ovs$(id)',
    'a-name-too-long-for-linux',
  ])('%j is refused', (given) => {
    expect(() => parseOvsBridge(given)).toThrow(RequestError);
    expect(() => parseOvsBridge(given)).toThrow('bridge is ');
  });
});

describe('a guest’s name and uuid', () => {
  const store = (entries: Readonly<Record<string, string>>): Xenstore => ({
    readMany: async (paths) => paths.map((path) => entries[path]),
    list: async () => undefined,
    write: async () => {},
    remove: async () => {},
    writeAll: async () => {},
    close() {},
  });
  const uuid = '5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11';
  const [vm, name] = [`/vm/${uuid}`, 'web'];

  test('are found by its domain', async () => {
    const entries = { '/local/domain/7/vm': vm, [`${vm}/name`]: name, [`${vm}/uuid`]: uuid };
    expect(await readVm(store(entries), '7')).toEqual({ name, uuid });
  });

  test('are unknown without an entry, or with one that leads elsewhere', async () => {
    const nothing = { name: undefined, uuid: undefined };
    expect(await readVm(undefined, '7')).toEqual(nothing);
    expect(await readVm(store({}), '7')).toEqual(nothing);
    const elsewhere = { '/local/domain/7/vm': '/local/domain/7/data', '/local/domain/7/data/name': 'fake' };
    expect(await readVm(store(elsewhere), '7')).toEqual(nothing);
    expect(await readVm(store({ '/local/domain//vm': vm }), '')).toEqual(nothing);
  });
});
