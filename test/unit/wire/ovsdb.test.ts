import { describe, expect, test } from 'vitest';
import { wholeMessages } from '../../../lib/wire/json.ts';
import { foundBy, operationsFor, parsePortChange, rowsIn } from '../../../lib/wire/ovsdb.ts';

const REMOVAL = ['--', '--if-exists', 'del-port', 'web'];
const ADDITION = ['--', 'add-port', 'ovsbr0', 'web', 'tag=10', 'trunks=20,30', 'vlan_mode=native-untagged'];
const IDS = [
  '--',
  'set',
  'interface',
  'web',
  'external-ids:xen-vm-name="a \\"b\\""',
  'external-ids:iface-id="x=y"',
];
const vsctl = (...words: string[]) => parsePortChange(['ovs-vsctl', '--timeout=30', ...words]);

describe('a command of ovs-vsctl', () => {
  test('that removes a port and adds one', () => {
    expect(vsctl(...REMOVAL, ...ADDITION, ...IDS)).toMatchObject({
      name: 'web',
      from: undefined,
      isAwaited: true,
      added: {
        bridge: 'ovsbr0',
        port: { name: 'web', tag: 10, trunks: ['set', [20, 30]], vlan_mode: 'native-untagged' },
        device: {
          name: 'web',
          external_ids: [
            'map',
            [
              ['xen-vm-name', 'a "b"'],
              ['iface-id', 'x=y'],
            ],
          ],
        },
      },
    });
  });

  test('that only removes one, of a bridge, without waiting', () => {
    expect(vsctl('--no-wait', '--', '--if-exists', 'del-port', 'ovsbr0', 'web')).toMatchObject({
      name: 'web',
      from: 'ovsbr0',
      isAwaited: false,
      added: undefined,
    });
  });

  test.each([
    [['show']],
    [['--', 'del-port', 'web']],
    [[...REMOVAL, '--', 'add-br', 'web']],
    [[...REMOVAL, '--', 'add-port', 'ovsbr0', 'other']],
    [[...REMOVAL, '--', 'add-port', 'ovsbr0', 'web', 'lacp=active']],
    [[...REMOVAL, ...ADDITION, '--', 'set', 'interface', 'other']],
    [[...REMOVAL, ...ADDITION, '--', 'set', 'interface', 'web', 'type=internal']],
    [[...REMOVAL, ...ADDITION, ...IDS, '--', 'del-br', 'ovsbr0']],
    [['--db=tcp:192.0.2.1:6640', ...REMOVAL]],
  ])('of another form is left to ovs-vsctl: %j', (words) => {
    expect(vsctl(...words)).toBeUndefined();
  });
});

const uuid = (name: string) => ['uuid', name];
const PORT = { _uuid: uuid('p'), interfaces: uuid('i'), fake_bridge: false };
const DEVICE = { _uuid: uuid('i') };
const HOLDER = { _uuid: uuid('b'), name: 'ovsbr0' };
const TARGET = { _uuid: uuid('b') };

describe('what ovs-vsctl has to do or to refuse', () => {
  const join = vsctl(...REMOVAL, ...ADDITION, ...IDS);
  const leave = vsctl('--', '--if-exists', 'del-port', 'ovsbr0', 'web');

  test.each([
    ['a bridge that is not there', join, [[], [], [], []], []],
    ['a port with the name of a bridge', join, [[PORT], [DEVICE], [HOLDER], [TARGET]], [HOLDER]],
    ['a device that is in another port', join, [[], [DEVICE], [], [TARGET]], []],
    [
      'a port of several devices',
      join,
      [[{ ...PORT, interfaces: ['set', []] }], [DEVICE], [], [TARGET]],
      [HOLDER],
    ],
    ['a fake bridge', join, [[{ ...PORT, fake_bridge: true }], [DEVICE], [], [TARGET]], [HOLDER]],
    ['a port on another bridge', leave, [[PORT], [DEVICE], [], []], [{ ...HOLDER, name: 'ovsbr1' }]],
    ['a port of no bridge', leave, [[PORT], [DEVICE], [], []], []],
  ] as const)('%s', (_what, change, rows, holders) => {
    if (change === undefined) throw new Error('The command is not understood.');
    expect(operationsFor(change, foundBy(rows), holders)).toBeUndefined();
  });

  test('is none of what the hooks usually ask for', () => {
    if (join === undefined || leave === undefined) throw new Error('The command is not understood.');
    expect(operationsFor(join, foundBy([[], [], [], [TARGET]]), [])).toBeDefined();
    expect(operationsFor(join, foundBy([[PORT], [DEVICE], [], [TARGET]]), [HOLDER])).toBeDefined();
    expect(operationsFor(leave, foundBy([[PORT], [DEVICE], [], []]), [HOLDER])).toBeDefined();
  });
});

test('a transaction whose last operation or commit failed gave nothing', () => {
  expect(rowsIn([{ rows: [{ a: 1 }] }, {}])).toEqual([[{ a: 1 }], []]);
  expect(rowsIn([{ rows: [] }, { error: 'timed out' }, null])).toBeUndefined();
  expect(rowsIn([{}, { error: 'constraint violation' }])).toBeUndefined();
  expect(rowsIn(null)).toBeUndefined();
});

test('messages on a stream are split where each ends, and not within their strings', () => {
  const [one, two] = ['{"a":{"b":"}\\"{"}}', ' {"c":1}'];
  expect(wholeMessages(`${one}${two}{"d":`)).toEqual([one, two]);
  expect(wholeMessages('{"d": "\\')).toEqual([]);
});
