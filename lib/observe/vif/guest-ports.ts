import { type GuestPort, guestPort } from '../../filter/limited.ts';
import type { TableSetting } from '../../filter/wrapped.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';
import { readVifRecords } from '../records.ts';
import { readSharedFile } from '../shared-settings.ts';

/**
 * The ports of a bridge's guests, as their records tell.
 * @param system the way to the records
 * @param bridge the bridge's name
 */
export function guestPorts(system: System, bridge: string): GuestPort[] {
  return [...readVifRecords(system).values()]
    .filter((record) => record.bridge === bridge)
    .map(({ name, rules }) => guestPort(name, rules));
}

/**
 * The ports of the guests of bridges with a table under antispoof=yes, by the bridges' names.
 * @param system the way to the records
 * @param sharedSettings shared settings; those that stand for such tables tell the bridges
 */
export function guestsOfTables(
  system: System,
  sharedSettings: readonly SharedSetting[],
): ReadonlyMap<string, readonly GuestPort[]> {
  const bridges = sharedSettings.flatMap((setting) => (setting.kind === 'wrapped' ? [setting.bridge] : []));
  return new Map(bridges.map((bridge) => [bridge, guestPorts(system, bridge)]));
}

/**
 * The tables of the bridges under antispoof=yes.
 * @param system the way to the shared settings
 */
export function tablesOf(system: System): TableSetting[] {
  return readSharedFile(system).flatMap(({ setting }) => (setting.kind === 'wrapped' ? [setting] : []));
}

/**
 * The table of a bridge.
 * @param system the way to the shared settings
 * @param bridge the bridge's name
 * @returns undefined where the bridge is not under antispoof=yes
 */
export function tableOfBridge(system: System, bridge: string): TableSetting | undefined {
  return tablesOf(system).find((table) => table.bridge === bridge);
}
