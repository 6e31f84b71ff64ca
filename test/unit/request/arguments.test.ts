import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import {
  commandWord,
  mergeValues,
  parseArguments,
  wholeNumber,
  yesOrNo,
} from '../../../lib/request/arguments.ts';

const KNOWN = ['bridge', 'ip', 'mtu'];
const parse = (...argv: string[]) => parseArguments(argv, KNOWN);

describe('a command line', () => {
  test('its command is the first word without "=", wherever that stands', () => {
    expect(parse('online', 'bridge=br0').command).toBe('online');
    expect(parse('bridge=br0', 'online').command).toBe('online');
    expect(parse('bridge=br0').command).toBeUndefined();
  });

  test('a value is taken as it is, never evaluated', () => {
    const value = '$(touch /tmp/x) `id` "quoted" \'and\' a=b ; rm -rf / \n \\';
    expect(parse(`bridge=${value}`).values).toEqual({ bridge: value });
  });

  test('the later of two wins, and an empty one unsets', () => {
    expect(parse('bridge=a', 'bridge=b').values).toEqual({ bridge: 'b' });
    expect(parse('bridge=a', 'bridge=').values).toEqual({});
  });

  test.each([
    'nosuch=1',
    '=1',
    'PATH=/tmp',
    '__proto__=1',
    'constructor=1',
    'BRIDGE=br0',
    ' bridge=br0',
    '--bridge=br0',
  ])('%j sets no variable, and a warning says so', (word) => {
    const { values, warnings, command } = parse('online', word);
    expect(values).toEqual({});
    expect(command).toBe('online');
    expect(warnings).toEqual([
      `The argument "${word}" sets no variable of this hook and is ignored; it knows bridge, ip and mtu.`,
    ]);
  });

  test('a second command word is ignored with a warning', () => {
    const { command, warnings } = parse('online', 'offline');
    expect(command).toBe('online');
    expect(warnings).toEqual(['The argument "offline" is ignored: the command is "online" already.']);
  });

  test('options are told from the command, in any place', () => {
    const { command, options } = parse('--dry-run', 'online', '--json');
    expect(command).toBe('online');
    expect([...options]).toEqual(['dry-run', 'json']);
  });

  test('an option that no hook has is no option', () => {
    expect(parse('--force').options.size).toBe(0);
    expect(parse('--force').command).toBe('--force');
  });
});

describe('sources of variables', () => {
  test('environment, arguments, xenstore: the later wins, an empty value does not count', () => {
    const env = { bridge: 'env', ip: 'env', mtu: 'env', PATH: '/bin' };
    const args = { ip: 'args', mtu: 'args' };
    const stored = { bridge: '', ip: undefined, mtu: 'store' };
    expect(mergeValues(KNOWN, env, args, stored)).toEqual({ bridge: 'env', ip: 'args', mtu: 'store' });
  });

  test('nothing that is not known gets through', () => {
    expect(mergeValues(KNOWN, { script: 'x', constructor: 'y' })).toEqual({});
  });
});

describe('the command word', () => {
  const valid = ['start', 'stop', 'status'] as const;

  test('is one of the hook', () => {
    expect(commandWord('stop', valid)).toBe('stop');
  });

  test('is named with the valid ones when it is not', () => {
    expect(() => commandWord('restart', valid)).toThrow(
      '"restart" is no command of this hook; say one of start, stop and status.',
    );
    expect(() => commandWord(undefined, valid)).toThrow(
      'No command was given; say one of start, stop and status.',
    );
    expect(() => commandWord('', valid)).toThrow(RequestError);
  });
});

describe('yes or no', () => {
  test.each([
    ['yes', true],
    ['YES', true],
    ['on', true],
    ['true', true],
    ['1', true],
    ['no', false],
    ['No', false],
    ['off', false],
    ['false', false],
    ['0', false],
  ])('%s is %s', (text, expected) => {
    expect(yesOrNo({ antispoof: text }, 'antispoof', !expected)).toBe(expected);
  });

  test('unset is what holds then', () => {
    expect(yesOrNo({}, 'antispoof', true)).toBe(true);
    expect(yesOrNo({}, 'antispoof', false)).toBe(false);
  });

  test('anything else is refused', () => {
    expect(() => yesOrNo({ antispoof: 'maybe' }, 'antispoof', false)).toThrow(
      'antispoof is "maybe"; say yes or no.',
    );
  });
});

describe('a whole number', () => {
  test.each([
    ['68', 68],
    ['1500', 1500],
    ['65535', 65535],
    ['00068', 68],
  ])('%s is one', (text, expected) => {
    expect(wholeNumber({ mtu: text }, 'mtu', 68, 65535)).toBe(expected);
  });

  test('unset is none', () => {
    expect(wholeNumber({}, 'mtu', 68, 65535)).toBeUndefined();
  });

  test.each(['67', '65536', '-1', '1e3', '1500 ', '0x5dc', '15OO', '1.5', '9999999999999'])(
    '%j is refused',
    (text) => {
      expect(() => wholeNumber({ mtu: text }, 'mtu', 68, 65535)).toThrow(RequestError);
    },
  );
});
