import { visible } from '../../text.ts';
import type { GuestPort, HostMap, Network } from './map.ts';
import {
  cardFacts,
  guestName,
  hostAddresses,
  isEmpty,
  NOT_OURS,
  NOTHING_THERE,
  networkFacts,
  ON_NO_NETWORK,
} from './map-words.ts';

/** How the map is written. */
export interface MapStyle {
  /** Characters in a line; Infinity where nothing is cut. */
  readonly width: number;
  /** Whether to write colours, as escape codes. */
  readonly colour: boolean;
  /** Whether lines may be drawn with characters beyond ASCII. */
  readonly unicode: boolean;
}

const COLOURS = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const;
const HEADING = ['GUEST', 'DEVICE', 'MAC', 'ADDRESSES', 'VLANS', 'MTU', 'FILTER', 'DROPPED', 'STATE'];
/** The column that is cut first where the terminal is narrow. */
const ADDRESSES = 3;
const LEAST_ADDRESSES = 9;

/** A piece of a line: the text, and its colour. */
type Paint = (style: keyof typeof COLOURS, text: string) => string;

/**
 * The map as a tree for a terminal, a line for each port; warnings come last.
 * @param map what is shown
 * @param style how
 */
export function mapText(map: HostMap, style: MapStyle): string {
  const paint: Paint = (colour, text) =>
    style.colour && text !== '' ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
  const guests = [...map.networks.flatMap((network) => network.guests), ...map.loose];
  const columns = columnsOf(guests, style.width);
  const lines = [
    ...map.networks.flatMap((network) => [...networkLines(network, style, columns, paint), '']),
    ...(map.loose.length === 0 ? [] : [...looseLines(map.loose, style, columns, paint), '']),
    ...(isEmpty(map) ? [NOTHING_THERE, ''] : []),
    ...map.warnings.map((sentence) => paint('yellow', visible(`! ${sentence}`))),
  ];
  while (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n`;
}

function networkLines(network: Network, style: MapStyle, columns: Columns, paint: Paint): string[] {
  const branches: string[] = [
    ...network.cards.map((card) => {
      const carrier = card.hasCarrier ? '' : `, ${paint('red', 'no carrier')}`;
      return `${card.device}  card (${cardFacts(card)}${carrier})`;
    }),
    ...(network.dom0 === undefined ? [] : [dom0Line(network.dom0)]),
    ...network.others.map((name) => paint('dim', `${name}  ${NOT_OURS}`)),
    ...guestLines(network.guests, columns, paint),
  ];
  return [title(network, paint), ...tree(branches, style)];
}

function title(network: Network, paint: Paint): string {
  const { name, startedBy, isUp } = network;
  const down = isUp ? '' : `, ${paint('red', 'down')}`;
  return `${paint(startedBy === undefined ? 'dim' : 'bold', name)}  ${networkFacts(network)}${down}`;
}

function dom0Line(end: NonNullable<Network['dom0']>): string {
  const { device, port } = end;
  const own = hostAddresses(end);
  return port === undefined ? `dom0 by ${device}: ${own}` : `${port}  dom0 as ${device}: ${own}`;
}

function looseLines(ports: readonly GuestPort[], style: MapStyle, columns: Columns, paint: Paint): string[] {
  return [paint('red', ON_NO_NETWORK), ...tree(guestLines(ports, columns, paint), style)];
}

function tree(branches: readonly string[], { unicode }: MapStyle): string[] {
  const [fork, end] = unicode ? ['├─ ', '└─ '] : ['|- ', '`- '];
  return branches.map((branch, i) => `${i === branches.length - 1 ? end : fork}${branch}`);
}

/** What of the columns is shown, and how wide. */
type Columns = readonly { readonly at: number; readonly width: number }[];

/** A column that is empty for every guest is left out. */
function columnsOf(guests: readonly GuestPort[], width: number): Columns {
  const rows = guests.map(cells);
  const used = HEADING.map((heading, at) => ({
    at,
    width: Math.max(heading.length, ...rows.map((row) => (row[at] ?? '').length)),
  })).filter(({ at }) => rows.some((row) => (row[at] ?? '') !== ''));
  const total = used.reduce((sum, column) => sum + column.width + 2, 1);
  const excess = Math.max(0, total - width);
  return used.map((column) =>
    column.at === ADDRESSES ? { ...column, width: Math.max(LEAST_ADDRESSES, column.width - excess) } : column,
  );
}

function cells(port: GuestPort): string[] {
  const { device, mac, addresses, vlans, mtu, filter, dropped, hotplug } = port;
  return [
    guestName(port),
    device,
    mac,
    addresses.join(' '),
    vlans,
    `${mtu}`,
    filter === 'no' ? '' : filter,
    dropped === undefined ? '' : `${dropped}`,
    hotplug ?? '',
  ].map(visible);
}

function guestLines(guests: readonly GuestPort[], columns: Columns, paint: Paint): string[] {
  if (guests.length === 0) return [];
  const line = (row: readonly string[]) =>
    columns
      .map(({ at, width }) => cut(row[at] ?? '', width).padEnd(width))
      .join('  ')
      .trimEnd();
  return [
    paint('dim', line(HEADING)),
    ...guests.map((port) => {
      const text = line(cells(port));
      const state = port.isUp ? text : `${text}  ${paint('red', 'down')}`;
      return port.hotplug === 'error' || port.error !== undefined ? paint('red', text) : state;
    }),
  ];
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
