import { expect, test } from 'vitest';
import { HostError, XenstoreError } from '../../../lib/errors.ts';
import { reportConnected } from '../../../lib/hook/vif/run.ts';
import { filteredFamilies } from '../../../lib/observe/filter/rules.ts';
import { parseVifCall } from '../../../lib/request/vif.ts';
import type { Xenstore } from '../../../lib/system/xenstore/xenstore.ts';
import { memoryHost } from '../../support/hosts/memory.ts';

const PATH = 'backend/vif/7/1';
const ERROR = `${PATH}/hotplug-error`;
const FRONTEND = '/local/domain/7/device/vif/1/mtu';

/** What xenstore holds after a success, and what was said. */
async function told(
  before: Readonly<Record<string, string>>,
  refuses: (path: string) => boolean,
  notes: readonly string[] = [],
): Promise<{ readonly held: Record<string, string>; readonly said: string[] }> {
  const held = new Map(Object.entries(before));
  const said: string[] = [];
  const note = (sentence: string) => void said.push(sentence);
  const store: Xenstore = {
    readMany: async (paths) => paths.map((path) => held.get(path)),
    list: async () => undefined,
    write: async (path, value) => {
      if (refuses(path))
        throw new XenstoreError(`The xenstore entry "${path}" could not be written: refused.`);
      held.set(path, value);
    },
    remove: async (path) => void held.delete(path),
    writeAll: async () => {},
    close: () => {},
  };
  const log = { error: note, warn: note, info: note, flush: async () => {} };
  const { system } = memoryHost();
  const context = {
    system,
    log,
    hook: 'vif-bridge',
    env: {},
    argv: [],
    print: note,
    interrupted: () => false,
    hooks: {},
    networkHooks: () => Promise.resolve(new Map()),
  };
  const call = parseVifCall('online', { vif: 'vif7.1', XENBUS_PATH: PATH });
  const failedBefore = held.has(ERROR);
  await reportConnected(
    { context, call, given: {}, stored: {}, store, dryRun: false, failedBefore },
    1400,
    notes,
  );
  return { held: Object.fromEntries(held), said };
}

const CONNECTED = { [`${PATH}/hotplug-status`]: 'connected' };

test('the guest is connected where its MTU cannot be told, with a warning', async () => {
  expect(await told({}, (path) => path === FRONTEND)).toEqual({
    held: CONNECTED,
    said: [
      'vif7.1: the guest is not told its MTU 1400, set it there by hand: ' +
        `The xenstore entry "${FRONTEND}" could not be written: refused.`,
    ],
  });
});

test('the sentence of an earlier failure goes, and gives way to a new one', async () => {
  const all = { ...CONNECTED, [FRONTEND]: '1400' };
  expect((await told({ [ERROR]: 'vif-bridge online vif7.1: no.' }, () => false)).held).toEqual(all);
  const { held } = await told({ [ERROR]: 'vif-bridge online vif7.1: no.' }, () => false, [
    'vif7.1 is connected without DHCP.',
  ]);
  expect(held).toEqual({ ...all, [ERROR]: 'vif-bridge online: vif7.1 is connected without DHCP.' });
});

test('what a xenstore that is away did not take is an error', async () => {
  await expect(told({}, () => true)).rejects.toThrow(XenstoreError);
});

test('a program that is missing is said to be', () => {
  const system = { ...memoryHost().system, run: () => ({ status: 127, stdout: '', stderr: '' }) };
  expect(() => filteredFamilies(system)).toThrow(HostError);
  expect(() => filteredFamilies(system)).toThrow(
    'antispoof=yes needs iptables, which does not work here (the program is not installed).',
  );
});
