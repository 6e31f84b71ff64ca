import type { Command } from '../plan/step.ts';
import { LEDGER_LOCK, STRICT_LOCK_PATH } from '../record/paths.ts';
import type { System } from '../system/system.ts';
import { execute, type Outcome } from './execute.ts';
import { runServices } from './service.ts';
import { runShared } from './shared-settings.ts';

/** The lock of the firewall's rules, which the stock scripts take as well (docs/contract.md, "Locks"). */
export const RULES_LOCK = '/var/run/xen-hotplug/iptables';
/**
 * What is changed under a lock of its own; those of DHCP the stock scripts take as well (docs/contract.md, "Locks").
 */
const LOCKS: Readonly<Partial<Record<Command['tool'], string>>> = {
  iptables: RULES_LOCK,
  ip6tables: RULES_LOCK,
  edit: '/var/run/xen-hotplug/vif-nat-dhcp',
  nft: STRICT_LOCK_PATH,
  // Another one: a restart may take seconds, in which all who wait for it can make their changes.
  service: '/var/run/xen-hotplug/vif-nat-dhcp-restart',
  share: LEDGER_LOCK,
  follow: LEDGER_LOCK,
};
/** Less than the 40 s after which xl kills a hook. */
const LOCK_WAIT_MS = 30_000;

/**
 * Does something under a lock.
 * @param system the way to the lock
 * @param path the lock's file
 * @param work what to do
 * @param waitMs how long to wait for it, in milliseconds
 * @throws LockError when somebody else holds it too long
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
 * Runs commands that belong together, under the lock that those have who change the same.
 * @param system the way to the host
 * @param tool what kind they all are
 * @param commands in order
 * @param how go on after one that fails; the file of a lock that is held for them already
 * @throws LockError when somebody else holds the lock too long
 */
export async function executeLocked(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
  { force = false, held }: { readonly force?: boolean; readonly held?: string | undefined },
): Promise<Outcome> {
  const path = LOCKS[tool];
  if (path === undefined || path === held) return execute(system, tool, commands, force);
  return locked(system, path, async () => {
    if (tool === 'service') return runServices(system, commands, force);
    if (tool !== 'share' && tool !== 'follow') return execute(system, tool, commands, force);
    const run = (inner: Command['tool'], parts: readonly Command[]) =>
      executeLocked(system, inner, parts, { force });
    return runShared(system, commands, run, force);
  });
}
