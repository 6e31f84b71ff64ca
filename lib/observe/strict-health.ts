import { listed } from '../contract/text.ts';
import { BASES, BASES_ON_DEMAND, CHAINS, CUSTOM_CHAIN, STRICT_TABLE } from '../filter/strict-rules.ts';
import type { System } from '../system/system.ts';
import { readStrictRecords } from './strict.ts';

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
  const listing = system.run(['nft', 'list', 'table', ...STRICT_TABLE.split(' ')]);
  if (listing.status !== 0) return `The table of the strict filter is not there: ${REPAIR}.`;
  const blocks = blocksOf(listing.stdout);
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
    .filter(([name, lines]) => blocks.get(`chain ${name}`)?.length !== lines)
    .map(([name]) => `the chain ${name}`);
  const there = namesIn([...blocks].flatMap(([title, lines]) => (title.startsWith('chain ') ? [] : lines)));
  const ports = [...records]
    .filter(([port, { elements }]) => there.get(port) !== namesIn(elements).get(port))
    .map(([port]) => port);
  const damaged = [...chains, ...ports.map((port) => `what holds ${port}`)];
  if (damaged.length === 0) return undefined;
  return `The strict filter is not whole: ${listed(damaged)} ${damaged.length > 1 ? 'are' : 'is'} not as made: ${REPAIR}.`;
}

/** Chains, sets and maps by their titles, with the lines in them; the administrator's own chain left out. */
function blocksOf(listing: string): ReadonlyMap<string, readonly string[]> {
  const blocks = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of listing.split('\n')) {
    const title = /^\t((?:chain|set|map) \S+) \{$/.exec(line)?.[1];
    if (title !== undefined) {
      lines = [];
      if (title !== `chain ${CUSTOM_CHAIN}`) blocks.set(title, lines);
    } else if (line.startsWith('\t\t')) lines.push(line.trim());
  }
  return blocks;
}

/** How often each name stands in quotes. */
function namesIn(lines: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [, name = ''] of lines.join(' ').matchAll(/"([^"]+)"/g))
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
