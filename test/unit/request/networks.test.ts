import { describe, expect, test } from 'vitest';
import { withoutQuotes } from '../../../lib/request/arguments.ts';
import { parseBridgeRequest } from '../../../lib/request/bridge.ts';
import { parseNatRequest, parseRouteRequest, parseVirtualRequest } from '../../../lib/request/forward.ts';
import { parseMultiArguments, parseMultiList } from '../../../lib/request/multi-bridge.ts';

const HOOKS = ['network-bridge', 'network-nat', 'network-virtual'];

describe('network-multi-bridge', () => {
  test('a name begins a call, and what follows belongs to it', () => {
    const argv =
      'start confirm=60 network-bridge vifnum=0 network-virtual bridge=b bridgeip=10.1.1.1/24 --dry-run';
    expect(parseMultiArguments(argv.split(' '), HOOKS)).toEqual({
      own: ['start', 'confirm=60', '--dry-run'],
      calls: [
        { hook: 'network-bridge', words: ['vifnum=0'] },
        { hook: 'network-virtual', words: ['bridge=b', 'bridgeip=10.1.1.1/24'] },
      ],
    });
    expect(parseMultiArguments(['stop', 'list=/etc/x'], HOOKS)).toEqual({
      own: ['stop', 'list=/etc/x'],
      calls: [],
    });
  });

  test('a list has a call in a line, comments and blanks', () => {
    const text =
      '# all\r\n\n  network-bridge\tvifnum=0  # the first\nnetwork-nat start dhcp=no\n#network-nat\n';
    expect(parseMultiList(text, 'list', HOOKS)).toEqual([
      { hook: 'network-bridge', words: ['vifnum=0'] },
      { hook: 'network-nat', words: ['dhcp=no'] },
    ]);
  });

  test('nothing in a list is evaluated', () => {
    expect(parseMultiList('network-nat netdev=$(reboot);`x` a="b\n', 'list', HOOKS)).toEqual([
      { hook: 'network-nat', words: ['netdev=$(reboot);`x`', 'a="b'] },
    ]);
  });

  test.each([
    ['reboot now', /Line 1 of list begins with "reboot"/],
    ['\nnetwork-nat stop', /Line 2 of list holds "stop"/],
    ['network-nat =x', /holds "=x"/],
  ])('%j is no list', (text, sentence) => {
    expect(() => parseMultiList(text, 'list', HOOKS)).toThrow(sentence);
  });
});

test('a pair of quotes around a value goes, as the stock scripts took it off', () => {
  const values = { a: '"10.0.0.1/24"', b: "'x'", c: '"', d: '"x\'', e: '""', f: 'a"b"' };
  expect(withoutQuotes(values)).toEqual({ a: '10.0.0.1/24', b: 'x', c: '"', d: '"x\'', f: 'a"b"' });
});

describe('network-virtual', () => {
  const form = (values: Record<string, string>) => parseVirtualRequest(values)?.form;

  test('is host-only, routed or masqueraded', () => {
    expect(form({ bridgeip: '10.1.1.1/24' })).toBe('host-only');
    expect(form({ bridgeip: '10.1.1.1/24', brnet: '10.1.1.1/24' })).toBe('routed');
    expect(form({ bridgeip: '10.1.1.1/24', brnet: '10.1.1.0/24', masquerade: 'yes' })).toBe('nat');
  });

  test('its bridge is xenbrN unless told; null asks for nothing', () => {
    expect(parseVirtualRequest({})?.bridge).toBe('xenbr0');
    expect(parseVirtualRequest({ vifnum: '3' })?.bridge).toBe('xenbr3');
    expect(parseVirtualRequest({ bridge: 'null' })).toBeUndefined();
  });

  test('host bits of brnet are cleared, doubles dropped', () => {
    expect(parseVirtualRequest({ brnet: '10.0.0.1/24,10.0.0.0/24 fd00::5/64' })?.networks).toEqual([
      { family: 4, address: '10.0.0.0', length: 24 },
      { family: 6, address: 'fd00::', length: 64 },
    ]);
  });

  test.each([
    { bridgeip: '10.1.1.1' },
    { bridgeip: '10.1.1.0/24' },
    { brnet: 'x' },
    { bridge: 'a b' },
    { vifnum: '-1' },
  ])('%j is refused', (values) => {
    expect(() => parseVirtualRequest(values)).toThrow();
  });
});

test.each([{ netdev: 'a+' }, { ipv6: 'maybe' }])(
  '%j is refused by network-route and network-nat',
  (values) => {
    expect(() => parseRouteRequest(values)).toThrow();
    expect(() => parseNatRequest(values)).toThrow();
  },
);

describe('the spanning tree', () => {
  test.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ stp: 'no' }, undefined],
    [{ stp: 'yes' }, 4],
    [{ stp: 'yes', forward_delay: '15' }, 15],
    [{ stp: 'yes', forward_delay: '2' }, 2],
    [{ stp: 'yes', forward_delay: '30' }, 30],
  ])('%o means %s seconds', (values, delay) => {
    const wanted = delay === undefined ? undefined : { forwardDelay: delay };
    expect(parseBridgeRequest(values)?.spanningTree).toEqual(wanted);
    expect(parseVirtualRequest(values)?.spanningTree).toEqual(wanted);
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ forward_delay: '15' }, /say stp=yes too/],
    [{ stp: 'no', forward_delay: '15' }, /say stp=yes too/],
    [{ stp: 'yes', forward_delay: '1' }, /forward_delay/],
    [{ stp: 'yes', forward_delay: '31' }, /forward_delay/],
    [{ stp: 'yes', forward_delay: '4s' }, /forward_delay/],
    [{ stp: 'rapid' }, /stp is "rapid"/],
  ])('%o is refused', (values, sentence) => {
    expect(() => parseBridgeRequest(values)).toThrow(sentence);
    expect(() => parseVirtualRequest(values)).toThrow(sentence);
  });
});
