import { numbered } from './honest.ts';
import type { Hex } from './packets.ts';

/** Frames by what they are. */
export type NamedFrames = Readonly<Record<string, Hex>>;

/**
 * Sends frames and gives the names of those that arrive, sorted.
 * @param frames what to send
 * @param send sends frames, no two alike, and gives those that arrive
 */
export function arrivingNames(
  frames: NamedFrames,
  send: (frames: readonly Hex[]) => readonly Hex[],
): string[] {
  const names = new Map(
    Object.entries(frames).map(([name, frame], i) => [numbered(frame, i), name] as const),
  );
  return send([...names.keys()])
    .map((frame) => names.get(frame) ?? '')
    .toSorted();
}

/**
 * The names of frames, sorted.
 * @param frames the frames
 */
export function namesOf(frames: NamedFrames): string[] {
  return Object.keys(frames).toSorted();
}
