import { listed } from '../contract/text.ts';
import { BASES, BASES_ON_DEMAND, CHAINS } from '../filter/strict-rules.ts';
import type { System } from '../system/system.ts';
import { readStrictRecords, type StrictRecord } from './strict.ts';
import { listStrictTable, type StrictListing } from './strict-listing.ts';

const REPAIR = 'run "xen-network refilter"';

/**
 * Looks whether the strict filter's table is as these hooks made it: somebody may have flushed all of it, or a part.
 * @param system the way to nft and the records
 * @param bridges those that were started with antispoof=strict
 * @returns a sentence that says what is missing and what to do; undefined where nothing is, or nobody needs the table
 */
export function strictDamage(system: System, bridges: readonly string[]): string | undefined {
  const records = readStrictRecords(system);
  if (records.size === 0 && bridges.length === 0) return undefined;
  const listing = listStrictTable(system);
  if (listing === undefined) return `The table of the strict filter is not there: ${REPAIR}.`;
  const isUsed = (set: string) =>
    [...records.values()].some(({ elements }) => elements.some((element) => element.startsWith(`${set} `)));
  const onDemand = Object.entries(BASES_ON_DEMAND).filter(([set]) => isUsed(set));
  const wanted: [string, number][] = [
    ...CHAINS.map(([name, rules]): [string, number] => [name, rules.length]),
    // Where it hangs stands in a line of its own.
    ...[...BASES, ...onDemand.map(([, base]) => base)].map(([name, , rules]): [string, number] => [
      name,
      rules.length + 1,
    ]),
  ];
  const chains = wanted
    .filter(([name, lines]) => listing.chains.get(name)?.length !== lines)
    .map(([name]) => `the chain ${name}`);
  const ports = [...records]
    .filter(([port, record]) => !isWhole(listing, port, record))
    .map(([port]) => port);
  const damaged = [...chains, ...ports.map((port) => `what holds ${port}`)];
  if (damaged.length === 0) return undefined;
  return `The strict filter is not whole: ${listed(damaged)} ${damaged.length > 1 ? 'are' : 'is'} not as made: ${REPAIR}.`;
}

/**
 * Whether the table holds of a port as many elements as its record has.
 * @param listing the table
 * @param port its name
 * @param record what it was given; undefined where that is not known
 */
export function isWhole(listing: StrictListing, port: string, record: StrictRecord | undefined): boolean {
  const own = record?.elements.filter((element) => element.includes(` "${port}" `));
  return own?.length === (listing.elements.get(port)?.length ?? 0);
}
