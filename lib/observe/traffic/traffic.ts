import { HostError } from '../../errors.ts';
import {
  COUNTED_RECORDS,
  countedRecordPath,
  damagedPath,
  ENDED_COUNTS,
  TRAFFIC_FILE,
} from '../../record/paths.ts';
import { unseal } from '../../record/sealed.ts';
import {
  type CountedRecord,
  type DeviceCount,
  type GuestTotals,
  isFlow,
  NO_TOTALS,
  type Totals,
} from '../../record/traffic.ts';
import type { System } from '../../system/system.ts';
import { isRecord, parsed } from '../../wire/json.ts';
import type { DeviceCounters } from '../../wire/traffic/nf-counters-listing.ts';
import { newerFile, readJson, recordsIn } from '../records.ts';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Of the boot's id; enough to tell one boot from another. */
const BOOT_LENGTH = 13;

/**
 * The id of counters, for this boot and all others.
 * @param system the way to the kernel
 * @param counters the counters
 */
export function countersId(system: System, { id }: DeviceCounters): string {
  return `${(system.readText(BOOT_ID) ?? '').slice(0, BOOT_LENGTH)}.${id}`;
}

/**
 * Reads the record of a device whose traffic is counted.
 * @param system the way to the file
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @returns undefined when there is none or it is damaged
 */
export function readCountedRecord(system: System, device: string): CountedRecord | undefined {
  return readJson(system, countedRecordPath(device), isCountedRecord);
}

/**
 * Reads the records of all devices whose traffic is counted.
 * @param system the way to the files
 * @returns the records by the kernel's name of the device
 */
export function readCountedRecords(system: System): Map<string, CountedRecord> {
  return recordsIn(system, COUNTED_RECORDS, (device) => readCountedRecord(system, device));
}

/**
 * Reads the last counts of devices that are gone, which the totals may not have yet.
 * @param system the way to the files
 * @returns the counts by their paths
 */
export function readEndedCounts(system: System): Map<string, DeviceCount> {
  const read = (name: string) => {
    const path = `${ENDED_COUNTS}/${name}`;
    return kept(system, path, isDeviceCount, 'The last traffic of a device that is gone is lost');
  };
  return new Map(
    [...recordsIn(system, ENDED_COUNTS, read)].map(([name, count]) => [`${ENDED_COUNTS}/${name}`, count]),
  );
}

/**
 * Reads the totals.
 * @param system the way to the file
 * @throws HostError where the file cannot be read or is of a later version, so that nothing may be written in its place
 */
export function readTotals(system: System): Totals {
  return (
    kept(
      system,
      TRAFFIC_FILE,
      isTotals,
      'What guests sent and received until now is lost, and counted anew',
    ) ?? NO_TOTALS
  );
}

/**
 * A sentence for each file of counts that was put aside because it was damaged.
 * @param system the way to the folders
 */
export function damagedCounts(system: System): string[] {
  const ended = system.list(ENDED_COUNTS).map((name) => `${ENDED_COUNTS}/${name}`);
  return [
    damagedPath(TRAFFIC_FILE),
    ...ended.filter((path) => path === damagedPath(path.replace(/\.damaged$/, ''))),
  ]
    .filter((path) => system.exists(path))
    .map(
      (path) =>
        `${path} is a file of guests' traffic that could not be read. Look at what it holds, then remove it.`,
    );
}

/** Reads a file that outlives reboots. A damaged one is renamed, and the log says what is lost by it. */
function kept<T>(
  system: System,
  path: string,
  fits: (value: unknown) => value is T,
  loss: string,
): T | undefined {
  const line = system.readText(path);
  if (line === undefined) {
    if (system.exists(path)) throw new HostError(`${path} is there and cannot be read. Look at it as root.`);
    return undefined;
  }
  const found = unseal(line);
  if (found === 'newer') throw newerFile(path);
  const value = found === 'damaged' ? undefined : parsed(found.text);
  if (fits(value)) return value;
  system.rename(path, damagedPath(path));
  system.notice?.(`${path} cannot be read any more and was renamed to ${damagedPath(path)}. ${loss}.`);
  return undefined;
}

function isCountedRecord(value: unknown): value is CountedRecord {
  return isOwned(value) && typeof value['port'] === 'string';
}

function isOwned(value: unknown): value is Record<string, unknown> & Omit<CountedRecord, 'port'> {
  return (
    isRecord(value) &&
    ['id', 'uuid', 'guest'].every((key) => typeof value[key] === 'string') &&
    Number.isInteger(value['card'])
  );
}

function isDeviceCount(value: unknown): value is DeviceCount {
  return isRecord(value) && isFlow(value['flow']) && isOwned(value);
}

function isTotals(value: unknown): value is Totals {
  return (
    isRecord(value) &&
    isRecord(value['guests']) &&
    isRecord(value['included']) &&
    Object.values(value['guests']).every(isGuestTotals) &&
    Object.values(value['included']).every(isFlow)
  );
}

function isGuestTotals(value: unknown): value is GuestTotals {
  return (
    isRecord(value) &&
    typeof value['name'] === 'string' &&
    typeof value['since'] === 'string' &&
    isRecord(value['cards']) &&
    Object.values(value['cards']).every(isFlow)
  );
}
