// What the system asks the kernel by messages, without child processes.

import type { TableLine } from '../../filter/nf-rules.ts';
import type { Family } from '../../request/addresses.ts';
import { NETLINK, type NetlinkProtocol, type NetlinkSocket } from './netlink.ts';
import { listTable, type SetTypes } from './nf-table-listing.ts';
import * as nfTables from './nf-tables.ts';
import { runRtnetlink } from './rtnetlink.ts';
import { readIpv4Addresses, readOwnIpv4 } from './rtnetlink-addresses.ts';

/**
 * The ways that ask the kernel directly.
 * @param open opens a socket
 * @param indexOf the index of a device
 */
export function kernelWays(
  open: (protocol: NetlinkProtocol) => NetlinkSocket,
  indexOf: (name: string) => number | undefined,
) {
  const [openRoute, openFilter] = [() => open(NETLINK.route), () => open(NETLINK.netfilter)];
  return {
    rtnetlink: (commands: readonly (readonly string[])[], force: boolean) =>
      runRtnetlink(openRoute, commands, indexOf, force),
    nfTables: (family: Family, lines: readonly TableLine[]) =>
      nfTables.runNfTables(openFilter, family, lines),
    changeTables: (lines: readonly string[]) => nfTables.changeTables(openFilter, lines),
    rulesGeneration: () => nfTables.lookUpGeneration(openFilter),
    forwardingChains: (family: Family) => nfTables.forwardingChains(openFilter, family),
    listTable: (table: string, sets: SetTypes) => listTable(openFilter, table, sets),
    mapVerdict: (table: string, map: string, device: string) =>
      nfTables.mapVerdict(openFilter, table, map, device),
    ipv4Addresses(device: string) {
      const index = indexOf(device);
      return index === undefined ? [] : readIpv4Addresses(openRoute, index);
    },
    ownIpv4: (among?: readonly string[]) => readOwnIpv4(openRoute, among),
  };
}
