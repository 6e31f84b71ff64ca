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

/**
 * Does something under a run's lock.
 * @param system the way to the lock
 * @param key the run's key
 * @param work what to do
 * @throws LockError when somebody else holds it too long
 */
export async function withLock<T>(system: System, key: string, work: () => Promise<T>): Promise<T> {
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
