// The results as one SVG picture.

import { short } from './numbers.ts';
import type { Results } from './report.ts';

const COLOURS: Readonly<Record<string, string>> = {
  ours: '#2a7d4f',
  stock: '#b5443a',
  smallest: '#8a8f98',
  sequence: '#b5443a',
};
const [WIDTH, LEFT, BAR, GAP] = [860, 300, 14, 4];
const AXIS = WIDTH - LEFT - 90;

interface Bar {
  readonly label: string;
  readonly maker: string;
  readonly value: number;
}

interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/**
 * Bars for every event, storm, size and outage; each panel has its own scale.
 * @param results what was found
 * @returns an SVG document
 */
export function chart(results: Results): string {
  const parts: string[] = [];
  let y = 20;
  for (const panel of panels(results).filter(({ bars }) => bars.length > 0)) {
    parts.push(text(10, y + 10, panel.title, 'font-weight="bold"'));
    y += 22;
    const most = Math.max(...panel.bars.map(({ value }) => value));
    for (const { label, maker, value } of panel.bars) {
      const length = Math.max(1, (value / most) * AXIS);
      parts.push(
        text(LEFT - 8, y + BAR - 3, label, 'text-anchor="end"'),
        `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${COLOURS[maker] ?? '#444'}"/>`,
        text(LEFT + length + 6, y + BAR - 3, `${short(value)} ms`),
      );
      y += BAR + GAP;
    }
    y += 16;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function panels({ hooks, storms, growth, outages }: Results): Panel[] {
  return [
    {
      title: 'One event, median wall time',
      bars: hooks.map(({ hook, command, maker, wallMs }) => ({
        label: `${hook} ${command}, ${maker}`,
        maker,
        value: wallMs,
      })),
    },
    {
      title: 'vif-bridge online, guests at once: until the last is connected',
      bars: storms.map(({ vifs, maker, wallMs }) => ({ label: `${vifs}, ${maker}`, maker, value: wallMs })),
    },
    {
      title: 'vif-bridge online, one more guest beside many',
      bars: growth.map(({ mode, present, maker, onlineMs }) => ({
        label: `filter ${mode}, ${present} present, ${maker}`,
        maker,
        value: onlineMs,
      })),
    },
    {
      title: 'network-bridge, the host off the network',
      bars: outages.map(({ topology, command, maker, outageMs }) => ({
        label: `${topology} ${command}, ${maker}`,
        maker,
        value: outageMs,
      })),
    },
  ];
}

function text(x: number, y: number, words: string, more = ''): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" ${more}>${escaped}</text>`;
}
