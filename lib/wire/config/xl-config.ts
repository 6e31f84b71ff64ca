import { quote } from '../../text.ts';
import { type Fault, type Place, Reader } from './place.ts';
import { takeEscape } from './xl-escape.ts';

/** One value as xl reads it, without quotes. */
export interface XlAtom extends Place {
  readonly kind: 'atom';
  readonly text: string;
}

/** A list in brackets; since Xen 4.9 a list may contain lists. */
export interface XlList extends Place {
  readonly kind: 'list';
  readonly items: readonly XlValue[];
}

export type XlValue = XlAtom | XlList;

/** `NAME = VALUE` or `NAME += VALUE` in a file of xl. */
export interface XlSetting extends Place {
  readonly name: string;
  readonly adds: boolean;
  /** Of `+=` with what was there before. */
  readonly value: XlValue;
}

/** The content of a file of xl. */
export interface XlFile {
  /** In the order of the file; where a name occurs twice xl takes the last. */
  readonly settings: readonly XlSetting[];
  readonly faults: readonly Fault[];
}

type TokenKind = 'name' | 'value' | 'mark' | 'end' | 'wrong';

/** A token. The text of a "mark" is the mark itself; that of an "end" is a line break, ";" or nothing. */
interface Token extends Place {
  readonly kind: TokenKind;
  readonly text: string;
}

class XlFault extends Error {
  override readonly name = 'XlFault';
  readonly fault: Fault;

  constructor({ line, column }: Place, text: string) {
    super(text);
    this.fault = { line, column, text };
  }
}

/**
 * Reads a guest's file, or xl.conf, by xl's grammar (tools/libs/util/libxlu_cfg_y.y of Xen). It looks like Python and
 * is not: assignments, one on each line or separated by ";"; values are strings in single or double quotes, numbers and
 * lists. In a list a line break may follow "[", a comma or a value. "#" begins a comment.
 * @param text the file's content
 * @returns the settings that can be read, and a fault for each line that cannot be read
 */
export function parseXlFile(text: string): XlFile {
  const tokens = tokensOf(text);
  const settings: XlSetting[] = [];
  const faults: Fault[] = [];
  const last = new Map<string, XlSetting>();
  const cursor = { at: 0 };
  while (cursor.at < tokens.length) {
    try {
      const read = readSetting(tokens, cursor);
      if (read === undefined) continue;
      const setting = read.adds ? added(last.get(read.name), read) : read;
      settings.push(setting);
      last.set(setting.name, setting);
    } catch (thrown) {
      if (!(thrown instanceof XlFault)) throw thrown;
      faults.push(thrown.fault);
      // xl also carries on with the next line.
      while (cursor.at < tokens.length && tokens[cursor.at]?.text !== '\n') cursor.at++;
      cursor.at++;
    }
  }
  return { settings, faults };
}

/** With what it adds to in front: of two with one name the last is all that counts. */
function added(last: XlSetting | undefined, setting: XlSetting): XlSetting {
  const { name, value } = setting;
  const before = last?.value;
  if (before === undefined) return setting;
  if (before.kind === 'list' && value.kind === 'list')
    return { ...setting, value: { ...value, items: [...before.items, ...value.items] } };
  if (before.kind === 'atom' && value.kind === 'atom')
    return { ...setting, value: { ...value, text: before.text + value.text } };
  throw new XlFault(
    value,
    `A list cannot be added to a text, nor a text to a list, and ${name} is the other.`,
  );
}

const NAME_BEGIN = /[a-z]/;
/** Names in xl.conf have dots: vif.default.script. */
const NAME_PART = /[a-z0-9_.]/;
const NUMBER_PART = /[0-9a-fx]/;

function tokensOf(text: string): Token[] {
  const reader = new Reader(text);
  const tokens: Token[] = [];
  for (let next = reader.peek(); next !== ''; next = reader.peek()) {
    const isLast = reader.at === text.length - 1 && next < '\x80';
    const token = nextToken(reader, next);
    // xl ignores a single meaningless byte at the end of the file.
    if (token !== undefined && !(isLast && token.kind === 'wrong')) tokens.push(token);
  }
  return tokens;
}

function nextToken(reader: Reader, next: string): Token | undefined {
  const { place } = reader;
  if (next === ' ' || next === '\t') {
    reader.take();
    return undefined;
  }
  if (next === '#') return commentToken(reader, place);
  if (next === '\n' || next === ';') return { kind: 'end', ...place, text: reader.take() };
  if (next === '"' || next === "'") return stringToken(reader, place);
  if (NAME_BEGIN.test(next)) {
    const name = reader.takeWhile((character) => NAME_PART.test(character));
    return { kind: 'name', ...place, text: name };
  }
  if (/\d/.test(next)) {
    const number = reader.takeWhile((character) => NUMBER_PART.test(character));
    return { kind: 'value', ...place, text: number };
  }
  if (next === '+' && reader.peek(1) === '=') {
    reader.take();
    reader.take();
    return { kind: 'mark', ...place, text: '+=' };
  }
  if (',[]='.includes(next)) return { kind: 'mark', ...place, text: reader.take() };
  reader.take();
  return { kind: 'wrong', ...place, text: wrongCharacter(next) };
}

