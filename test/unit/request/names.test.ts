import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import { aliasOf, deviceName, fitVifname, isDeviceName } from '../../../lib/request/names.ts';
import { listed, quote } from '../../../lib/text.ts';

describe('device names', () => {
  test.each([
    'a',
    'eth0',
    'eth0.5',
    'enp3s0',
    'vif1.0-emu',
    'br_lan',
    'wlan@0',
    '_x',
    '123456789012345',
    '...',
  ])('%s is one', (name) => {
    expect(isDeviceName(name)).toBe(true);
    expect(deviceName(name, 'bridge')).toBe(name);
  });

  test.each([
    ['nothing', ''],
    ['16 characters', '1234567890123456'],
    ['.', '.'],
    ['..', '..'],
    ['a slash', 'br/0'],
    ['a blank', 'br 0'],
    ['a colon', 'eth0:1'],
    ['a newline', 'br0\n'],
    ['a leading dash, an option to every tool', '-j'],
    ['a plus, a wildcard to iptables', 'vif+'],
    ['a percent sign, a template to the kernel', 'br%d'],
    ['a command substitution', '$(id)'],
    ['a quote', "br'0"],
    ['a letter beyond ASCII', 'brücke'],
    ['all, a sysctl folder', 'all'],
    ['default, a sysctl folder', 'default'],
  ])('%s is none', (_what, name) => {
    expect(isDeviceName(name)).toBe(false);
    expect(() => deviceName(name, 'bridge')).toThrow(RequestError);
  });

  test('the refusal says which variable, which value and what is allowed', () => {
    expect(() => deviceName('br 0', 'bridge')).toThrow(
      'bridge is "br 0", which is no usable device name. Give 1 to 15 letters, digits or "_.@-" (the first no "-"), ' +
        'and not "all" or "default".',
    );
  });
});

describe('a vifname', () => {
  test.each([
    ['web', false, { name: 'web' }],
    ['123456789012345', false, { name: '123456789012345' }],
    ['1234567890123456', false, { name: '123456789012345', altname: '1234567890123456' }],
    ['12345678901', true, { name: '12345678901' }],
    ['123456789012', true, { name: '12345678901', altname: '123456789012' }],
  ])('%s, beside a tap: %s', (value, hasTap, fitted) => {
    expect(fitVifname(value, hasTap)).toEqual(fitted);
  });

  test.each([
    ['a blank within what is kept', 'web server'],
    ['a blank within what is cut off', '123456789012345 7'],
    ['more than an altname can hold', 'x'.repeat(128)],
    ['a newline at the end', 'web\n'],
  ])('%s is refused', (_what, value) => {
    expect(() => fitVifname(value, false)).toThrow(RequestError);
  });

  test('127 characters still make an altname', () => {
    expect(fitVifname('x'.repeat(127), false)).toEqual({ name: 'x'.repeat(15), altname: 'x'.repeat(127) });
  });

  test('whose device it is stands in the alias', () => {
    expect(aliasOf('vif1.0')).toBe('xen-network vif1.0');
  });
});

describe('words in messages', () => {
  test('what is quoted cannot break out of its line or its quotes', () => {
    expect(quote('a"b\\c\nd\u009be\ufffd')).toBe('"a\\"b\\\\c\\nd\\u009be\\ufffd"');
    expect(quote('x'.repeat(5000))).toBe(`"${'x'.repeat(60)}…"`);
  });

  test('lists read as in a sentence', () => {
    expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual([
      'none',
      'a',
      'a and b',
      'a, b and c',
    ]);
  });
});

describe('a vifname that belongs to another device', () => {
  test.each([
    ...[
      'vif5.0',
      'vif5.0-emu',
      'tap2.0',
      'vif2',
      'xenbr1',
      'peth0',
      'veth0',
      'virbr0',
      'eth0',
      'eth0.5',
      'lo',
    ],
    ...[
      'enp3s0',
      'penp3s0',
      'eno1',
      'ens3',
      'enx001122334455',
      'em1',
      'p2p1',
      'bond0',
      'dummy0',
      'docker0',
      'vnet3',
    ],
    ...['ifb1', 'tun0', 'wlan0', 'wlp2s0', 'xapi7', 'ovs-system', 'virbr0-nic', 'web-emu'],
  ])('%s is refused', (name) => {
    expect(() => fitVifname(name, false)).toThrow('a name that the kernel or a hook gives to another device');
  });

  test.each([
    'web',
    'http',
    'engine1',
    'ensemble',
    'vifa',
    'taps',
    'eth',
    'web-eth0',
    'tap2web',
    'bridge7',
    'loa',
  ])('%s is one of its own', (name) => {
    expect(fitVifname(name, false)).toEqual({ name });
  });
});
