import { encodeText } from '../wire/xenstore.ts';

/**
 * The version of the format of journals and records. A change of the format, and so each new field that an earlier
 * program would not heed, raises it; earlier versions stay readable. 1 has other keys (`FORMER_KEYS`), and all ports that
 * lose their bridge in the undo of its step; 3 names the ports in `ports`, and the guest of each.
 */
const FORMAT = 3;
/** The first version with the present keys. */
const PRESENT_KEYS = 2;
/**
 * Before the text stand the format's version, a checksum and a blank. Files from before the first version begin
 * otherwise.
 */
const SEAL = /^(\d+) ([0-9a-f]{8}) /;

/**
 * Seals one line of a record or journal, so that damage to it is found.
 * @param text one line, without its newline
 * @returns "3 9f3a21bc text"
 */
export function seal(text: string): string {
  return `${FORMAT} ${checksum(text)} ${text}`;
}

/**
 * The text of a sealed line; 'newer' where a later version of this program wrote it; 'damaged' where the checksum is
 * wrong.
 */
export type Unsealed = { readonly text: string } | 'newer' | 'damaged';

/** What keys of version 1 are called now. */
const FORMER_KEYS: Readonly<Record<string, string>> = {
  claim: 'setting',
  claims: 'sharedSettings',
  user: 'holder',
  users: 'holders',
  laid: 'assigned',
};
/** A key in JSON, or in JSON that a journal of JSON holds as the text of a record. */
const KEY = /(\\*")(claims?|users?|laid)(\\*":)/g;

/** A text of version 1, or from before it, in the words of this one. */
function renewed(text: string): string {
  return text.replace(
    KEY,
    (_, open: string, key: string, close: string) => `${open}${FORMER_KEYS[key]}${close}`,
  );
}

/**
 * Reads a sealed line. A line without a seal was written by an earlier version of this program and counts as it is.
 * @param line the line, without its newline
 */
export function unseal(line: string): Unsealed {
  const [whole, format, sum] = SEAL.exec(line) ?? [];
  if (whole === undefined) return { text: renewed(line) };
  if (Number(format) > FORMAT) return 'newer';
  const text = line.slice(whole.length);
  if (Number(format) < 1 || checksum(text) !== sum) return 'damaged';
  return { text: Number(format) < PRESENT_KEYS ? renewed(text) : text };
}

/**
 * Fletcher's checksum over the 32-bit words of the text's UTF-8, in the machine's byte order, since the files stay on
 * this machine. It finds accidental damage; it does not stop anybody from writing another text.
 */
function checksum(text: string): string {
  const bytes = encodeText(text);
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  let [sum, sums] = [bytes.length, 0];
  const words = new Uint32Array(padded.buffer);
  // Not for…of, which takes the engine three times as long.
  for (let at = 0; at < words.length; at++) {
    sum = (sum + (words[at] ?? 0)) | 0;
    sums = (sums + sum) | 0;
  }
  return ((sum ^ (sums << 1) ^ (sums >>> 31)) >>> 0).toString(16).padStart(8, '0');
}
