import type { System } from '../../system/system.ts';

/** A bridge's spanning tree settings, as in the files below /sys/class/net/BRIDGE/bridge. */
export interface SpanningState {
  /** 0: off; 1: by the kernel; 2: by a program such as mstpd. */
  readonly stp_state: string;
  /** In hundredths of a second. */
  readonly forward_delay: string;
}

/**
 * Reads a bridge's spanning tree settings.
 * @param system the way to sysfs
 * @param bridge the bridge's name; one that does not exist counts as off
 */
export function readSpanningTree(system: System, bridge: string): SpanningState {
  const read = (file: keyof SpanningState) =>
    system.readText(`/sys/class/net/${bridge}/bridge/${file}`) ?? '0';
  return { stp_state: read('stp_state'), forward_delay: read('forward_delay') };
}
