import type { System } from '../../system/system.ts';

/** What a bridge has of the spanning tree, as its files below /sys/class/net/BRIDGE/bridge have it. */
export interface SpanningState {
  /** 0: off; 1: the kernel's; 2: a program's, such as mstpd. */
  readonly stp_state: string;
  /** In hundredths of a second. */
  readonly forward_delay: string;
}

/**
 * Reads what a bridge has of the spanning tree.
 * @param system the way to sysfs
 * @param bridge its name; of one that is not there it is off
 */
export function readSpanningTree(system: System, bridge: string): SpanningState {
  const read = (file: keyof SpanningState) =>
    system.readText(`/sys/class/net/${bridge}/bridge/${file}`) ?? '0';
  return { stp_state: read('stp_state'), forward_delay: read('forward_delay') };
}
