import { isRecordName, VIRTUAL_RECORDS } from '../../record/paths.ts';
import type { VirtualForm } from '../../request/forward.ts';
import type { System } from '../../system/system.ts';
import { isRecord, readJson } from '../records.ts';
import type { DhcpRecord } from './nat.ts';

/** What network-virtual start left, beside what is noted in the ledger. */
export interface VirtualRecord {
  readonly bridge: string;
  readonly form: VirtualForm;
  /** The bridge was made by start. */
  readonly madeBridge: boolean;
  /** A bridge that start found was up. */
  readonly wasUp: boolean;
  /** Addresses and networks that start laid, as ADDRESS/LENGTH. */
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
  readonly dhcp?: DhcpRecord;
  /** antispoof=strict: guests that join are held to what they are configured to be. */
  readonly strict?: true;
}

/**
 * What earlier starts of network-virtual left.
 * @param system the way to the files
 */
export function readVirtualRecords(system: System): VirtualRecord[] {
  return system
    .list(VIRTUAL_RECORDS)
    .filter(isRecordName)
    .map((name) => readJson(system, `${VIRTUAL_RECORDS}/${name}`, isVirtualRecord))
    .filter((record) => record !== undefined);
}

function isVirtualRecord(value: unknown): value is VirtualRecord {
  return (
    isRecord(value) &&
    typeof value['bridge'] === 'string' &&
    typeof value['form'] === 'string' &&
    Array.isArray(value['addresses']) &&
    Array.isArray(value['networks'])
  );
}
