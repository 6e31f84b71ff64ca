import { pick, type Random, randomNumbers } from '../random.ts';
import { borrowedFrames } from './borrowed.ts';
import { forgedFrames } from './forged.ts';
import { honestFrames, numbered } from './honest.ts';
import { type Hex, mac, num, TYPE, tagged } from './packets.ts';
import type { Identity } from './sender.ts';

/** No frame is shorter than this: a destination, a source, an ethertype. */
const HEADER = 14;
/** Bytes of the destination address, which stay: by them a frame comes to where it is watched. */
const DESTINATION = 6;
const LONGEST = 600;

/**
 * Frames near to what a guest may and may not send: honest and forged ones with some bytes changed, left out, put in or
 * swapped for another frame's. The same for the same seed; no two alike.
 * @param self the guest
 * @param other whom it would like to be
 * @param count how many
 * @param seed any whole number
 * @param vlans most frames get a tag with one of these, some none and some two; none does where the list is empty
 */
export function randomFrames(
  self: Identity,
  other: Identity,
  count: number,
  seed = 1,
  vlans: readonly number[] = [],
): Hex[] {
  const random = randomNumbers(seed);
  const known = [honestFrames(self), forgedFrames(self, other), borrowedFrames(self, other)]
    .flatMap((frames) => Object.values(frames))
    // What goes to a bridge itself arrives nowhere else; what is put together must not become too long for the wire.
    .filter((frame) => !frame.startsWith('0180c2') && frame.length < LONGEST * 2)
    // What goes to the other guest itself comes to its port, where nobody watches.
    .filter((frame) => !frame.startsWith(mac(other.mac)));
  const one = () => known[random(known.length)] ?? '';
  return Array.from({ length: count }, (_, serial) => {
    let frame = one();
    for (let changes = random(4); changes > 0; changes--) frame = changed(frame, one(), random);
    return numbered(withTags(frame, vlans, random), serial);
  });
}

function withTags(frame: Hex, [first, ...rest]: readonly number[], random: Random): Hex {
  if (first === undefined) return frame;
  let result = frame;
  for (let tags = pick(random, [1, 1, 1, 1, 0, 2]); tags > 0; tags--) {
    const type = random(16) === 0 ? TYPE.qinq : TYPE.vlan;
    // The highest bits are the priority.
    result = tagged(result, type, pick(random, [first, ...rest]) + random(8) * 0x2000);
  }
  return result;
}

function changed(frame: Hex, another: Hex, random: Random): Hex {
  const bytes = frame.length / 2;
  const at = DESTINATION + random(Math.max(bytes - DESTINATION, 1));
  const [before, after] = [frame.slice(0, at * 2), frame.slice(at * 2)];
  switch (random(6)) {
    case 0:
      return before + num(random(256), 1) + after.slice(2);
    case 1:
      return before + num(1 << random(8), 1) + after.slice(2);
    case 2:
      return `${before}0000${after.slice(4)}`;
    case 3:
      return at < HEADER ? frame : before;
    case 4:
      return before + another.slice(at * 2);
    default:
      return before + num(random(65536), 2) + after;
  }
}
