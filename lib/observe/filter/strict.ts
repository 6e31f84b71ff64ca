import { HostError } from '../../errors.ts';
import { CUSTOM_CHAIN, STRICT_TABLE } from '../../filter/strict-rules.ts';
import { isRecordName, STRICT_RECORDS, strictRecordPath } from '../../record/paths.ts';
import { LOCKING_MODES, type LockingMode } from '../../request/arguments.ts';
import { failureText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { isRecord, readJson } from '../records.ts';

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

/**
 * Looks at the strict filter's table, and whether the administrator has put something of his own in it.
 * @param system the way to nft
 * @returns undefined where it is not there, as where nft is not
 * @throws HostError when nft cannot tell
 */
export function strictTableState(system: System): 'bare' | 'customized' | undefined {
  const listing = system.run(['nft', 'list', 'table', ...STRICT_TABLE.split(' ')], { isListing: true });
  if (listing.status === 127 || /No such file/.test(listing.stderr)) return undefined;
  if (listing.status !== 0)
    throw new HostError(`The table of the strict filter could not be looked at (${failureText(listing)}).`);
  const own = [`chain ${CUSTOM_CHAIN} {\n\t}`, 'set ethertypes {\n\t\ttype ether_type\n\t}'];
  return own.every((text) => listing.stdout.includes(text)) ? 'bare' : 'customized';
}

/**
 * Refuses antispoof=strict where nothing could hold a guest.
 * @param system the way to nft
 * @throws HostError when nft is not installed
 */
export function mustHaveNft(system: System): void {
  if (system.run(['nft', '--version']).status === 0) return;
  throw new HostError(
    'antispoof=strict needs nft, which is not installed. Install nftables, or leave antispoof=strict out.',
  );
}

function isStrictRecord(value: unknown): value is StrictRecord {
  if (!isRecord(value) || !Array.isArray(value['elements'])) return false;
  return (
    typeof value['device'] === 'string' &&
    LOCKING_MODES.some((mode) => mode === value['mode']) &&
    value['elements'].every((element) => typeof element === 'string')
  );
}
