import { locked } from '../apply/locked.ts';
import { LockError } from '../errors.ts';
import { LOCKS } from '../record/paths.ts';
import { TAP_SUFFIX, twinOf } from '../request/names.ts';
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
 * The lock file of a run.
 *
 * One rule holds for all locks. Whoever changes something holds its lock from the look at the host until the change is
 * recorded. What decides about the change (keys in xenstore, lists, records, modes) is read, or read again, while the
 * lock is held. A run that needs several locks takes them in this order:
 *
 * 1. The lock of the network hooks, which the stock scripts know (docs/contract.md, "Locks"). It protects bridges and
 * their records, the record of shared settings, the record of started networks, the journals of network hooks, and
 * starts that wait for confirmation.
 *
 * 2. The lock of a device, named by the kernel's name of a vif or tap. It protects the device, its rules, its record,
 * its journal and its keys in xenstore. Several are taken in the order of their names, a vif before its tap.
 * Whoever takes the lock of a tap also takes that of its vif, which so protects both.
 *
 * 3. The lock of the shared settings and their holders. A run holds it while its steps take the locks below, one after
 * the other.
 *
 * 4. The lock of the strict table, its elements and all their records. It is held for moments only: its holder waits
 * for no post hook, for no restart of a server and for none of the locks above.
 *
 * 5. The locks of single steps (iptables, DHCP files, DHCP servers), which the stock scripts know too. The code that
 * runs the steps takes and releases them.
 *
 * The last three are taken where steps are run (lib/apply/locked.ts).
 *
 * @param key a network hook's name, or the kernel's name of a vif or tap
 */
export function lockOf(key: string): LockFile {
  if (key.startsWith('network-'))
    return { path: '/var/run/xen-hotplug/network-bridge', waitMs: NETWORK_WAIT_MS };
  return { path: `${LOCKS}/${key}`, waitMs: VIF_WAIT_MS };
}

/**
 * The keys of the locks that a device's hook takes, in their order.
 * @param device the kernel's name of the vif or tap
 */
export function deviceKeys(device: string): string[] {
  return device.endsWith(TAP_SUFFIX) ? [twinOf(device), device] : [device];
}

/**
 * A variable that tells a post hook's programs which locks their hook holds: the holder's process id and the locks'
 * keys.
 */
const HELD = 'XEN_NETWORK_HELD';

/**
 * The variable for a post hook. A post hook may call this program again for its own device; that call must not wait for
 * the lock, which the hook holds until the post hook ends.
 * @param keys the keys of the locks that this process holds
 */
export function heldVariable(keys: readonly string[]): Readonly<Record<string, string>> {
  return { [HELD]: [process.pid, ...keys].join(' ') };
}

/**
 * Whether the hook that waits for this process, as its post hook, holds a lock for it.
 * @param system the way to the holder's process
 * @param key the run's key
 */
export function isHeldForUs(system: System, key: string): boolean {
  const [holder = '', ...keys] = (process.env[HELD] ?? '').split(' ');
  return keys.includes(key) && /^\d+$/.test(holder) && system.exists(`/proc/${holder}`);
}

/**
 * The key of a run's journal. A post hook's call gets a key of its own, since the waiting hook has a journal under the
 * usual one.
 * @param system the way to the holder's process
 * @param key the run's key
 */
export function journalKeyOf(system: System, key: string): string {
  return isHeldForUs(system, key) ? `${key}.post` : key;
}

/**
 * Does something while holding a run's lock.
 * @param system the way to the lock
 * @param key the run's key
 * @param work what to do
 * @param atMostMs how long to wait in milliseconds, where the usual time is too long
 * @throws LockError when another process holds the lock for too long
 */
export async function withLock<T>(
  system: System,
  key: string,
  work: () => Promise<T>,
  atMostMs = Number.POSITIVE_INFINITY,
): Promise<T> {
  if (isHeldForUs(system, key)) return work();
  const { path, waitMs } = lockOf(key);
  return locked(system, path, work, Math.min(waitMs, atMostMs));
}

/**
 * Does something while holding several runs' locks, if all of them are free; otherwise does nothing.
 * @param system the way to the locks
 * @param keys the runs' keys
 * @param work what to do
 * @returns whether it was done
 */
export async function withFreeLocks(
  system: System,
  keys: readonly string[],
  work: () => Promise<void>,
): Promise<boolean> {
  if (keys.some((key) => isHeldForUs(system, key))) return false;
  const native = await system.native();
  const held: { release(): void }[] = [];
  try {
    for (const key of keys) held.push(await native.lock(lockOf(key).path, 0));
  } catch (thrown) {
    for (const lock of held) lock.release();
    if (thrown instanceof LockError) return false;
    throw thrown;
  }
  try {
    await work();
    return true;
  } finally {
    for (const lock of held.reverse()) lock.release();
  }
}

/**
 * Does something for those of several things whose locks are free, while it holds the locks of all of these.
 * @param system the way to the locks
 * @param all the things
 * @param keysOf the keys of the locks of a thing
 * @param work what to do, given the things whose locks were free
 * @returns the things whose locks were not free
 */
export async function withFreeOnes<T>(
  system: System,
  all: readonly T[],
  keysOf: (one: T) => readonly string[],
  work: (free: readonly T[]) => Promise<void>,
): Promise<T[]> {
  const free: T[] = [];
  const busy: T[] = [];
  const goOn = async ([one, ...rest]: readonly T[]): Promise<void> => {
    if (one === undefined) return work(free);
    const isFree = await withFreeLocks(system, keysOf(one), () => {
      free.push(one);
      return goOn(rest);
    });
    if (isFree) return;
    busy.push(one);
    await goOn(rest);
  };
  await goOn(all);
  return busy;
}

/**
 * Does something while holding several runs' locks.
 * @param system the way to the locks
 * @param keys the runs' keys, in the order in which everybody takes them
 * @param work what to do
 * @param atMostMs how long to wait for each in milliseconds, where the usual time is too long
 * @throws LockError when another process holds one of the locks for too long
 */
export function withLocks<T>(
  system: System,
  keys: readonly string[],
  work: () => Promise<T>,
  atMostMs?: number,
): Promise<T> {
  const [first, ...rest] = keys;
  if (first === undefined) return work();
  return withLock(system, first, () => withLocks(system, rest, work, atMostMs), atMostMs);
}
