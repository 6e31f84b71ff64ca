import { guestPort } from '../../filter/limited.ts';
import { portElements, wrappedTable } from '../../filter/wrapped.ts';
import type { System } from '../../system/system.ts';
import type { VifRecord } from '../records.ts';
import { tableOfBridge, tablesOf } from '../vif/guest-ports.ts';
import { portElementsIn } from './strict-listing.ts';

/** The elements of each port in the tables of the bridges under antispoof=yes, by the bridge's and the port's name. */
export type PortTables = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/**
 * Lists the tables of the bridges under antispoof=yes; a table that is missing has no elements.
 * @param system the way to nft and the shared settings
 */
export function listPortTables(system: System): PortTables {
  return new Map(
    tablesOf(system).map(({ bridge }) => {
      const argv = ['nft', 'list', 'table', ...wrappedTable(bridge).split(' ')];
      return [bridge, elementsByPort(system.run(argv, { isListing: true }).stdout)];
    }),
  );
}

function elementsByPort(listing: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name = '', inside = ''] of listing.matchAll(
    /^\tset (\S+) \{\n[^}]*?\telements = \{([^}]*)\}/gm,
  ))
    for (const { port, element } of portElementsIn(name, inside))
      found.set(port, [...(found.get(port) ?? []), element]);
  return found;
}

/**
 * Whether the tables have exactly the elements that a guest's rules ask for.
 * @param system the way to the shared settings
 * @param tables the tables
 * @param port the guest's port
 */
export function isLimited(
  system: System,
  tables: PortTables,
  { name, bridge, rules }: Pick<VifRecord, 'name' | 'bridge' | 'rules'>,
): boolean {
  const table = tableOfBridge(system, bridge);
  if (table === undefined) return true;
  const wanted = portElements(table, guestPort(name, rules));
  return [...wanted].sort().join('\n') === [...(tables.get(bridge)?.get(name) ?? [])].sort().join('\n');
}
