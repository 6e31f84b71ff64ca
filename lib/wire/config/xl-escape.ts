import type { Reader } from './place.ts';

/** Escapes with a letter or a mark. */
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  "'": "'",
  '\\': '\\',
};

/**
 * What xl skips as a number after a backslash and a digit: it stands in up to three characters, and xl's strtoul
 * takes white space and a sign in front.
 */
const NUMBER_AFTER_DIGIT = /^[ \t\v\f\r]*[+-]?[0-9]+/;

/**
 * Reads what follows a backslash in a string of an xl file (tools/libs/util/libxlu_cfg.c of Xen).
 * @param reader stands after the backslash
 * @returns what xl makes of it; undefined where it begins no escape, and is not read
 */
export function takeEscape(reader: Reader): string | undefined {
  const first = reader.peek();
  if (/[0-7]/.test(first)) {
    const after = reader.peek(1) + reader.peek(2) + reader.peek(3);
    const length = NUMBER_AFTER_DIGIT.exec(after)?.[0].length ?? 0;
    if (length < 2) return undefined;
    for (let taken = 0; taken < 1 + length; taken++) reader.take();
    // xl never puts the character there.
    return '';
  }
  const known = ESCAPES[first];
  // Any other character is not skipped: it may be the closing quote or a line break, which ends the string.
  if (known !== undefined) reader.take();
  return known;
}
