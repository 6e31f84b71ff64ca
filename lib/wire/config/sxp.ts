import { quote } from '../../text.ts';
import { type Fault, type Place, Reader } from './place.ts';

/** One word of xend's configuration, quoted or not. */
export interface SxpAtom extends Place {
  readonly kind: 'atom';
  readonly text: string;
}

/** A list in parentheses. */
export interface SxpList extends Place {
  readonly kind: 'list';
  readonly items: readonly SxpNode[];
}

export type SxpNode = SxpAtom | SxpList;

/** The expressions of a text, up to the first fault. */
export interface SxpText {
  readonly nodes: readonly SxpNode[];
  readonly fault?: Fault;
}

/** The escapes of xend's reader of s-expressions (tools/python/xen/xend/sxp.py of Xen 4.4). */
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
const isBlank = (character: string) => ' \t\n\v\f\r'.includes(character);
const endsAtom = (character: string) => isBlank(character) || '{}()<>[]!;#'.includes(character);

class SxpFault extends Error {
  override readonly name = 'SxpFault';
  readonly fault: Fault;

  constructor({ line, column }: Place, text: string) {
    super(text);
    this.fault = { line, column, text };
  }
}

interface OpenList extends Place {
  readonly items: SxpNode[];
}

/**
 * Reads s-expressions as xend did: lists in parentheses, words, strings in single or double quotes with escapes; "#"
 * begins a comment that goes on to the end of the line.
 * @param text the file's content
 * @returns the expressions before the first fault, and the fault
 */
export function parseSxp(text: string): SxpText {
  const reader = new Reader(text);
  const nodes: SxpNode[] = [];
  const open: OpenList[] = [];
  try {
    // A list of the open parentheses instead of recursion: a file may nest deeper than the engine's stack allows.
    for (let next = reader.peek(); next !== ''; next = reader.peek()) readNext(reader, next, open, nodes);
    const last = open.at(-1);
    if (last !== undefined) throw new SxpFault(last, 'The "(" here has no ")" before the end of the file.');
  } catch (thrown) {
    if (!(thrown instanceof SxpFault)) throw thrown;
    return { nodes, fault: thrown.fault };
  }
  return { nodes };
}

function readNext(reader: Reader, next: string, open: OpenList[], nodes: SxpNode[]): void {
  const { place } = reader;
  const put = (node: SxpNode) => void (open.at(-1)?.items ?? nodes).push(node);
  if (isBlank(next)) {
    reader.take();
  } else if (next === '#') {
    reader.takeWhile((character) => character !== '\n');
  } else if (next === '(') {
    reader.take();
    open.push({ ...place, items: [] });
  } else if (next === ')') {
    const closed = open.pop();
    if (closed === undefined)
      throw new SxpFault(place, 'The ")" here closes nothing; there is no "(" for it.');
    reader.take();
    put({ kind: 'list', ...closed });
  } else if (next === '"' || next === "'") {
    put({ kind: 'atom', ...place, text: readString(reader) });
  } else if (!/^[!-~]$/.test(next)) {
    throw new SxpFault(place, `${quote(next)} can only stand in quotes or in a comment.`);
  } else {
    const first = reader.take();
    put({ kind: 'atom', ...place, text: first + reader.takeWhile((character) => !endsAtom(character)) });
  }
}

function readString(reader: Reader): string {
  const begin = reader.place;
  const mark = reader.take();
  let text = '';
  for (;;) {
    const { place } = reader;
    const next = reader.take();
    if (next === mark) return text;
    if (next === '')
      throw new SxpFault(begin, `The quote ${mark} here is not closed before the end of the file.`);
    text += next === '\\' ? readEscape(reader, place) : next;
  }
}

function readEscape(reader: Reader, place: Place): string {
  const letter = reader.peek();
  const known = ESCAPES[letter];
  if (known !== undefined) {
    reader.take();
    return known;
  }
  if (letter === 'x') reader.take();
  const [form, base, most] = letter === 'x' ? [/[0-9a-f]/i, 16, 2] : [/[0-7]/, 8, 3];
  let digits = '';
  while (digits.length < most && form.test(reader.peek())) digits += reader.take();
  const code = Number.parseInt(digits, base);
  if (code <= 255) return String.fromCharCode(code);
  throw new SxpFault(place, 'The "\\" here begins no escape that xend knows; write "\\\\" for a "\\".');
}
