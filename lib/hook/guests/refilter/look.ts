import type { RuleSet } from '../../../filter/forward.ts';
import { listPortTables, type PortTables } from '../../../observe/filter/port-tables.ts';
import { readStrictRecord, type StrictRecord, sameRecord } from '../../../observe/filter/strict.ts';
import { isWhole } from '../../../observe/filter/strict-health.ts';
import { listStrictTable, type StrictListing } from '../../../observe/filter/strict-listing.ts';
import type { System } from '../../../system/system.ts';
import { listAllRules, type RulesInPlace, rulesIn } from './records.ts';

/** The present rules and the tables, listed once for all guests, and what this run has changed since. */
export interface Look {
  rules: RulesInPlace;
  tables: PortTables;
  listing: StrictListing | undefined;
  /** The generation of the rulesets for which that is true; undefined where it does not tell of changes. */
  generation: number | undefined;
  /**
   * The rules that this run gave to devices since they were listed, by the kernel's names, with what tables of bridges have
   * of them.
   */
  readonly given: Map<string, RuleSet>;
  /** The records whose elements it put into the strict table since that was listed, by the ports' names. */
  readonly put: Map<string, StrictRecord | undefined>;
}

/**
 * Lists the rules of all devices and the strict table.
 * @param system the way to iptables and nft
 * @param known what was listed a moment ago
 */
export function lookAtAll(system: System, known: Partial<Listed> = {}): Look {
  // Asked first: what changes while the rest is listed makes it out of date.
  const generation = Object.keys(known).length === 0 ? system.rulesGeneration?.() : undefined;
  return { ...listedNow(system, known), generation, given: new Map(), put: new Map() };
}

type Listed = Pick<Look, 'rules' | 'tables' | 'listing'>;

function listedNow(system: System, known: Partial<Listed> = {}): Listed {
  return {
    rules: known.rules ?? listAllRules(system),
    tables: listPortTables(system),
    listing: 'listing' in known ? known.listing : listStrictTable(system),
  };
}

/**
 * Lists everything again.
 * @param system the way to iptables and nft
 * @param look what was listed before
 */
export function lookAgain(system: System, look: Look): void {
  look.generation = system.rulesGeneration?.();
  look.given.clear();
  look.put.clear();
  Object.assign(look, listedNow(system));
}

/**
 * Lists everything again unless it is certain that nobody has changed any rule since.
 * @param system the way to iptables and nft
 * @param look what was listed before
 */
export function lookIfChanged(system: System, look: Look): void {
  if (look.generation === undefined || look.generation !== system.rulesGeneration?.())
    lookAgain(system, look);
}

/**
 * Notes that this run has changed rules, which others may have done as well.
 * @param system the way to the generation of the rulesets
 * @param look what was listed before, with what was changed
 * @param transactions in how many transactions; undefined where that is uncertain
 */
export function noteChange(system: System, look: Look, transactions: number | undefined): void {
  const now = system.rulesGeneration?.();
  const isOurs = look.generation !== undefined && now === look.generation + (transactions ?? Number.NaN);
  look.generation = isOurs ? now : undefined;
}

/**
 * The present rules of a device.
 * @param look what was listed
 * @param device the kernel's name of the device
 */
export function rulesOfDevice(look: Look, device: string): RuleSet {
  return look.given.get(device) ?? rulesIn(look.rules, device);
}

/**
 * Whether a port's record and its elements in the strict table are those that it must have.
 * @param system the way to the record
 * @param look what was listed
 * @param port the port's name
 * @param wanted the record that it must have; undefined where the strict filter does not cover it
 */
export function isHeldAs(
  system: System,
  look: Look,
  port: string,
  wanted: StrictRecord | undefined,
): boolean {
  if (!sameRecord(readStrictRecord(system, port), wanted)) return false;
  if (look.put.has(port)) return sameRecord(look.put.get(port), wanted);
  return look.listing === undefined ? wanted === undefined : isWhole(look.listing, port, wanted);
}
