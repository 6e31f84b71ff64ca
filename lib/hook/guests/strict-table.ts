import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import type { System } from '../../system/system.ts';

/**
 * The bridges whose guests the strict filter covers.
 * @param system the way to the records
 */
export function strictBridges(system: System): string[] {
  return [...readBridgeRecords(system), ...readVirtualRecords(system)]
    .filter((record) => record.strict === true)
    .map((record) => record.bridge);
}
