import { type Attributes, svgDocument, svgElement, svgRect, svgText } from '../svg.ts';
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

/** Pixels of a character of the picture's font, which has one width for all. */
const CHARACTER = 7.3;
const [FONT_SIZE, LINE, PADDING, GAP, MARGIN, TITLE] = [12, 16, 8, 10, 20, 26];
/** Where letters stand in a line, from its top. */
const BASE = 12;
/** A warning is broken at the end of the word that fits into so many characters. */
const WARNING_LENGTH = 110;
const FONT: Attributes = {
  'font-family': "'DejaVu Sans Mono', 'Liberation Mono', monospace",
  'font-size': FONT_SIZE,
};
const [OURS, THEIRS, WRONG, SMALL] = ['#2a7d4f', '#8a8f98', '#b5443a', '#555'];

/** A box on one side of the bridge: its lines, and the port by which it is connected. */
interface Box {
  readonly lines: readonly [heading: string, ...more: string[]];
  /** What stands at the line to the bridge. */
  readonly port: string;
  readonly colour: string;
}

interface Drawn {
  readonly parts: readonly string[];
  readonly width: number;
  readonly height: number;
}

/**
 * The map as a picture: for each network its cards and dom0 at the left, the bridge in the middle, guests at the right.
 * @param map what is shown
 * @returns an SVG document
 */
export function mapSvg(map: HostMap): string {
  const drawings = [
    ...map.networks.map(drawNetwork),
    ...(map.loose.length === 0 ? [] : [drawLoose(map.loose)]),
    ...(isEmpty(map) ? [drawLines([NOTHING_THERE], SMALL)] : []),
    ...(map.warnings.length === 0 ? [] : [drawLines(map.warnings.flatMap(broken), WRONG)]),
  ];
  const width = Math.ceil(Math.max(...drawings.map((drawn) => drawn.width)) + 2 * MARGIN);
  let y = MARGIN;
  const parts = drawings.map((drawn) => {
    const moved = svgElement('g', { transform: `translate(${MARGIN} ${y})` }, drawn.parts.join('\n'));
    y += drawn.height + MARGIN;
    return moved;
  });
  return svgDocument('The networks of a host', width, y, FONT, parts);
}

function drawNetwork(network: Network): Drawn {
  const colour = network.startedBy === undefined ? THEIRS : OURS;
  const down = network.isUp ? '' : ', down';
  const title = `${network.name}: ${networkFacts(network)}${down}`;
  const [left, right] = [hostBoxes(network), network.guests.map(guestBox)];
  const leftWidth = widest(left);
  const [leftCable, rightCable] = [cable(left), cable(right)];
  const middle = middleLines(network);
  const middleWidth = Math.max(...middle.map(({ length }) => length)) * CHARACTER + 2 * PADDING;
  const height = Math.max(stacked(left), stacked(right), boxHeight(middle));
  const middleAt = leftWidth + leftCable;
  const rightAt = middleAt + middleWidth + rightCable;
  const parts = [
    svgText(0, BASE, title, { fill: network.isUp ? '#000' : WRONG, 'font-weight': 'bold' }),
    svgElement(
      'g',
      { transform: `translate(0 ${TITLE})` },
      [
        ...drawStack(left, 0, leftWidth, [leftWidth, middleAt]),
        svgRect(middleAt, 0, middleWidth, height, frame(colour, network.startedBy === undefined)),
        ...drawWords(middle, middleAt, (height - boxHeight(middle)) / 2),
        ...drawStack(right, rightAt, widest(right), [middleAt + middleWidth, rightAt]),
      ].join('\n'),
    ),
  ];
  const width = Math.max(title.length * CHARACTER, rightAt + widest(right));
  return { parts, width, height: height + TITLE };
}

/** The host's own addresses, where the bridge itself has them or the host is the router. */
function middleLines({ name, kind, dom0 }: Network): string[] {
  const heading = kind === 'routed' ? 'dom0 routes' : name;
  if (dom0 === undefined || dom0.port !== undefined) return [heading];
  return [heading, ...(kind === 'routed' ? [] : ['dom0:']), ...hostAddresses(dom0).split(' ')];
}

function hostBoxes({ cards, dom0, others }: Network): Box[] {
  return [
    ...cards.map((card): Box => {
      const carrier = card.hasCarrier ? [] : ['no carrier'];
      const colour = card.hasCarrier ? OURS : WRONG;
      return { lines: ['card', cardFacts(card), ...carrier], port: card.device, colour };
    }),
    ...(dom0?.port === undefined ? [] : [dom0Box(dom0.port, dom0.device, hostAddresses(dom0))]),
    ...others.map((port): Box => ({ lines: ['other', NOT_OURS], port, colour: THEIRS })),
  ];
}

