// The results as one SVG picture.

import { type Attributes, svgRect as rect, svgDocument, svgText as text } from '../../lib/desk/svg.ts';
import { short } from './numbers.ts';
import { type Panel, panels } from './panels.ts';
import type { Results } from './targets.ts';
import { isReached, type Target, targets, verdict } from './targets.ts';

const COLOURS: Readonly<Record<string, string>> = {
  ours: '#2a7d4f',
  stock: '#b5443a',
  smallest: '#8a8f98',
  floor: '#3b3f46',
  sequence: '#b5443a',
};
const LEGEND = [
  ['ours', 'xen-network'],
  ['stock', 'stock scripts; for the outage, the steps of the old network-bridge'],
  ['smallest', 'smallest shell script for the same work'],
  ['floor', 'C program, the same system calls'],
] as const;
const TITLE = 'xen-network: npm run bench';
const [WIDTH, MARGIN, BAR, GAP] = [900, 20, 13, 3];
/** Where bars begin, left of which stand the group's name and, at its right, the bar's own. */
const LEFT = 290;
const AXIS = WIDTH - LEFT - MARGIN - 90;

/**
 * Bars for every event, storm, size, filter and outage, grouped by what is to be compared.
 * @param results what was found
 * @returns an SVG document
 */
export function chart(results: Results): string {
  const { machine, date, long } = results;
  const parts = [
    text(MARGIN, 30, TITLE, { 'font-size': 18, 'font-weight': 'bold' }),
    text(
      MARGIN,
      48,
      `${machine.model}, ${machine.cpus} processors, Linux ${machine.kernel}, ${date.slice(0, 10)}, ${long ? 'long' : 'short'} run, medians`,
      { fill: '#555' },
    ),
    ...legend(66),
  ];
  let y = 96;
  for (const panel of panels(results)) {
    const drawn = drawPanel(panel, y);
    parts.push(...drawn.parts);
    y = drawn.bottom + 22;
  }
  const reached = drawTargets(targets(results), y);
  parts.push(...reached.parts);
  y = reached.bottom;
  return svgDocument(TITLE, WIDTH, y, { 'font-family': 'sans-serif', 'font-size': 12 }, parts);
}

function legend(y: number): string[] {
  let x = MARGIN;
  return LEGEND.flatMap(([maker, words]) => {
    const drawn = [rect(x, y - 10, 12, 12, fill(COLOURS[maker])), text(x + 17, y, words)];
    x += 40 + words.length * 6.6;
    return drawn;
  });
}

interface Drawn {
  readonly parts: string[];
  readonly bottom: number;
}

function drawPanel({ title, unit, better, scale, groups }: Panel, top: number): Drawn {
  const own = scale === 'group' ? '; each group to its own scale' : '';
  const parts = heading(title, `${unit}; ${better} is better${own}`, top);
  let y = top + 26;
  const all = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
  for (const { label, bars } of groups) {
    const most = Math.max(...(scale === 'panel' ? all : bars.map(({ value }) => value)));
    parts.push(text(MARGIN, y + BAR - 3, label));
    for (const { name, maker, value } of bars) {
      const length = Math.max(1, (value / most) * AXIS);
      parts.push(
        text(LEFT - 8, y + BAR - 3, name, { 'text-anchor': 'end', fill: '#555' }),
        rect(LEFT, y, length, BAR, fill(COLOURS[maker])),
        text(LEFT + length + 6, y + BAR - 3, short(value)),
      );
      y += BAR + GAP;
    }
    y += 6;
  }
  return { parts, bottom: y };
}

function drawTargets(all: readonly Target[], top: number): Drawn {
  const parts = heading('To reach', 'what the medians have to keep to', top);
  let y = top + 36;
  for (const target of all) {
    const known = !Number.isNaN(target.found);
    const mark = !known ? '#bbb' : isReached(target) ? COLOURS['ours'] : COLOURS['stock'];
    parts.push(
      rect(MARGIN, y - 10, 10, 10, fill(mark)),
      text(MARGIN + 18, y, target.name),
      text(LEFT + 330, y, `${target.is} ${short(target.limit)}`, { 'text-anchor': 'end', fill: '#555' }),
      text(LEFT + 350, y, known ? `${short(target.found)}, ${verdict(target)}` : verdict(target)),
    );
    y += BAR + GAP;
  }
  return { parts, bottom: y + 8 };
}

function heading(title: string, remark: string, top: number): string[] {
  return [
    text(MARGIN, top + 10, title, { 'font-size': 14, 'font-weight': 'bold' }),
    text(WIDTH - MARGIN, top + 10, remark, { 'text-anchor': 'end', fill: '#555' }),
    rect(MARGIN, top + 16, WIDTH - 2 * MARGIN, 1, fill('#ccc')),
  ];
}

function fill(colour = '#444'): Attributes {
  return { fill: colour };
}
