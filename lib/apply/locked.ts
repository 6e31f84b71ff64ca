import type { Command } from '../plan/step.ts';
import { SHARED_LOCK, STRICT_LOCK_PATH } from '../record/paths.ts';
import type { System } from '../system/system.ts';
import { execute, type Outcome } from './execute.ts';
import { runPrograms } from './programs.ts';
import { runShared } from './shared-settings.ts';

/** The lock of the firewall rules, which the stock scripts take too (docs/contract.md, "Locks"). */
export const RULES_LOCK = '/var/run/xen-hotplug/iptables';
/** The lock for each kind of command; the stock scripts take the locks of DHCP too (docs/contract.md, "Locks"). */
const LOCKS: Readonly<Partial<Record<Command['tool'], string>>> = {
  iptables: RULES_LOCK,
  ip6tables: RULES_LOCK,
  edit: '/var/run/xen-hotplug/vif-nat-dhcp',
  nft: STRICT_LOCK_PATH,
  // A lock besides that of the files: a restart may take seconds, and others can change the files meanwhile.
  service: '/var/run/xen-hotplug/vif-nat-dhcp-restart',
  share: SHARED_LOCK,
  follow: SHARED_LOCK,
};
/** Less than the 40 s after which xl kills a hook. */
const LOCK_WAIT_MS = 30_000;

/**
 * Does something while holding a lock.
 * @param system the way to the lock
 * @param path the lock's file
 * @param work what to do
 * @param waitMs how long to wait for the lock, in milliseconds
 * @throws LockError when another process holds the lock for too long
 */
export async function locked<T>(
  system: System,
  path: string,
  work: () => Promise<T>,
  waitMs = LOCK_WAIT_MS,
): Promise<T> {
  const lock = await (await system.native()).lock(path, waitMs);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/**
 * Runs the commands of a batch while holding the lock for their kind.
 * @param system the way to the host
 * @param tool the tool of all commands
 * @param commands the commands, in order
 * @param how `force`: go on after a failure; `held`: the file of a lock that the caller holds
 * @throws LockError when another process holds the lock for too long
 */
export async function executeLocked(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
  { force = false, held }: { readonly force?: boolean; readonly held?: string | undefined },
): Promise<Outcome> {
  if (tool === 'run') return runPrograms(system, commands);
  const path = LOCKS[tool];
  if (path === undefined || path === held) return execute(system, tool, commands, force);
  return locked(system, path, async () => {
    if (tool === 'service') return (await import('./service.ts')).runServices(system, commands, force);
    if (tool !== 'share' && tool !== 'follow') return execute(system, tool, commands, force);
    const run = (inner: Command['tool'], parts: readonly Command[]) =>
      executeLocked(system, inner, parts, { force });
    return runShared(system, commands, run, force);
  });
}
