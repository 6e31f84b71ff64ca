import type { Reading } from '../../observe/desk/path.ts';
import type { Hop } from './path.ts';
import type { Way } from './ways.ts';

/** The packets that a hop counted: of the guest, to it, and dropped. */
export interface HopCounts {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly dropped: number | undefined;
}

/**
 * What a hop counted.
 * @param found the hop
 * @param way the way of which it is
 * @param reading all counters
 */
export function countsOf(
  { counter }: Hop,
  { port, uplink = '', end = '' }: Way,
  reading: Reading,
): HopCounts {
  const none: HopCounts = { from: undefined, to: undefined, dropped: undefined };
  const device = (name: string, isOut: boolean): HopCounts => {
    const counts = reading.devices.get(name);
    if (counts === undefined) return none;
    const { received, sent, dropped } = counts;
    return { from: isOut ? sent : received, to: isOut ? received : sent, dropped };
  };
  switch (counter) {
    case undefined:
      return none;
    case 'guest':
      return device(port, false);
    case 'host':
      return device(end, false);
    case 'uplink':
      return device(uplink, true);
    case 'rules':
      return { ...none, ...reading.rules };
    case 'refused':
      return { ...none, dropped: reading.refused };
    case 'masqueraded':
      return { ...none, from: reading.masqueraded };
  }
}
