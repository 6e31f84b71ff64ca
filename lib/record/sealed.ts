import { encodeText } from '../wire/xenstore.ts';

/** The form of what our journals and records hold; a program that changes it counts on, and reads the earlier ones. */
const FORMAT = 1;
/** The format, a checksum and a blank before the text. Files of before the first format begin otherwise. */
const SEAL = /^(\d+) ([0-9a-f]{8}) /;

/**
 * Makes a line of a file of ours whose content can be trusted to be what was written.
 * @param text one line, without its newline
 * @returns "1 9f3a21bc text"
 */
export function seal(text: string): string {
  return `${FORMAT} ${checksum(text)} ${text}`;
}

/** What a line of a file of ours says: its text, that a later version of this program wrote it, or that it is spoilt. */
export type Unsealed = { readonly text: string } | 'newer' | 'damaged';

/**
 * Reads such a line; one without a seal is of an earlier version of this program.
 * @param line without its newline
 */
export function unseal(line: string): Unsealed {
  const [whole, format, sum] = SEAL.exec(line) ?? [];
  if (whole === undefined) return { text: line };
  if (Number(format) > FORMAT) return 'newer';
  const text = line.slice(whole.length);
  return Number(format) === FORMAT && checksum(text) === sum ? { text } : 'damaged';
}

/**
 * Fletcher's checksum of the 32-bit words of the text's UTF-8, in this machine's order: the files stay on it. A tool
 * against accidents, and nothing that keeps anybody from writing another text.
 */
function checksum(text: string): string {
  const bytes = encodeText(text);
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  let [sum, sums] = [bytes.length, 0];
  for (const word of new Uint32Array(padded.buffer)) {
    sum = (sum + word) | 0;
    sums = (sums + sum) | 0;
  }
  return ((sum ^ (sums << 1) ^ (sums >>> 31)) >>> 0).toString(16).padStart(8, '0');
}
