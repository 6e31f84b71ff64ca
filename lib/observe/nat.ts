import type { DhcpServer } from '../contract/dhcp.ts';
import { NAT_RECORDS } from '../contract/paths.ts';
import type { SubnetRecord } from '../plan/dhcp-subnet.ts';
import type { System } from '../system/system.ts';
import { isRecord, readJson } from './records.ts';

/** How addresses are handed out for a started hook. */
export interface DhcpRecord {
  readonly server: DhcpServer;
  /** What was changed for dhcpd; dnsmasq has files of its own. */
  readonly subnet?: SubnetRecord;
}

/** What network-nat start left, beside what is noted in the ledger. */
export interface NatRecord {
  readonly netdev: string;
  readonly dhcp?: DhcpRecord;
}

/**
 * What earlier starts of network-nat left.
 * @param system the way to the files
 */
export function readNatRecords(system: System): NatRecord[] {
  return system
    .list(NAT_RECORDS)
    .filter((name) => !name.endsWith('.new'))
    .map((name) => readJson(system, `${NAT_RECORDS}/${name}`, isNatRecord))
    .filter((record) => record !== undefined);
}

function isNatRecord(value: unknown): value is NatRecord {
  return isRecord(value) && typeof value['netdev'] === 'string';
}
