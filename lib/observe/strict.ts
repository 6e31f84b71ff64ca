import { LOCKING_MODES, type LockingMode } from '../contract/arguments.ts';
import { isRecordName, STRICT_RECORDS, strictRecordPath } from '../contract/paths.ts';
import { HostError } from '../errors.ts';
import { CUSTOM_CHAIN, STRICT_TABLE } from '../filter/strict-rules.ts';
import type { System } from '../system/system.ts';
import { isRecord, readJson } from './records.ts';

/** What the strict filter was given for a port, so that exactly this can be taken back. */
export interface StrictRecord {
  /** The kernel's name of the device, vif1.0 or vif1.0-emu, whatever the port is called. */
  readonly device: string;
  readonly mode: LockingMode;
  /** Elements of the table's sets. */
  readonly elements: readonly string[];
}

/**
 * What the strict filter holds for a port.
 * @param system the way to the record
 * @param port the port's name
 * @returns undefined when there is no record
 */
export function readStrictRecord(system: System, port: string): StrictRecord | undefined {
  const record = readJson(system, strictRecordPath(port), isStrictRecord);
  // A file that was on its way when a run was killed speaks of another port than its name does.
  return record?.elements.some((element) => element.startsWith(`guests { "${port}" `)) === true
    ? record
    : undefined;
}

/**
 * What the strict filter holds for all ports, by their names.
 * @param system the way to the records
 */
export function readStrictRecords(system: System): ReadonlyMap<string, StrictRecord> {
  const found = new Map<string, StrictRecord>();
  for (const port of system.list(STRICT_RECORDS).filter(isRecordName)) {
    const record = readStrictRecord(system, port);
    if (record !== undefined) found.set(port, record);
  }
  return found;
}

/** The strict filter's table: there or not, and whether the administrator has put something of his own in it. */
export type StrictTable = 'missing' | 'bare' | 'customized';

/**
 * Looks at the strict filter's table.
 * @param system the way to nft
 * @throws HostError when nft is not installed
 */
export function observeStrictTable(system: System): StrictTable {
  const listing = system.run(['nft', 'list', 'table', ...STRICT_TABLE.split(' ')], { isListing: true });
  if (listing.status === 127) {
    throw new HostError(
      'antispoof=strict needs nft, which is not installed. Install nftables, or leave antispoof=strict out.',
    );
  }
  if (listing.status !== 0) return 'missing';
  const own = [`chain ${CUSTOM_CHAIN} {\n\t}`, 'set ethertypes {\n\t\ttype ether_type\n\t}'];
  return own.every((text) => listing.stdout.includes(text)) ? 'bare' : 'customized';
}

function isStrictRecord(value: unknown): value is StrictRecord {
  if (!isRecord(value) || !Array.isArray(value['elements'])) return false;
  return (
    typeof value['device'] === 'string' &&
    LOCKING_MODES.some((mode) => mode === value['mode']) &&
    value['elements'].every((element) => typeof element === 'string')
  );
}
