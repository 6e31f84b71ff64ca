import { describe, expect, test } from 'vitest';
import { execute } from '../../../lib/apply/execute.ts';
import { damagedRecords, readVifRecord, readVifRecords } from '../../../lib/observe/records.ts';
import { findBridge, observeVif } from '../../../lib/observe/vif/vif.ts';
import { record } from '../../../lib/plan/step.ts';
import { vifRecordPath } from '../../../lib/record/paths.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { parseVifCall } from '../../../lib/request/vif.ts';
import { type MemoryDevice, memoryHost } from '../../support/hosts/memory.ts';

const CALL = parseVifCall('online', { vif: 'vif7.1', XENBUS_PATH: 'backend/vif/7/1' });
const TAP_CALL = parseVifCall('add', { type_if: 'tap', INTERFACE: 'vif7.1-emu' });
const WEB = { name: 'web' };
const RECORD = { name: 'web', bridge: 'xenbr0', rules: { 4: [], 6: [] } };

/** What is found: the device's name, and who has the name that it is to take. */
function find(
  devices: Readonly<Record<string, MemoryDevice>>,
  call = CALL,
  record?: string,
): (string | undefined)[] {
  const files = record === undefined ? {} : { [vifRecordPath(call.device)]: record };
  const { port, conflicting } = observeVif(memoryHost(files, devices).system, call, WEB);
  return [port?.name, conflicting];
}

describe('the device of a call is', () => {
  test('the one with the kernel’s name', () => {
    expect(find({ 'vif7.1': {} })).toEqual(['vif7.1', undefined]);
  });

  test('the one with the vifname, when its backend on the Xen bus says so', () => {
    expect(find({ web: { backend: 'vif-7-1' } })).toEqual(['web', undefined]);
    expect(find({ web: { backend: 'vif-7-10' } })).toEqual([undefined, 'web']);
  });

  test('the one with the vifname, when our alias says so', () => {
    expect(find({ web: { alias: 'xen-network vif7.1' } })).toEqual(['web', undefined]);
    expect(find({ web: { alias: 'xen-network vif7.10' } })).toEqual([undefined, 'web']);
  });

  test('one with another name, given when the vifname was another', () => {
    expect(find({ old: { backend: 'vif-7-1' } })).toEqual(['old', undefined]);
    expect(find({ old: { alias: 'xen-network vif7.1' }, web: {} })).toEqual(['old', 'web']);
  });

  test('searched without a look at other guests’ devices, of which there may be thousands', () => {
    const others = Array.from({ length: 9 }, (_, i) => [
      `vif${i + 10}.0`,
      { alias: `xen-network vif${i + 10}.0` },
    ]);
    const { system } = memoryHost({}, { ...Object.fromEntries(others), old: { backend: 'vif-7-1' } });
    const read: string[] = [];
    const readText = (path: string) => {
      read.push(path);
      return system.readText(path);
    };
    expect(observeVif({ ...system, readText }, CALL, undefined).port?.name).toBe('old');
    expect(read.join()).toContain('/old/ifalias');
    expect(read.join()).not.toContain('vif10.0');
  });

  test('never a stranger, whatever a record says', () => {
    expect(find({ web: {} }, CALL, JSON.stringify(RECORD))).toEqual([undefined, 'web']);
    expect(find({ 'vif7.1': {}, web: {} })).toEqual(['vif7.1', 'web']);
  });

  test('for a tap: told by the alias alone, since its vif has the same backend', () => {
    expect(find({ 'vif7.1-emu': {} }, TAP_CALL)).toEqual(['vif7.1-emu', undefined]);
    expect(find({ web: { backend: 'vif-7-1' } }, TAP_CALL)).toEqual([undefined, 'web']);
    expect(find({ web: { alias: 'xen-network vif7.1-emu' } }, TAP_CALL)).toEqual(['web', undefined]);
  });
});

describe('a record', () => {
  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"name":"web"}',
    '{"name":"web","bridge":"b","rules":{"4":[]}}',
    '{"name":1,"bridge":"b","rules":{"4":[],"6":[]}}',
    seal(JSON.stringify(RECORD)).replace('xenbr0', 'xenbr1'),
    seal(JSON.stringify(RECORD)).slice(0, -1),
  ])('that reads %j counts as none, is put aside and named', (text) => {
    const path = vifRecordPath('vif7.1');
    const { system, files } = memoryHost({ [path]: text });
    const said: string[] = [];
    expect(readVifRecord({ ...system, notice: (sentence) => said.push(sentence) }, 'vif7.1')).toBeUndefined();
    expect(said).toEqual([expect.stringContaining(`The record ${path} cannot be read any more`)]);
    expect(files()).toMatchObject({ [`${path}.damaged`]: text === '' ? expect.anything() : text });
    expect([...readVifRecords(system).keys()]).toEqual([]);
    expect(damagedRecords(system)).toEqual([expect.stringContaining(`${path}.damaged`)]);
    // Whoever misses it hears why.
    readVifRecord({ ...system, notice: (sentence) => said.push(sentence) }, 'vif7.1');
    expect(said).toEqual([expect.anything(), expect.stringContaining(`${path}.damaged`)]);
  });

  test('that a later version of the program wrote is refused, and stays as it is for that version', () => {
    const path = vifRecordPath('vif7.1');
    const { system, files } = memoryHost({ [path]: '99 0a1b2c3d {"another":"form"}' });
    for (const read of [() => readVifRecord(system, 'vif7.1'), () => readVifRecords(system)])
      expect(read).toThrow(`${path} was written by a later version of this program`);
    expect(files()).toMatchObject({ [path]: '99 0a1b2c3d {"another":"form"}' });
  });

  test('is read as it was written', () => {
    const { system } = memoryHost({ [vifRecordPath('vif7.1')]: JSON.stringify(RECORD) });
    expect(readVifRecord(system, 'vif7.1')).toEqual(RECORD);
    const path = vifRecordPath('vif7.2');
    expect(execute(system, 'record', [record(path, `${JSON.stringify(RECORD)}\n`)])).toMatchObject({
      done: 1,
    });
    expect(system.readText(path)).toBe(seal(JSON.stringify(RECORD)));
    expect(readVifRecord(system, 'vif7.2')).toEqual(RECORD);
  });
});

describe('the bridge', () => {
  const bridge = { bridge: true } as const;
  const pick = (wanted: string | undefined, devices: Readonly<Record<string, MemoryDevice>>) =>
    findBridge(memoryHost({}, devices).system, wanted).name;

  test('is the one asked for, else the first', () => {
    expect(pick('xenbr1', { xenbr0: bridge, xenbr1: bridge })).toBe('xenbr1');
    expect(pick(undefined, { xenbr1: bridge, eth0: {}, br9: bridge })).toBe('br9');
  });

  test('is ethN for xenbrN only where that is a bridge and xenbrN is not there', () => {
    expect(pick('xenbr0', { eth0: bridge })).toBe('eth0');
    expect(pick('xenbr0', { eth0: bridge, xenbr0: bridge })).toBe('xenbr0');
    expect(() => pick('xenbr0', { eth0: {}, br9: bridge })).toThrow(
      'The bridge xenbr0 does not exist. The bridges of this host are br9.',
    );
    expect(() => pick('xenbr0', { eth0: bridge, xenbr0: {} })).toThrow(
      'The bridge xenbr0 is a device but no bridge.',
    );
    expect(() => pick('br0', { eth0: bridge })).toThrow('The bridge br0 does not exist.');
  });

  test('that nobody has', () => {
    expect(() => pick(undefined, { eth0: {} })).toThrow('This host has no bridge and the guest names none.');
  });
});
