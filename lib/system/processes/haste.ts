import type { Native } from '../kernel/native.ts';

/** How a process hurries, and how it lets others go on meanwhile. */
export interface Haste {
  readonly set: (on: boolean) => void;
  /** Does something without real-time priority. */
  readonly yielding: <T>(does: () => T) => T;
}

/**
 * The hurry of a process (System.hurry).
 *
 * A write to most settings of the kernel is tried again and again while somebody else holds the lock of all network devices
 * (restart_syscall in net/ipv4/devinet.c and net/bridge/br_sysfs_br.c). With real-time priority it would keep the processor from
 * whom it waits for: such a write has to yield.
 * @param hurry the way to the priority; none where it cannot be changed
 */
export function hasteOf(hurry: Native['hurry'] = () => {}): Haste {
  let isOn = false;
  return {
    set(on: boolean): void {
      isOn = on;
      hurry(on ? 'first' : 'usual');
    },
    yielding<T>(does: () => T): T {
      if (!isOn) return does();
      hurry('ahead');
      try {
        return does();
      } finally {
        hurry('first');
      }
    },
  };
}
