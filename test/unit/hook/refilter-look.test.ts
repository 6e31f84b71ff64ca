import { expect, test } from 'vitest';
import {
  lookAtAll,
  lookIfChanged,
  noteChange,
  rulesOfDevice,
} from '../../../lib/hook/guests/refilter/look.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

/** A host whose rules are listed, with the number of its listings. */
function host(rulesGeneration: System['rulesGeneration']) {
  const seen = { listings: 0 };
  const system: System = {
    ...openSystem(nodeNative),
    ...(rulesGeneration === undefined ? {} : { rulesGeneration }),
    run(argv) {
      if (argv[0] === 'iptables-save') seen.listings++;
      return { status: 1, stdout: '', stderr: '' };
    },
  };
  return { system, seen };
}

const GIVEN = { 4: ['FORWARD -i vif1.0 -j ACCEPT'], 6: [] };

test('rules are not listed again while only this run changes them', () => {
  let generation = 7;
  const { system, seen } = host(() => generation);
  const look = lookAtAll(system);
  generation += 2;
  look.given.set('vif1.0', GIVEN);
  noteChange(system, look, 2);
  lookIfChanged(system, look);
  expect(seen.listings).toBe(1);
  expect(rulesOfDevice(look, 'vif1.0')).toEqual(GIVEN);
});

test.each<[string, number, number | undefined]>([
  ['before it', 3, 2],
  ['in its place', 1, 2],
  ['perhaps', 1, undefined],
])('they are listed again when others changed them: %s', (_, changes, own) => {
  let generation = 7;
  const { system, seen } = host(() => generation);
  const look = lookAtAll(system);
  generation += changes;
  look.given.set('vif1.0', GIVEN);
  noteChange(system, look, own);
  lookIfChanged(system, look);
  expect(seen.listings).toBe(2);
  expect(rulesOfDevice(look, 'vif1.0')).toEqual({ 4: [], 6: [] });
  lookIfChanged(system, look);
  expect(seen.listings).toBe(2);
});

test('they are listed again when others change them after it', () => {
  let generation = 7;
  const { system, seen } = host(() => generation);
  const look = lookAtAll(system);
  generation++;
  noteChange(system, look, 1);
  generation++;
  lookIfChanged(system, look);
  expect(seen.listings).toBe(2);
});

test('they are listed each time where the generation does not tell of changes', () => {
  const { system, seen } = host(undefined);
  const look = lookAtAll(system);
  lookIfChanged(system, look);
  noteChange(system, look, 0);
  lookIfChanged(system, look);
  expect(seen.listings).toBe(3);
});
