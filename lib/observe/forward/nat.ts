import { isRecordName, NAT_RECORDS } from '../../record/paths.ts';
import type { DhcpServer } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import { isRecord, readJson } from '../records.ts';

/** What was done so that dhcpd serves a subnet. */
export interface SubnetRecord {
  /** The line that declares it; undefined where somebody else declares it. */
  readonly line?: string;
  /** The device that was named to the server. */
  readonly device?: string;
  /** Whether the server ran before. */
  readonly wasRunning: boolean;
}

/** How addresses are handed out for a started hook. */
export interface DhcpRecord {
  readonly server: DhcpServer;
  /** The server's files that were used: dhcpd.conf and where its devices are listed, or dnsmasq's folder. */
  readonly files?: readonly string[];
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
    .filter(isRecordName)
    .map((name) => readJson(system, `${NAT_RECORDS}/${name}`, isNatRecord))
    .filter((record) => record !== undefined);
}

function isNatRecord(value: unknown): value is NatRecord {
  return isRecord(value) && typeof value['netdev'] === 'string';
}
