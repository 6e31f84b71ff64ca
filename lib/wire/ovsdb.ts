// The changes of a switch's ports as operations on Open vSwitch's database (RFC 7047, 5.2; ovs-vswitchd.conf.db(5)).

import { isRecord, parsed } from './json.ts';

/** The name of the database. */
export const DATABASE = 'Open_vSwitch';

/** A row, or what is to be in one, by its columns. */
export type Row = Readonly<Record<string, unknown>>;
export type Operation = Readonly<Record<string, unknown>>;

/** What a command of ovs-vsctl makes of the port with a name. */
export interface PortChange {
  readonly name: string;
  /** The bridge that a present port has to be on; undefined for any. */
  readonly from: string | undefined;
  /** The port that comes in its place; undefined where it is only removed. */
  readonly added: { readonly bridge: string; readonly port: Row; readonly device: Row } | undefined;
  /** Whether to wait for the daemon, until it has done the change. */
  readonly isAwaited: boolean;
  /** The command, which the database's log is told. */
  readonly text: string;
}

/**
 * Reads a command of ovs-vsctl(8) as the hooks write them: it removes the port of a name if there is one, and may add
 * one of that name.
 * @param argv the program and its words
 * @returns undefined for a command of another form
 */
export function parsePortChange(argv: readonly string[]): PortChange | undefined {
  const [options = [], removal = [], addition, ids, ...others] = commandsIn(argv);
  const [condition, verb, ...place] = removal;
  const [from, name] = place.length === 1 ? [undefined, place[0]] : place;
  const isKnown = condition === '--if-exists' && verb === 'del-port' && place.length < 3;
  if (!isKnown || name === undefined || others.length > 0) return undefined;
  if (!options.slice(1).every((word) => /^--(timeout=\d+|no-wait)$/.test(word))) return undefined;
  const added = addition === undefined ? undefined : addedBy(name, addition, ids);
  if (addition !== undefined && added === undefined) return undefined;
  const isAwaited = !options.includes('--no-wait');
  return { name, from, added, isAwaited, text: argv.join(' ') };
}

function commandsIn(words: readonly string[]): string[][] {
  const commands: string[][] = [[]];
  for (const word of words) {
    if (word === '--') commands.push([]);
    else commands.at(-1)?.push(word);
  }
  return commands;
}

function addedBy(
  name: string,
  [verb, bridge, port, ...columns]: readonly string[],
  ids: readonly string[] = [],
): PortChange['added'] {
  const values = columns.map(columnIn);
  const [set, table, device, ...pairs] = ids;
  const known = pairs.map(idIn);
  const isKnown = verb === 'add-port' && port === name;
  const isForDevice = ids.length === 0 || (set === 'set' && table === 'interface' && device === name);
  if (!isKnown || !isForDevice || bridge === undefined) return undefined;
  if (values.includes(undefined) || known.includes(undefined)) return undefined;
  const row = Object.fromEntries(values.flatMap((value) => (value === undefined ? [] : [value])));
  return { bridge, port: { ...row, name }, device: { name, external_ids: ['map', known] } };
}

function columnIn(word: string): [string, unknown] | undefined {
  const [, column = '', value = ''] = /^(tag|trunks|vlan_mode)=([\w,-]+)$/.exec(word) ?? [];
  if (column === 'tag') return [column, Number(value)];
  if (column === 'trunks') return [column, ['set', value.split(',').map(Number)]];
  return column === '' ? undefined : [column, value];
}

function idIn(word: string): [string, string] | undefined {
  const [, key = '', json = ''] = /^external-ids:([\w-]+)=(".*")$/s.exec(word) ?? [];
  const value = parsed(json);
  return key !== '' && typeof value === 'string' ? [key, value] : undefined;
}

/**
 * Asks for rows.
 * @param table the table
 * @param where the conditions that they meet
 * @param columns what is asked of each
 */
export function select(table: string, where: readonly unknown[], ...columns: string[]): Operation {
  return { op: 'select', table, where, columns };
}

const named = (name: string): readonly unknown[] => [['name', '==', name]];
const isRow = (uuid: unknown): readonly unknown[] => [['_uuid', '==', uuid]];

/**
 * The questions before a change.
 * @param change the change
 * @returns what `foundBy` reads the answers of
 */
export function questionsFor({ name, added }: PortChange): Operation[] {
  return [
    select('Port', named(name), '_uuid', 'interfaces', 'fake_bridge'),
    select('Interface', named(name), '_uuid'),
    select('Bridge', named(name), '_uuid'),
    select('Bridge', named(added?.bridge ?? ''), '_uuid'),
  ];
}

/**
 * The question for the bridge that has a port.
 * @param port the port's _uuid
 */
export function holderQuestion(port: unknown): Operation {
  return select('Bridge', [['ports', 'includes', ['set', [port]]]], '_uuid', 'name');
}

/** What the database has of what a change concerns. */
export interface Found {
  readonly port: Row | undefined;
  /** The device of the port's name. */
  readonly device: Row | undefined;
  /** Whether the port's name is a bridge's. */
  readonly isBridge: boolean;
  /** The bridge that gets the port. */
  readonly bridge: Row | undefined;
}

/**
 * Reads the answers to `questionsFor`.
 * @param rows the rows of each answer
 */
export function foundBy([ports, devices, bridges, targets]: readonly (readonly Row[])[]): Found {
  const [port, device] = [ports?.[0], devices?.[0]];
  return { port, device, isBridge: bridges?.[0] !== undefined, bridge: targets?.[0] };
}

