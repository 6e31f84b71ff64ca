const QUOTED_LENGTH = 60;

/**
 * A value of unknown origin, fit to stand in a message: control characters escaped, cut to 60 characters, in quotes.
 * @param value any text
 */
export function quote(value: string): string {
  const shown = value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}…` : value;
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u2028\u2029\ufffd]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * "a, b and c" for a list in a sentence.
 * @param items the words; an empty list gives "none"
 */
export function listed(items: readonly string[]): string {
  if (items.length === 0) return 'none';
  if (items.length === 1) return items.join();
  return `${items.slice(0, -1).join(', ')} and ${items.slice(-1).join()}`;
}