function commentToken(reader: Reader, place: Place): Token {
  reader.takeWhile((character) => character !== '\n');
  if (reader.peek() === '\n') return { kind: 'end', ...reader.place, text: reader.take() };
  return {
    kind: 'wrong',
    ...place,
    text: 'A comment has to end with a line break, and this one ends with the file.',
  };
}

function wrongCharacter(character: string): string {
  if (character === '\r')
    return 'The line ends as on Windows, with a carriage return; xl takes none (sed -i "s/\\r$//" FILE).';
  if (/[A-Z]/.test(character))
    return `${quote(character)} is a capital; names have none, and a word needs quotes.`;
  if ('(){}:.+-*/%<>!&|@$^~`?'.includes(character))
    return `${quote(character)} means nothing here: xl reads settings, and runs no Python.`;
  return `${quote(character)} can only stand in quotes or in a comment.`;
}

function stringToken(reader: Reader, place: Place): Token {
  const mark = reader.take();
  const parts: string[] = [];
  let wrong: Token | undefined;
  for (;;) {
    const { place: here } = reader;
    const next = reader.peek();
    if (next === '' || next === '\n')
      return {
        kind: 'wrong',
        ...place,
        text: `The quote ${mark} here is not closed before the end of the line.`,
      };
    reader.take();
    if (next === mark) return wrong ?? { kind: 'value', ...place, text: parts.join('') };
    if (next !== '\\') {
      parts.push(next);
      continue;
    }
    const escaped = takeEscape(reader);
    if (escaped === undefined)
      wrong ??= {
        kind: 'wrong',
        ...here,
        text: 'The "\\" here begins no escape that xl knows; write "\\\\" for a "\\".',
      };
    else parts.push(escaped);
  }
}

interface Cursor {
  at: number;
}

function readSetting(tokens: readonly Token[], cursor: Cursor): XlSetting | undefined {
  const name = tokens[cursor.at];
  if (name === undefined) return undefined;
  cursor.at++;
  if (name.kind === 'end') return undefined;
  if (name.kind !== 'name') throw unexpected(name, 'a setting, NAME = VALUE');
  const mark = tokens[cursor.at];
  if (mark === undefined || mark.kind !== 'mark' || !['=', '+='].includes(mark.text))
    throw unexpected(mark ?? after(name), `"=" after ${quote(name.text)}`);
  cursor.at++;
  const value = readValue(tokens, cursor, mark);
  const end = tokens[cursor.at];
  if (end !== undefined && end.kind !== 'end') throw unexpected(end, 'the end of the line, or ";"');
  cursor.at++;
  return { name: name.text, line: name.line, column: name.column, adds: mark.text === '+=', value };
}

interface OpenList extends Place {
  readonly items: XlValue[];
  /** A value was read, so a comma or "]" must follow. */
  full: boolean;
}

/** Uses a list of the open lists instead of recursion: a file may nest deeper than the engine's stack allows. */
function readValue(tokens: readonly Token[], cursor: Cursor, before: Token): XlValue {
  const open: OpenList[] = [];
  for (;;) {
    const token = tokens[cursor.at];
    const list = open.at(-1);
    if (token === undefined || (token.kind === 'end' && (list === undefined || token.text === ';'))) {
      if (list !== undefined) throw new XlFault(list, 'The "[" here has no "]" that closes it.');
      throw unexpected(token ?? after(before), 'a value: a string in quotes, a number or a list in brackets');
    }
    const whole = takeInto(token, list, open);
    cursor.at++;
    if (whole === undefined) continue;
    const outer = open.at(-1);
    if (outer === undefined) return whole;
    outer.items.push(whole);
    outer.full = true;
  }
}

/** @returns the value that this token completes */
function takeInto(token: Token, list: OpenList | undefined, open: OpenList[]): XlValue | undefined {
  const { kind, text, line, column } = token;
  if (kind === 'end') return undefined;
  if (list !== undefined && text === ']' && kind === 'mark') {
    open.pop();
    return { kind: 'list', line: list.line, column: list.column, items: list.items };
  }
  if (list?.full === true) {
    if (kind !== 'mark' || text !== ',') throw unexpected(token, '"," or "]" after a value of the list');
    list.full = false;
    return undefined;
  }
  if (kind === 'mark' && text === '[') {
    open.push({ line, column, items: [], full: false });
    return undefined;
  }
  if (kind === 'value') return { kind: 'atom', line, column, text };
  throw unexpected(token, 'a value: a string in quotes, a number or a list in brackets');
}

/** A token for the position behind another one, where something is missing. */
function after({ line, column, text }: Token): Token {
  return { kind: 'end', line, column: column + text.length, text: '' };
}

function unexpected(token: Token, wanted: string): XlFault {
  if (token.kind === 'wrong') return new XlFault(token, token.text);
  const found =
    token.text === ''
      ? 'the file ends'
      : token.text === '\n'
        ? 'the line ends'
        : `${quote(token.text)} stands`;
  const hint = token.kind === 'name' && wanted.startsWith('a value') ? ' A word needs quotes.' : '';
  return new XlFault(token, `Here ${found}, where xl takes ${wanted}.${hint}`);
}
