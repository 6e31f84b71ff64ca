import { expect, test } from 'vitest';
import { portLine } from '../../../lib/filter/wrapped.ts';
import { encodeChanges, linesBefore } from '../../../lib/wire/nf/changes.ts';

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const NAME = hex(new TextEncoder().encode('vif1.0'.padEnd(16, '\0')));
const element = (text: string) => encodeChanges([portLine('add', 'xenbr0', text)]);

test('a key has the name in 16 bytes, then the address', () => {
  expect(hex(element('checked { "vif1.0" }')?.bytes ?? new Uint8Array())).toContain(NAME);
  expect(hex(element('own4 { "vif1.0" . 192.0.2.11 }')?.bytes ?? new Uint8Array())).toContain(
    `${NAME}c000020b`,
  );
  expect(hex(element('blocks6 { "vif1.0" . 2001:db8:0:8000:: }')?.bytes ?? new Uint8Array())).toContain(
    `${NAME}20010db800008000${'00'.repeat(8)}`,
  );
});

test('the last change is acknowledged', () => {
  const lines = (['add', 'delete'] as const).map((verb) => portLine(verb, 'xenbr0', 'checked { "web" }'));
  expect(encodeChanges(lines)?.last).toBe(3);
});

test('the last part of a key is filled up to words, and a key of one part is not', () => {
  const line = (element: string) => encodeChanges([`add element bridge t s { ${element} }`])?.bytes;
  expect(hex(line('"vif1.0" . 00:16:3e:00:0a:01') ?? new Uint8Array())).toContain(
    `1c000100${NAME}00163e000a010000`,
  );
  expect(hex(line('00:16:3e:00:0a:01') ?? new Uint8Array())).toContain('0a00010000163e000a010000');
  expect(hex(line('"vif1.0" . 0x00163e000a01') ?? new Uint8Array())).toContain(`${NAME}00163e000a010000`);
  expect(hex(line('"vif1.0" . 4094') ?? new Uint8Array())).toContain(`${NAME}0ffe0000`);
});

test.each([
  'add rule bridge t c ip saddr 192.0.2.1 drop',
  'add rule bridge t c drop; list ruleset',
  'add element ip6x t s { "vif1.0" }',
  'add element bridge t refused { "vif1.0" counter packets 1 bytes 2 }',
  'add element bridge t guests { "vif1.0" : accept }',
  'add element inet t untracked4 { 192.0.2.1 }',
  'add element bridge t s { "vif1.0" . 192.0.2.0/24 }',
  'add element bridge t s { "vif1.0" . 10-20 }',
  'add element bridge t s { "a-name-of-16-char" }',
  'add chain bridge t c { type filter hook forward priority 0; policy accept; }',
  'add chain bridge t c { type filter hook prerouting priority 0; policy drop; }',
  'delete set bridge t s',
])('"%s" is left to nft', (line) => {
  expect(encodeChanges([portLine('add', 'xenbr0', 'checked { "web" }'), line])).toBeUndefined();
});

test('what makes tables and sets comes before what fills them', () => {
  const [table, set] = ['add table bridge t', 'add set bridge t s { type ifname; }'];
  const element = 'add element bridge t s { "web" }';
  expect(linesBefore([table, 'add rule bridge t c drop', set, element, element])).toBe(3);
  expect(linesBefore([element, element])).toBe(0);
  expect(linesBefore([table, set])).toBe(2);
});
