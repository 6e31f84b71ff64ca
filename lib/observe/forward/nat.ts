import { NAT_RECORDS } from '../../record/paths.ts';
import type { DhcpServer } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import { readJson, recordsIn } from '../records.ts';

/** The changes by which dhcpd serves a subnet. */
export interface SubnetRecord {
  /** The declaration that the hook added; undefined where somebody else declares the subnet. */
  readonly line?: string;
  /** The device that was added to the list of served devices. */
  readonly device?: string;
  /** Whether the server ran before. */
  readonly wasRunning: boolean;
}

/** The DHCP server of a started hook. */
export interface DhcpRecord {
  readonly server: DhcpServer;
  /** The server's files that were used: dhcpd.conf and the list of its devices, or dnsmasq's folder. */
  readonly files?: readonly string[];
  /** The changes for dhcpd; dnsmasq has files of its own. */
  readonly subnet?: SubnetRecord;
}

/** The record of network-nat; its firewall rules and settings are in the shared settings. */
export interface NatRecord {
  readonly netdev: string;
  readonly dhcp?: DhcpRecord;
}

/**
 * The records of network-nat.
 * @param system the way to the files
 */
export function readNatRecords(system: System): NatRecord[] {
  const records = recordsIn(system, NAT_RECORDS, (name) =>
    readJson(system, `${NAT_RECORDS}/${name}`, isNatRecord),
  );
  return [...records.values()];
}

function isNatRecord(value: unknown): value is NatRecord {
  return isRecord(value) && typeof value['netdev'] === 'string';
}
