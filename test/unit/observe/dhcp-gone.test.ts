import { expect, test } from 'vitest';
import { isGone } from '../../../lib/observe/dhcp/server.ts';
import { journalPath, vifRecordPath } from '../../../lib/record/paths.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { memoryHost } from '../../support/hosts/memory.ts';

const ENTRY = { name: 'dom1', address: '10.0.1.1' };
const OWN = vifRecordPath('vif1.0');
/** /proc/net/route with the route to 10.0.1.1 on a device. */
const route = (device: string) => ({
  '/proc/net/route': `Iface\tDestination\n${device}\t0101000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n`,
});
const record = (name: string, more: object = {}) => ({
  [OWN]: `${seal(JSON.stringify({ name, bridge: '', rules: { 4: [], 6: [] }, ...more }))}\n`,
});
const lease = { lease: { server: 'dhcpd', name: 'dom1' } };

test.each([
  ['without its device', [], {}, true],
  ['with its device and its record', ['vif1.0'], record('vif1.0', lease), false],
  ['with its device under another name', ['web'], record('web', lease), false],
  ['with another guest on its number, which has no entry', ['vif1.0'], record('vif1.0'), true],
  ['with another guest on its number, of which nothing is remembered', ['vif1.0'], {}, true],
  ['with another guest that took the address', ['vif1.0', 'vif2.0'], route('vif2.0'), true],
  ['of the stock scripts, whose route is there', ['vif1.0'], route('vif1.0'), false],
  ['whose online is under way', ['vif1.0'], { [journalPath('vif1.0')]: 'x' }, false],
  ['whose online is under way under another name', ['web'], { [journalPath('vif1.0')]: 'x' }, false],
  ['whose record cannot be read', ['vif1.0'], { [`${OWN}.damaged`]: 'x' }, false],
])('an entry %s: gone or not', (_which, devices, files, gone) => {
  const names = Object.fromEntries(devices.map((name) => [name, {}]));
  expect(isGone(memoryHost({ ...files }, names).system, ENTRY)).toBe(gone);
});
