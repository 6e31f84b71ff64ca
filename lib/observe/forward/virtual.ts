import { VIRTUAL_RECORDS } from '../../record/paths.ts';
import type { VirtualForm } from '../../request/forward.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import { readJson, recordsIn } from '../records.ts';
import type { DhcpRecord } from './nat.ts';

/** The record of network-virtual; its firewall rules and settings are in the shared settings. */
export interface VirtualRecord {
  readonly bridge: string;
  readonly form: VirtualForm;
  /** Whether start made the bridge. */
  readonly madeBridge: boolean;
  /** Whether a bridge that start found was up. */
  readonly wasUp: boolean;
  /** Addresses and networks that start added, as ADDRESS/LENGTH. */
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
  readonly dhcp?: DhcpRecord;
  /** antispoof=strict: guests that join the bridge may only send from their configured addresses. */
  readonly strict?: true;
  /** account=yes: the traffic of the guests that join the bridge is counted. */
  readonly account?: true;
}

/**
 * The records of network-virtual.
 * @param system the way to the files
 */
export function readVirtualRecords(system: System): VirtualRecord[] {
  const records = recordsIn(system, VIRTUAL_RECORDS, (name) =>
    readJson(system, `${VIRTUAL_RECORDS}/${name}`, isVirtualRecord),
  );
  return [...records.values()];
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
