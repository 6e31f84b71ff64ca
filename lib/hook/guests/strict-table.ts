import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
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

/**
 * The started network-route and network-nat whose guests the strict filter covers.
 * @param system the way to the shared settings
 * @returns hook and device, such as "network-nat eth0"
 */
export function strictNetworks(system: System): string[] {
  const holders = readSharedFile(system).flatMap(({ setting, holders }) =>
    setting.kind === 'strict' ? holders : [],
  );
  return holders.filter((holder) => /^network-(nat|route) /.test(holder));
}

/**
 * Everything that was started with antispoof=strict: bridges by name, network-route and network-nat with their device.
 * @param system the way to the records
 */
export function strictUsers(system: System): string[] {
  return [...strictBridges(system), ...strictNetworks(system)];
}
