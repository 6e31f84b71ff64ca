import { describe, expect, test } from 'vitest';
import { wrappedDrops } from '../../../lib/filter/wrapped.ts';

const incoming = (setting: Parameters<typeof wrappedDrops>[0]): string[] =>
  wrappedDrops(setting)
    .split('; ')
    .filter((line) => /incoming (?!\{)|element/.test(line))
    .map((line) => line.replace(/^add \w+ bridge xen_network_wrapped_\S+ /, ''));

describe('what guests wrap is dropped', () => {
  test('of a bridge, where the kernel tells by which a frame came', () => {
    expect(incoming({ kind: 'wrapped', bridge: 'xenbr0', card: 'eth0', byBridge: true })).toEqual([
      'incoming meta ibrname != "xenbr0" return',
      'incoming iifname "vif0.*" return',
      'incoming iifname @outside return',
      'incoming goto from_guests',
      'outside { "eth0" }',
    ]);
  });

  test("of guests' ports alone, where it does not", () => {
    expect(incoming({ kind: 'wrapped', bridge: 'xenbr0', card: 'eth0', byBridge: false })).toEqual([
      'incoming iifname "vif0.*" return',
      'incoming iifname "vif*" goto from_guests',
      'incoming iifname "tap*" goto from_guests',
      'incoming iifname @guests goto from_guests',
    ]);
  });
});
