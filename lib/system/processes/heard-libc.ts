import { concatBytes, decodeText } from '../../wire/xenstore.ts';
import { libc } from '../kernel/libc.ts';

/** A child that never stops talking must not keep its time limit from being looked at; a pipe holds less. */
const MOST_PIECES = 32;
/** For whatever is read; nothing is kept in it from one call to the next. */
const piece = new Uint8Array(65_536);

/** What was heard of one output: the last bytes of it, in pieces. */
export interface Heard {
  readonly most: number;
  readonly pieces: Uint8Array[];
  kept: number;
  isCut: boolean;
}

/**
 * Begins to hear an output.
 * @param most how many bytes of it are kept
 */
export function heardUpTo(most: number): Heard {
  return { most, pieces: [], kept: 0, isCut: false };
}

/**
 * Takes what is there.
 * @param fd the output, which does not block
 * @param heard what was heard of it before
 * @returns false once there will be no more
 */
export function hear(fd: number, heard: Heard): boolean {
  for (let count = 0; count < MOST_PIECES; count++) {
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

/** What was kept of an output, as text. */
export function textOf({ pieces, most }: Heard): string {
  const whole = concatBytes(pieces);
  return decodeText(whole.length > most ? whole.subarray(-most) : whole);
}
