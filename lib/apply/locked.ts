import { LEDGER_LOCK } from '../contract/paths.ts';
import type { Command } from '../plan/step.ts';
import type { System } from '../system/system.ts';
import { execute, type Outcome } from './execute.ts';
import { runServices } from './service.ts';
import { runShared } from './shared.ts';

/** What is changed under a lock that the stock scripts take as well (contract 5). */
const LOCKS: Readonly<Partial<Record<Command['tool'], string>>> = {
  iptables: '/var/run/xen-hotplug/iptables',
  ip6tables: '/var/run/xen-hotplug/iptables',
  edit: '/var/run/xen-hotplug/vif-nat-dhcp',
  // Another one: a restart may take seconds, in which all who wait for it can make their changes.
  service: '/var/run/xen-hotplug/vif-nat-dhcp-restart',
  share: LEDGER_LOCK,
  follow: LEDGER_LOCK,
};
/** Less than the 40 s after which xl kills a hook. */
const LOCK_WAIT_MS = 30_000;

/**
 * Runs commands that belong together, under the lock that those have who change the same.
 * @param system the way to the host
 * @param tool what kind they all are
 * @param commands in order
 * @param force go on after one that fails
 * @throws LockError when somebody else holds the lock too long
 */
export async function executeLocked(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
  force = false,
): Promise<Outcome> {
  const path = LOCKS[tool];
  if (path === undefined) return execute(system, tool, commands, force);
  const lock = await (await system.native()).lock(path, LOCK_WAIT_MS);
  try {
    if (tool === 'service') return await runServices(system, commands, force);
    if (tool === 'share' || tool === 'follow')
      return await runShared(
        system,
        commands,
        (inner, parts) => executeLocked(system, inner, parts, force),
        force,
      );
    return execute(system, tool, commands, force);
  } finally {
    lock.release();
  }
}
