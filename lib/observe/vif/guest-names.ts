import type { System } from '../../system/system.ts';
import { readVifRecords } from '../records.ts';

/**
 * Whether a device's name alone tells that it is a guest's device.
 * @param name the device's name
 */
export function isToldByName(name: string): boolean {
  return /^(vif|tap)/.test(name);
}

/**
 * The names of those devices of a bridge's guests that have a vifname.
 * @param system the way to the records
 * @param bridge the bridge's name
 */
export function namedGuests(system: System, bridge: string): string[] {
  return [...readVifRecords(system).values()]
    .filter((record) => record.bridge === bridge && !isToldByName(record.name))
    .map(({ name }) => name);
}