/**
 * The transaction that makes a change.
 * @param change the change
 * @param found what the database has
 * @param holders the bridges that have the present port
 * @returns undefined where only ovs-vsctl knows what to do or say: the bridge is missing or a fake one, the port is a
 * bridge's own, on another bridge or of several devices. `changeNumber` reads what the transaction gives.
 */
export function operationsFor(
  change: PortChange,
  { port, device, isBridge, bridge }: Found,
  holders: readonly Row[],
): Operation[] | undefined {
  const { name, from, added, text } = change;
  const [holder] = holders;
  const removal = port !== undefined && holder !== undefined ? removed(port, holder) : [];
  const isSimple =
    !isBridge &&
    holders.length === (port === undefined ? 0 : 1) &&
    (port === undefined || isOwn(port, device)) &&
    (from === undefined || holder === undefined || holder['name'] === from) &&
    (added === undefined || (bridge !== undefined && (port !== undefined || device === undefined)));
  if (!isSimple) return undefined;
  return [
    unchanged('Port', named(name), port === undefined ? [] : [{ _uuid: port['_uuid'] }]),
    ...removal,
    ...(added === undefined || bridge === undefined ? [] : inserted(added, bridge)),
    { op: 'comment', comment: `xen-network: ${text}` },
    { op: 'mutate', table: DATABASE, where: [], mutations: [['next_cfg', '+=', 1]] },
    select(DATABASE, [], 'next_cfg'),
  ];
}

/**
 * The number of a change, by which the daemon tells that it has done it.
 * @param rows what the operations of `operationsFor` gave
 */
export function changeNumber(rows: readonly (readonly Row[])[]): number | undefined {
  const number = rows.at(-1)?.[0]?.['next_cfg'];
  return typeof number === 'number' ? number : undefined;
}

function isOwn(port: Row, device: Row | undefined): boolean {
  // A set with one member is written as that member.
  return (
    port['fake_bridge'] === false && JSON.stringify(port['interfaces']) === JSON.stringify(device?.['_uuid'])
  );
}

/** Ends the transaction where the rows are others by now. */
function unchanged(table: string, where: readonly unknown[], rows: readonly Row[]): Operation {
  return { op: 'wait', timeout: 0, table, where, columns: ['_uuid'], until: '==', rows };
}

/** A port and its interface go by themselves when no bridge has them. */
function removed({ _uuid: port }: Row, { _uuid: holder }: Row): Operation[] {
  const mutations = [['ports', 'delete', ['set', [port]]]];
  return [
    unchanged('Bridge', [['ports', 'includes', ['set', [port]]]], [{ _uuid: holder }]),
    { op: 'mutate', table: 'Bridge', where: isRow(holder), mutations },
  ];
}

function inserted({ port, device }: NonNullable<PortChange['added']>, { _uuid: bridge }: Row): Operation[] {
  const [ports, interfaces] = [
    ['named-uuid', 'port'],
    ['named-uuid', 'device'],
  ];
  return [
    unchanged('Bridge', isRow(bridge), [{ _uuid: bridge }]),
    { op: 'insert', table: 'Interface', 'uuid-name': 'device', row: device },
    { op: 'insert', table: 'Port', 'uuid-name': 'port', row: { ...port, interfaces } },
    {
      op: 'mutate',
      table: 'Bridge',
      where: isRow(bridge),
      mutations: [['ports', 'insert', ['set', [ports]]]],
    },
  ];
}

/**
 * Waits until the daemon has done a change.
 * @param number of the change
 * @param timeoutMs how long
 */
export function doneBy(number: number, timeoutMs: number): Operation {
  const where = [['cur_cfg', '>=', number]];
  return {
    op: 'wait',
    timeout: timeoutMs,
    table: DATABASE,
    where,
    columns: ['cur_cfg'],
    until: '!=',
    rows: [],
  };
}

/**
 * What the daemon wrote of a device that it has opened.
 * @param row of the table Interface
 * @returns the device's index, and its OpenFlow number, which is above 0 where it could be opened
 */
export function writtenNumbers(row: Row | undefined): {
  readonly index: number | undefined;
  readonly number: number;
} {
  const [index, number] = [row?.['ifindex'], row?.['ofport']];
  // An empty set stands for none.
  return { index: typeof index === 'number' ? index : undefined, number: Number(number) };
}

/**
 * Waits until the daemon has written the index of a device.
 * @param device its name and index
 * @param timeoutMs how long
 */
export function hasIndexWithin(
  { name, index }: { readonly name: string; readonly index: number },
  timeoutMs: number,
): Operation {
  const rows = [{ ifindex: index }];
  const columns = ['ifindex'];
  return {
    op: 'wait',
    timeout: timeoutMs,
    table: 'Interface',
    where: named(name),
    columns,
    until: '==',
    rows,
  };
}

/**
 * The rows that each operation of a transaction gave.
 * @param result the transaction's result
 * @returns empty lists for operations that give none; undefined where an operation failed, and all of them with it
 */
export function rowsIn(result: unknown): Row[][] | undefined {
  if (!Array.isArray(result)) return undefined;
  const results: readonly unknown[] = result;
  if (!results.every((each) => isRecord(each) && each['error'] === undefined)) return undefined;
  return results.map((each) => {
    const rows = isRecord(each) ? each['rows'] : undefined;
    return Array.isArray(rows) ? rows.filter(isRecord) : [];
  });
}
