import { concatBytes, decodeText } from '../../wire/xenstore.ts';
import { libc } from '../kernel/libc.ts';

/**
 * How many reads in a row: a child that never stops writing must not keep its time limit from being checked. A pipe
 * holds less than this.
 */
const MOST_PIECES = 32;
/** A buffer for every read; it keeps nothing from one call to the next. Not in the snapshot, which each call copies. */
let piece: Uint8Array | undefined;

/** The last bytes of one output, in pieces. */
export interface ChildOutput {
  readonly most: number;
  readonly pieces: Uint8Array[];
  kept: number;
  isCut: boolean;
}

/**
 * Begins to collect an output.
 * @param most how many bytes of it are kept
 */
export function outputUpTo(most: number): ChildOutput {
  return { most, pieces: [], kept: 0, isCut: false };
}

/**
 * Reads what is available.
 * @param fd the output, which does not block
 * @param heard what was collected so far
 * @returns false at the end of the output
 */
export function hear(fd: number, heard: ChildOutput): boolean {
  for (let count = 0; count < MOST_PIECES; count++) {
    piece ??= new Uint8Array(65_536);
    const got = Number(libc().read(fd, piece, piece.length));
    if (got <= 0) return got < 0;
    heard.pieces.push(piece.slice(0, got));
    heard.kept += got;
    heard.isCut ||= heard.kept > heard.most;
    while (heard.kept - (heard.pieces[0]?.length ?? 0) >= heard.most)
      heard.kept -= heard.pieces.shift()?.length ?? 0;
  }
  return true;
}

/** The collected output as text. */
export function textOf({ pieces, most }: ChildOutput): string {
  const whole = concatBytes(pieces);
  return decodeText(whole.length > most ? whole.subarray(-most) : whole);
}
