import { HostError } from '../errors.ts';
import type { Assignment } from '../record/assignment.ts';
import {
  DAMAGED,
  damagedPath,
  isRecordName,
  RECORD_FOLDERS,
  VIF_RECORDS,
  vifRecordPath,
} from '../record/paths.ts';
import { unseal } from '../record/sealed.ts';
import type { DhcpServer } from '../request/dhcp.ts';
import type { PortVlans } from '../request/vlan.ts';
import { isRemembering } from '../system/remembering.ts';
import type { System } from '../system/system.ts';
import { isRecord, parsed } from '../wire/json.ts';

/**
 * The record of a guest's device, from which a repeated online and an offline know what was done without listing all
 * rules.
 */
export interface VifRecord {
  /** The device's name since online. */
  readonly name: string;
  readonly bridge: string;
  /** The FORWARD rules that were added, without -A, by family. */
  readonly rules: { readonly 4: readonly string[]; readonly 6: readonly string[] };
  /** The assignment: addresses, routes and proxy entries that were added for the guest. */
  readonly assigned?: readonly Assignment[];
  /**
   * The network's device that answers for guests' IPv6 addresses, by a shared setting. `before` is its proxy_ndp from
   * before, only in records of earlier versions.
   */
  readonly proxyNdp?: { readonly device: string; readonly before?: string };
  /** The DHCP server that has an entry for the guest, and the entry's name. */
  readonly lease?: {
    readonly server: DhcpServer;
    readonly name: string;
    /** The server's files that were used. */
    readonly files?: readonly string[];
  };
  /** The VLANs that its bridge port was given. */
  readonly vlans?: PortVlans;
  /** The words of ovs-vsctl that made its port of a switch. */
  readonly switchPort?: readonly string[];
}

/**
 * Reads a device's record.
 * @param system the way to the file
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @returns undefined when there is none or it is damaged
 */
export function readVifRecord(system: System, device: string): VifRecord | undefined {
  return readJson(system, vifRecordPath(device), isVifRecord);
}

/**
 * Reads the records of all devices.
 * @param system the way to the files
 * @returns the records by the kernel's name of the device
 */
export function readVifRecords(system: System): Map<string, VifRecord> {
  return recordsIn(system, VIF_RECORDS, (device) => readVifRecord(system, device));
}

/**
 * Reads the records of all devices but some.
 * @param system the way to the files
 * @param others the kernel's names of the devices whose records are not wanted
 * @returns the records by the kernel's name of the device
 */
export function readVifRecordsBut(system: System, others: ReadonlySet<string>): Map<string, VifRecord> {
  return recordsIn(system, VIF_RECORDS, (device) =>
    others.has(device) ? undefined : readVifRecord(system, device),
  );
}

/**
 * Reads the records of a folder.
 * @param system the way to the files
 * @param folder the folder
 * @param read reads the record of a name; undefined where it cannot be used
 * @returns the records by their names
 */
export function recordsIn<T>(
  system: System,
  folder: string,
  read: (name: string) => T | undefined,
): Map<string, T> {
  const records = new Map<string, T>();
  for (const name of system.list(folder).filter(isRecordName)) {
    const record = read(name);
    if (record !== undefined) records.set(name, record);
  }
  return records;
}

/**
 * Reads a record. One that cannot be understood is renamed, and the log names it: so it stops nobody, and nothing
 * overwrites it unnoticed.
 * @param system the way to the file
 * @param path the file
 * @param fits tells whether the content has the expected form
 * @returns undefined when it does not exist, is damaged, no JSON or of another form
 * @throws HostError when a later version of this program wrote it
 */
export function readJson<T>(
  system: System,
  path: string,
  fits: (value: unknown) => value is T,
): T | undefined {
  const line = system.readText(path);
  if (line === undefined) {
    if (system.exists(damagedPath(path))) system.notice?.(damagedText(damagedPath(path)));
    return undefined;
  }
  const known = isRemembering(system) ? knownIn(system) : undefined;
  const before = known?.get(path);
  // The same check of the same text found it to be of this type.
  if (before?.line === line && before.fits === fits) return before.value as T;
  const found = unseal(line);
  if (found === 'newer') throw newerFile(path);
  const value = typeof found === 'object' ? parsed(found.text) : undefined;
  if (fits(value)) {
    known?.set(path, { line, fits, value });
    return value;
  }
  system.rename(path, damagedPath(path));
  system.notice?.(
    `The record ${path} cannot be read any more and was renamed to ${damagedPath(path)}. ` +
      'What it describes may be left on this host: look at that, then remove the file.',
  );
  return undefined;
}

/** What a record said when it was last read. */
interface Known {
  readonly line: string;
  readonly fits: (value: unknown) => boolean;
  readonly value: unknown;
}

/** By the paths of the records; a host with a thousand guests has thousands, each of which is asked for several times. */
const knownRecords = new WeakMap<System, Map<string, Known>>();

function knownIn(system: System): Map<string, Known> {
  const known = knownRecords.get(system) ?? new Map<string, Known>();
  knownRecords.set(system, known);
  return known;
}

/**
 * The refusal of a file whose format this version does not know, as after a downgrade. The file stays where it is, and
 * what it describes as well, for the later version.
 * @param path the file
 */
export function newerFile(path: string): HostError {
  return new HostError(
    `${path} was written by a later version of this program, and this version does not change what it cannot read. ` +
      'Install the later version again.',
  );
}

/**
 * A sentence for each record that was put aside because it was damaged.
 * @param system the way to the folders
 */
export function damagedRecords(system: System): string[] {
  return RECORD_FOLDERS.flatMap((folder) =>
    system
      .list(folder)
      .filter((name) => name.endsWith(DAMAGED))
      .map((name) => damagedText(`${folder}/${name}`)),
  );
}

function damagedText(path: string): string {
  return `${path} is a record that could not be read. What it describes may be left on this host: look at that, then remove the file.`;
}

function isVifRecord(value: unknown): value is VifRecord {
  if (!isRecord(value) || !isRecord(value['rules'])) return false;
  const lists = [
    value['rules']['4'],
    value['rules']['6'],
    value['assigned'] ?? [],
    value['switchPort'] ?? [],
  ];
  return (
    typeof value['name'] === 'string' && typeof value['bridge'] === 'string' && lists.every(Array.isArray)
  );
}
