import { INGRESS, isKept, isNamed, kernelElements, placeOf } from '../../filter/strict-elements.ts';
import { BASES, BASES_ON_DEMAND } from '../../filter/strict-hooks.ts';
import { CHAINS } from '../../filter/strict-rules.ts';
import type { System } from '../../system/system.ts';
import { listed } from '../../text.ts';
import { deviceExists } from '../host/port.ts';
import { unheldFinder } from '../vif/switch.ts';
import { deviceCall, deviceFinder } from '../vif/vif.ts';
import { readStrictRecords, type StrictRecord, sameRecord } from './strict.ts';
import { listStrictTable, type StrictListing } from './strict-listing.ts';

const REPAIR = 'run "xen-network refilter"';

/**
 * Checks that the strict table is as these hooks made it, since somebody may have flushed all or part of it, and that it
 * can hold all of its ports.
 * @param system the way to nft and the records
 * @param bridges the bridges that were started with antispoof=strict
 * @returns sentences that say what is wrong and what to do; undefined where nothing is, or nobody needs the table
 */
export async function strictDamage(system: System, bridges: readonly string[]): Promise<string | undefined> {
  const damage = tableDamage(system, bridges);
  const found = [...(damage === undefined ? [] : [damage]), ...(await unheldPorts(system))];
  return found.length === 0 ? undefined : found.join(' ');
}

/**
 * The ports that the strict filter cannot hold any more, because Open vSwitch sees their frames first.
 * @param system the way to the records, sysfs and the switch
 * @returns a sentence for each
 */
export async function unheldPorts(system: System): Promise<string[]> {
  const unheld = unheldFinder(system);
  const found: string[] = [];
  for (const [name, { device }] of readStrictRecords(system)) {
    const sentence = await unheld(device, name);
    if (sentence !== undefined) found.push(sentence);
  }
  return found;
}

function tableDamage(system: System, bridges: readonly string[]): string | undefined {
  const records = readStrictRecords(system);
  if (records.size === 0 && bridges.length === 0) return undefined;
  const listing = listStrictTable(system);
  if (listing === undefined) return `The table of the strict filter is missing: ${REPAIR}.`;
  const ports = [...records]
    .filter(([port, record]) => !isWhole(listing, port, record))
    .map(([port]) => port);
  const damaged = [
    ...damagedChains(listing, [...records.values()]).map((name) => `the chain ${name}`),
    ...ports.map((port) => `the elements of ${port}`),
  ];
  const sentences = [
    ...renamedPorts(system, records).map(
      ([port, name, now]) => `${port} is called ${name} by now, and what it sends is ${now}: ${REPAIR}.`,
    ),
    ...(damaged.length === 0
      ? []
      : [`The strict filter is damaged: somebody changed ${listed(damaged)}. To restore it ${REPAIR}.`]),
  ];
  return sentences.length === 0 ? undefined : sentences.join(' ');
}

/** Ports whose device somebody renamed, with its new name and what becomes of its packets. */
function renamedPorts(
  system: System,
  records: ReadonlyMap<string, StrictRecord>,
): (readonly [port: string, name: string, now: string])[] {
  const find = deviceFinder(system);
  return [...records].flatMap(([port, { device, mode, elements }]) => {
    if (mode === 'unlocked' || deviceExists(system, port)) return [];
    const name = find(deviceCall(device));
    if (name === undefined || records.get(name)?.device === device) return [];
    const otherwise = isNamed(elements) ? 'not filtered since Linux 6.16, before it dropped' : 'not filtered';
    return [[port, name, isKept(elements) ? 'dropped' : otherwise] as const];
  });
}

/**
 * The chains whose number of rules is not the one with which they were made.
 * @param listing the table
 * @param records the ports' records; some chains exist only when a port needs them
 */
export function damagedChains(listing: StrictListing, records: readonly StrictRecord[]): string[] {
  const isWanted = (set: string) =>
    records.some(({ elements }) => elements.some((element) => element.startsWith(`${set} `)));
  const onDemand = Object.entries(BASES_ON_DEMAND).filter(([set]) => isWanted(set));
  const wanted: [string, number][] = [
    ...['', INGRESS].flatMap((family) =>
      CHAINS.map(([name, rules]): [string, number] => [`${family}${name}`, rules.length]),
    ),
    // nft lists the hook of a base chain on a line of its own.
    ...BASES.map(([name, , rules]): [string, number] => [name, rules.length + 1]),
    ...onDemand.map(([set, [name, , rules]]): [string, number] => [
      `${placeOf(set)[1]}${name}`,
      rules.length + 1,
    ]),
  ];
  return wanted.filter(([name, lines]) => listing.chains.get(name) !== lines).map(([name]) => name);
}

/**
 * Whether the table contains exactly the elements and the mode of a port's record.
 * @param listing the table
 * @param port the port's name
 * @param record the port's record; undefined where there is none
 */
export function isWhole(listing: StrictListing, port: string, record: StrictRecord | undefined): boolean {
  const known = wholePorts.get(listing) ?? new Map<string, StrictRecord>();
  wholePorts.set(listing, known);
  // A refilter asks again for each port, once it knows what the port must have.
  if (record !== undefined && sameRecord(known.get(port), record)) return true;
  const found = hasExactly(listing, port, record);
  if (found && record !== undefined) known.set(port, record);
  return found;
}

/** The records that were found to be whole, by the ports' names. */
const wholePorts = new WeakMap<StrictListing, Map<string, StrictRecord>>();

function hasExactly(listing: StrictListing, port: string, record: StrictRecord | undefined): boolean {
  const own = record?.elements.filter((element) => element.includes(` "${port}" `)) ?? [];
  const there = listing.elements.get(port) ?? [];
  const verdict = own.flatMap((element) => / : (\w+ [\w-]+) \}$/.exec(element)?.[1] ?? [])[0];
  const [wanted, found] = [new Set(own.flatMap(kernelElements).map(plain)), new Set(there.map(plain))];
  const isSame = wanted.size === found.size && [...wanted].every((element) => found.has(element));
  return isSame && verdict === listing.verdicts.get(port);
}

/** An element as nft lists it: without leading zeros in numbers, and without its verdict. */
function plain(element: string): string {
  // Most elements have neither, and there are ten for each guest.
  const bare = element.includes(' : ') ? element.replace(/ : [^}]*/, ' ') : element;
  return bare.includes('0x0') ? bare.replace(/0x0+(?=[0-9a-f])/g, '0x') : bare;
}
