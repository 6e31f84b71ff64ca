import { HostError } from '../../errors.ts';
import { INGRESS, isDeviceChain, withRanged } from '../../filter/strict-elements.ts';
import { CUSTOM_CHAIN, INGRESS_TABLE, STRICT_TABLE } from '../../filter/strict-rules.ts';
import { STRICT_RECORDS, strictRecordPath } from '../../record/paths.ts';
import { LOCKING_MODES, type LockingMode } from '../../request/arguments.ts';
import { failureText, isMissing } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import { deviceExists } from '../host/port.ts';
import { readJson, recordsIn } from '../records.ts';
import { nftRefusal } from './nft-refusal.ts';
import { listTable } from './nft-table.ts';

/** The record of a port's elements in the strict table, so that exactly these can be removed. */
export interface StrictRecord {
  /** The kernel's name, vif1.0 or vif1.0-emu, whatever the port's name. */
  readonly device: string;
  readonly mode: LockingMode;
  /** Elements of the table's sets and maps. */
  readonly elements: readonly string[];
}

/**
 * Reads the strict filter's record of a port.
 * @param system the way to the record
 * @param port the port's name
 * @returns undefined when there is no record
 */
export function readStrictRecord(system: System, port: string): StrictRecord | undefined {
  const record = readJson(system, strictRecordPath(port), isStrictRecord);
  // After a run that was killed during a rename the record may name another port than its file does.
  const rights = `guests { "${port}" `;
  const isOwn = (element: string) => element.startsWith(rights) || element.startsWith(`${INGRESS}${rights}`);
  if (record?.elements.some(isOwn) !== true) return undefined;
  return { ...record, elements: withRanged(port, record.elements) };
}

/**
 * Whether two records say the same.
 * @param one a record; undefined where there is none
 * @param other likewise
 */
export function sameRecord(one: StrictRecord | undefined, other: StrictRecord | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const { device, mode, elements } = one;
  return (
    device === other.device &&
    mode === other.mode &&
    elements.length === other.elements.length &&
    elements.every((element, i) => element === other.elements[i])
  );
}

/**
 * Reads the strict filter's records of all ports, by the ports' names.
 * @param system the way to the records
 */
export function readStrictRecords(system: System): ReadonlyMap<string, StrictRecord> {
  return recordsIn(system, STRICT_RECORDS, (port) => readStrictRecord(system, port));
}

/**
 * A port's record without the chains of its device where the device has not that name now: older kernels refuse those.
 * @param system the way to the device
 * @param port the port's name
 * @param record the port's record
 */
export function attachable(system: System, port: string, record: StrictRecord): StrictRecord {
  if (deviceExists(system, port)) return record;
  return { ...record, elements: record.elements.filter((element) => !isDeviceChain(element)) };
}

/**
 * The state of the strict table, in both families: 'customized' where the administrator added something of his own.
 * @param system the way to nft
 * @returns undefined where there is no table, or no nft
 * @throws HostError when nft fails
 */
export function strictTableState(system: System): 'bare' | 'customized' | undefined {
  const states = [STRICT_TABLE, INGRESS_TABLE].map((table) => stateOf(system, table));
  return states.includes('customized') ? 'customized' : states.find((state) => state !== undefined);
}

function stateOf(system: System, table: string): 'bare' | 'customized' | undefined {
  const listing = listTable(system, table);
  if (isMissing(listing) || /No such file/.test(listing.stderr)) return undefined;
  if (listing.status !== 0)
    throw new HostError(`The table of the strict filter could not be looked at (${failureText(listing)}).`);
  const own = [`chain ${CUSTOM_CHAIN} {\n\t}`, 'set ethertypes {\n\t\ttype ether_type\n\t}'];
  return own.every((text) => listing.stdout.includes(text)) ? 'bare' : 'customized';
}

/**
 * Refuses antispoof=strict where nft is missing, or is older than the sets of raw bytes that the filter needs.
 * @param system the way to nft
 * @throws HostError when this host cannot have the filter, or nft could not tell
 */
export function mustHaveNft(system: Pick<System, 'run'>): void {
  const table = 'bridge xen_network_try';
  const input = `add table ${table}; add set ${table} hw { typeof iifname . @th,288,48; }\n`;
  const refusal = nftRefusal(system, input, 'hold guests by antispoof=strict');
  if (refusal === undefined) return;
  throw new HostError(
    `antispoof=strict needs nftables, version 1.0.6 or newer, with a kernel that has its bridge family; but ${refusal}. ` +
      'Install them, or take antispoof=yes, which stops less.',
  );
}

/**
 * Whether this kernel and nft have chains for what goes out by a device (Linux 5.16).
 * @param system the way to nft
 * @throws HostError where they cannot tell for want of memory or the like
 */
export function hasEgressHook(system: System): boolean {
  const table = 'netdev xen_network_try';
  const input = `add table ${table}; add chain ${table} to { type filter hook egress device "lo" priority 0; }\n`;
  return nftRefusal(system, input, 'filter what goes out by a device') === undefined;
}

function isStrictRecord(value: unknown): value is StrictRecord {
  if (!isRecord(value) || !Array.isArray(value['elements'])) return false;
  return (
    typeof value['device'] === 'string' &&
    LOCKING_MODES.some((mode) => mode === value['mode']) &&
    value['elements'].every((element) => typeof element === 'string')
  );
}
