/**
 * What a text of JSON says; undefined where it is none.
 * @param text the text
 */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether a value is an object with fields.
 * @param value any value
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/**
 * The objects of a list that iproute2 prints as JSON.
 * @param text the output; the result is empty where it is no such list
 */
export function jsonList(text: string): Record<string, unknown>[] {
  const list = parsed(text);
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

/** A string of JSON, or the beginning or end of an object. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}]/gs;

/**
 * Splits what came on a stream of JSON-RPC into its messages, each of which is an object (RFC 7047, 4.1).
 * @param text all that came so far
 * @returns the texts of the messages that came whole
 */
export function wholeMessages(text: string): string[] {
  const found: string[] = [];
  let [depth, begin] = [0, 0];
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (token === '{') depth++;
    if (token !== '}') continue;
    depth--;
    if (depth > 0) continue;
    found.push(text.slice(begin, index + 1));
    begin = index + 1;
  }
  return found;
}
