import { locked } from '../apply/locked.ts';
import { LockError } from '../errors.ts';
import { LOCKS } from '../record/paths.ts';
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
 * A lock's file. The one rule of all locks: who changes something holds its lock for the look, the change and the record,
 * and what decides (xenstore's keys, lists, records, modes) is read once the lock is held, or again. The locks, in the
 * order in which a run that needs several takes them:
 *
 * 1. the network hooks' one, which the stock scripts know (docs/contract.md, "Locks"): bridges, their records, the
 *    ledger, what was started, journals of network hooks, starts that wait for a confirmation;
 * 2. a device's, by the kernel's name of a vif or tap: the device, its rules, its record, its journal, its keys in
 *    xenstore; several in the order of their names, a vif before its tap;
 * 3. the ledger's: what the whole host shares, and who holds it. It is held while its steps take those below, one after
 *    the other;
 * 4. the strict filter's: its table, its elements, all records of it. Held for moments only: whoever has it waits for no
 *    post hook, no server's restart and none of the locks above;
 * 5. those of single steps (iptables, DHCP files, DHCP servers), which the stock scripts know as well: taken and let go
 *    by what carries the steps out.
 *
 * The last three are taken where steps are carried out (lib/apply/locked.ts).
 *
 * @param key a network hook's name, or the kernel's name of a vif or tap
 */
export function lockOf(key: string): LockFile {
  if (key.startsWith('network-'))
    return { path: '/var/run/xen-hotplug/network-bridge', waitMs: NETWORK_WAIT_MS };
  return { path: `${LOCKS}/${key}`, waitMs: VIF_WAIT_MS };
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
 * @param atMostMs how long to wait in milliseconds, where the usual time is too long
 * @throws LockError when somebody else holds it too long
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
 * Does something under several runs' locks where nobody holds one of them, and else nothing.
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
 * Does something under several runs' locks.
 * @param system the way to the locks
 * @param keys the runs' keys, in an order that all who take several of them keep
 * @param work what to do
 * @param atMostMs how long to wait for each in milliseconds, where the usual time is too long
 * @throws LockError when somebody else holds one of them too long
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
