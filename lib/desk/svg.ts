import { visible } from '../text.ts';

/** Attributes of an element, by name. */
export type Attributes = Readonly<Record<string, string | number>>;

/**
 * An SVG document with a white background.
 * @param title what it shows, for those who cannot see it
 * @param width its width in pixels
 * @param height its height in pixels
 * @param font attributes of all text
 * @param parts its elements
 */
export function svgDocument(
  title: string,
  width: number,
  height: number,
  font: Attributes,
  parts: readonly string[],
): string {
  const size = { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}` };
  const background = svgElement('rect', { width: '100%', height: '100%', fill: '#fff' });
  return `${svgElement('svg', { ...size, ...font }, `\n${[svgElement('title', {}, escaped(title)), background, ...parts].join('\n')}\n`)}\n`;
}

/**
 * A rectangle.
 * @param x,y its upper left corner in pixels
 * @param width,height its size in pixels
 * @param attributes such as fill
 */
export function svgRect(x: number, y: number, width: number, height: number, attributes: Attributes): string {
  return svgElement('rect', { x: short(x), y: short(y), width: short(width), height, ...attributes });
}

/**
 * A line of text.
 * @param x,y where it begins: its left end, and the line that letters stand on, in pixels
 * @param words any text; characters that XML does not allow, or that nobody sees, are written as \\uXXXX
 * @param attributes such as fill
 */
export function svgText(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return svgElement('text', { x: short(x), y: short(y), ...attributes }, escaped(visible(words)));
}

/**
 * An element.
 * @param name such as line
 * @param attributes its attributes
 * @param content what is in it, as SVG; without it the element is empty
 */
export function svgElement(name: string, attributes: Attributes, content?: string): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(`${value}`)}"`);
  const opened = `<${name}${words.join('')}`;
  return content === undefined ? `${opened}/>` : `${opened}>${content}</${name}>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replace(/[\uD800-\uDFFF\uFFFE\uFFFF]/gu, '\ufffd');
}

/** At most one decimal. */
function short(pixels: number): string {
  return pixels.toFixed(1).replace(/\.0$/, '');
}
