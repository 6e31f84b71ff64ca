import { expect, test } from 'vitest';
import { portLine } from '../../../lib/filter/wrapped.ts';
import { encodeSetChanges } from '../../../lib/wire/nf/elements.ts';

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const NAME = hex(new TextEncoder().encode('vif1.0'.padEnd(16, '\0')));
const element = (text: string) => encodeSetChanges([portLine('add', 'xenbr0', text)]);

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
  expect(encodeSetChanges(lines)?.last).toBe(3);
});

test.each([
  'add rule bridge t c drop',
  'add element inet t s { "vif1.0" }',
  'add element bridge t macs { "vif1.0" . 00:16:3e:00:00:01 }',
  'add element bridge t guests { "vif1.0" : jump guest }',
  'add element bridge t s { "vif1.0", "vif2.0" }',
  'add element bridge t s { "vif1.0" . 192.0.2.0/24 }',
  'add element bridge t s { "a-name-of-16-char" }',
])('"%s" is left to nft', (line) => {
  expect(encodeSetChanges([portLine('add', 'xenbr0', 'checked { "web" }'), line])).toBeUndefined();
});
