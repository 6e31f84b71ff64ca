import { observeStrictTable, readStrictRecords } from '../observe/strict.ts';
import { readBridgeRecords } from '../observe/uplink.ts';
import { readVirtualRecords } from '../observe/virtual.ts';
import type { Step } from '../plan/step.ts';
import { planStrictStart, planStrictStop } from '../plan/strict.ts';
import type { System } from '../system/system.ts';

/**
 * The bridges whose guests are to be held by the strict filter.
 * @param system the way to the records
 */
export function strictBridges(system: System): string[] {
  return [...readBridgeRecords(system), ...readVirtualRecords(system)]
    .filter((record) => record.strict === true)
    .map((record) => record.bridge);
}

/**
 * Steps for a bridge that is started with antispoof=strict.
 * @param system the way to nft
 * @throws HostError when nft is not installed
 */
export function startStrict(system: System): Step[] {
  return observeStrictTable(system) === 'missing' ? planStrictStart() : [];
}

/**
 * Steps for a bridge that was started with antispoof=strict and stops: the table goes with the last such bridge, unless
 * it holds a guest still, or something of the administrator's.
 * @param system the way to nft and the records
 * @param bridge the bridge's name
 */
export function stopStrict(system: System, bridge: string): Step[] {
  const others = strictBridges(system).filter((name) => name !== bridge);
  if (others.length > 0 || readStrictRecords(system).size > 0) return [];
  return observeStrictTable(system) === 'bare' ? [planStrictStop()] : [];
}