function dom0Box(port: string, device: string, addresses: string): Box {
  return { lines: [`dom0: ${device}`, ...addresses.split(' ')], port, colour: OURS };
}

function guestBox(port: GuestPort): Box {
  const { device, mac, addresses, vlans, filter, dropped, hotplug, error, isUp } = port;
  const isWrong = error !== undefined || hotplug === 'error' || !isUp;
  const facts = [
    mac,
    ...(vlans === '' ? [] : [`VLANs ${vlans}`]),
    ...(filter === 'no' ? [] : [filter]),
    ...(dropped === undefined || dropped === 0 ? [] : [`${dropped} dropped`]),
    ...(hotplug === undefined || hotplug === 'connected' ? [] : [hotplug]),
    ...(isUp ? [] : ['down']),
  ];
  return {
    lines: [guestName(port), ...(addresses.length === 0 ? [] : [addresses.join(' ')]), facts.join(', ')],
    port: device,
    colour: isWrong ? WRONG : OURS,
  };
}

function drawLoose(ports: readonly GuestPort[]): Drawn {
  const boxes = ports.map(guestBox).map((box) => ({ ...box, colour: WRONG }));
  const labelled = cable(boxes);
  const drawn = drawStack(boxes, labelled, widest(boxes), [0, 0]);
  return {
    parts: [
      svgText(0, BASE, ON_NO_NETWORK, { fill: WRONG, 'font-weight': 'bold' }),
      svgElement('g', { transform: `translate(0 ${TITLE})` }, drawn.join('\n')),
    ],
    width: labelled + widest(boxes),
    height: TITLE + stacked(boxes),
  };
}

/** Boxes one below the other, each with its line from one x to another. */
function drawStack(
  boxes: readonly Box[],
  x: number,
  width: number,
  [from, to]: readonly [number, number],
): string[] {
  let y = 0;
  return boxes.flatMap(({ lines, port, colour }) => {
    const height = boxHeight(lines);
    const middle = y + height / 2;
    const drawn = [
      svgElement('line', { x1: from, y1: middle, x2: to, y2: middle, stroke: colour, 'stroke-width': 2 }),
      svgText(from + PADDING, middle - 4, port, { fill: SMALL }),
      svgRect(x, y, width, height, frame(colour, colour === THEIRS)),
      ...drawWords(lines, x, y),
    ];
    y += height + GAP;
    return drawn;
  });
}

/** The lines of a box, the first one bold. */
function drawWords(lines: readonly string[], x: number, y: number): string[] {
  return lines.map((line, i) =>
    svgText(x + PADDING, y + PADDING + BASE + i * LINE, line, {
      fill: i === 0 ? '#000' : SMALL,
      'font-weight': i === 0 ? 'bold' : 'normal',
    }),
  );
}

function drawLines(lines: readonly string[], fill: string): Drawn {
  return {
    parts: lines.map((line, i) => svgText(0, BASE + i * LINE, line, { fill })),
    width: Math.max(...lines.map(({ length }) => length)) * CHARACTER,
    height: lines.length * LINE,
  };
}

/** A dashed frame tells what this program did not set up. */
function frame(stroke: string, isDashed: boolean): Attributes {
  const dashes = isDashed ? { 'stroke-dasharray': '5 3' } : {};
  return { rx: 4, fill: '#fff', stroke, 'stroke-width': 1.5, ...dashes };
}

/** Room for the longest port's name. */
function cable(boxes: readonly Box[]): number {
  return boxes.length === 0
    ? 0
    : Math.max(...boxes.map(({ port }) => port.length), 4) * CHARACTER + 2 * PADDING;
}

function widest(boxes: readonly Box[]): number {
  const lengths = boxes.flatMap(({ lines }) => lines.map(({ length }) => length));
  return boxes.length === 0 ? 0 : Math.max(...lengths) * CHARACTER + 2 * PADDING;
}

function stacked(boxes: readonly Box[]): number {
  return boxes.reduce((sum, { lines }) => sum + boxHeight(lines) + GAP, -GAP);
}

function boxHeight(lines: readonly string[]): number {
  return lines.length * LINE + 2 * PADDING;
}

function broken(sentence: string): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WARNING_LENGTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line, i) => (i === 0 ? line : `  ${line}`));
}
