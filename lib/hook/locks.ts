import { RUN_FOLDER } from '../contract/paths.ts';
import type { System } from '../system/system.ts';

/** A lock file, and how long a run may wait for it. */
export interface LockFile {
  readonly path: string;
  readonly waitMs: number;
}

/** Less than the 40 s after which xl kills a hook. */
const VIF_WAIT_MS = 30_000;
const NETWORK_WAIT_MS = 60_000;

/**
 * The lock of a run: the stock scripts' own for all network hooks (contract 5), one for each device for vif hooks.
 * @param key a hook's name, or the kernel's name of a vif or tap
 */
export function lockOf(key: string): LockFile {
  if (key.startsWith('network-'))
    return { path: '/var/run/xen-hotplug/network-bridge', waitMs: NETWORK_WAIT_MS };
  return { path: `${RUN_FOLDER}/lock/${key}`, waitMs: VIF_WAIT_MS };
}

/** Tells what a post hook starts which locks are held for it: the holder's process, and their keys. */
const HELD = 'XEN_NETWORK_HELD';

/**
 * The variable by which a post hook that calls this program again, for its own device, need not wait for the lock that
 * its own hook holds meanwhile.
 * @param keys the keys of the locks that this process holds
 */
export function heldVariable(keys: readonly string[]): Readonly<Record<string, string>> {
  return { [HELD]: [process.pid, ...keys].join(' ') };
}

/**
 * Whether a lock is held for this process by the hook whose post hook has started it, and which waits for it.
 * @param system the way to the holder's process
 * @param key the run's key
 */
export function isHeldForUs(system: System, key: string): boolean {
  const [holder = '', ...keys] = (process.env[HELD] ?? '').split(' ');
  return keys.includes(key) && /^\d+$/.test(holder) && system.exists(`/proc/${holder}`);
}

/**
 * The key of a run's journal: the hook that waits for us has one of its own under the usual key.
 * @param system the way to the holder's process
 * @param key the run's key
 */
export function journalKeyOf(system: System, key: string): string {
  return isHeldForUs(system, key) ? `${key}.post` : key;
}

/**
 * Does something under a run's lock.
 * @param system the way to the lock
 * @param key the run's key
 * @param work what to do
 * @throws LockError when somebody else holds it too long
 */
export async function withLock<T>(system: System, key: string, work: () => Promise<T>): Promise<T> {
  if (isHeldForUs(system, key)) return work();
  const { path, waitMs } = lockOf(key);
  const lock = await (await system.native()).lock(path, waitMs);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/**
 * Does something under several runs' locks.
 * @param system the way to the locks
 * @param keys the runs' keys, in an order that all who take several of them keep
 * @param work what to do
 * @throws LockError when somebody else holds one of them too long
 */
export function withLocks<T>(system: System, keys: readonly string[], work: () => Promise<T>): Promise<T> {
  const [first, ...rest] = keys;
  return first === undefined ? work() : withLock(system, first, () => withLocks(system, rest, work));
}
