import { FORMER_LIMITED_SETS, guestPort } from '../../filter/limited.ts';
import { portElements, type TableSetting, wrappedTable } from '../../filter/wrapped.ts';
import type { System } from '../../system/system.ts';
import type { VifRecord } from '../records.ts';
import { tablesOf } from '../vif/guest-ports.ts';
import { listTable } from './nft-table.ts';
import { portElementsIn } from './strict-listing.ts';

/** The table of a bridge under antispoof=yes, and the elements of each port in it, by the port's name. */
export interface PortTable {
  readonly table: TableSetting;
  readonly ports: ReadonlyMap<string, readonly string[]>;
}

/** The tables of all bridges, by the bridge's name. */
export type PortTables = ReadonlyMap<string, PortTable>;

/**
 * Lists the tables of the bridges under antispoof=yes; a table that is missing has no elements.
 * @param system the way to nft and the shared settings
 */
export function listPortTables(system: System): PortTables {
  return new Map(
    tablesOf(system).map((table) => {
      const ports = elementsByPort(listTable(system, wrappedTable(table.bridge)).stdout);
      return [table.bridge, { table, ports }];
    }),
  );
}

function elementsByPort(listing: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name = '', inside = ''] of listing.matchAll(
    /^\tset (\S+) \{\n[^}]*?\telements = \{([^}]*)\}/gm,
  )) {
    if (FORMER_LIMITED_SETS.has(name)) continue;
    for (const { port, element } of portElementsIn(name, inside))
      found.set(port, [...(found.get(port) ?? []), element]);
  }
  return found;
}

/**
 * Whether the tables have exactly the elements that a guest's rules ask for.
 * @param tables the tables
 * @param port the guest's port
 */
export function isLimited(
  tables: PortTables,
  { name, bridge, rules }: Pick<VifRecord, 'name' | 'bridge' | 'rules'>,
): boolean {
  const found = tables.get(bridge);
  if (found === undefined) return true;
  const wanted = portElements(found.table, guestPort(name, rules));
  return [...wanted].sort().join('\n') === [...(found.ports.get(name) ?? [])].sort().join('\n');
}
