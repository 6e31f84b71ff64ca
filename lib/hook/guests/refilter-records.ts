import { applyTeardown } from '../../apply/apply.ts';
import { locked, RULES_LOCK } from '../../apply/locked.ts';
import { type RuleSet, rulesByDevice } from '../../filter/forward.ts';
import { readStrictRecords, type StrictRecord } from '../../observe/filter/strict.ts';
import { damagedChains, isWhole } from '../../observe/filter/strict-health.ts';
import { listStrictTable, type StrictListing } from '../../observe/filter/strict-listing.ts';
import { deviceExists } from '../../observe/host/port.ts';
import { readVifRecords } from '../../observe/records.ts';
import { replaceForwardRules } from '../../plan/filter/rules.ts';
import { planStrays, planStrict, planStrictTable } from '../../plan/filter/strict.ts';
import { lastingStep, record, type Step } from '../../plan/step.ts';
import { STRICT_LOCK_PATH, strictRecordPath } from '../../record/paths.ts';
import type { Family } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import { restoreShared } from '../network/shared-settings.ts';
import { strictBridges } from './strict-table.ts';

/** The rules of all devices, by the kernel's names of them. */
export type RulesInPlace = Readonly<Record<Family, ReadonlyMap<string, readonly string[]>>>;

/** What came of putting something back. */
export interface Restored<T> {
  /** A sentence for each thing that could not be done. */
  readonly failures: readonly string[];
  /** What was found where nothing had to be done, and need not be listed again. */
  readonly found?: T;
}

/**
 * Lists the rules of all devices.
 * @param system the way to iptables
 */
export function listAllRules(system: System): RulesInPlace {
  const listed = (tool: string) => rulesByDevice(system.run([`${tool}-save`], { isListing: true }).stdout);
  return { 4: listed('iptables'), 6: listed('ip6tables') };
}

/**
 * The rules of one device in a listing of all.
 * @param rules the listing
 * @param device the kernel's name of the device
 */
export function rulesIn(rules: RulesInPlace, device: string): RuleSet {
  return { 4: rules[4].get(device) ?? [], 6: rules[6].get(device) ?? [] };
}

/**
 * Puts back at once what the records say that the strict filter holds: one transaction for all guests, under its lock and
 * no other. Of a device that this host has not any more it forgets all.
 * @param system the way to the records and nft
 * @param isHere tells whether a device, by the kernel's name of it, is one of this host's
 * @throws LockError when somebody else holds the table too long
 */
export function restoreStrict(
  system: System,
  isHere: (device: string) => boolean,
): Promise<Restored<StrictListing | undefined>> {
  return locked(system, STRICT_LOCK_PATH, async () => {
    const records = readStrictRecords(system);
    const listing = listStrictTable(system);
    if (records.size === 0 && listing === undefined && strictBridges(system).length === 0)
      return { failures: [], found: listing };
    const isGone = (port: string, record: StrictRecord | undefined) =>
      !deviceExists(system, port) && (record === undefined || !isHere(record.device));
    const ports = [...new Set([...records.keys(), ...(listing?.elements.keys() ?? [])])];
    const gone = ports.filter((port) => isGone(port, records.get(port)));
    const kept = [...records].filter(([port]) => !gone.includes(port));
    // Of a port with no record it is not known yet what it may be: xenstore tells.
    const strays = ports.filter((port) => gone.includes(port) || isDamaged(listing, port, records));
    const isTableWhole = listing !== undefined && damagedChains(listing, [...records.values()]).length === 0;
    if (isTableWhole && strays.length === 0) return { failures: [], found: listing };
    const steps = [
      ...planStrictTable([]),
      ...strays.flatMap((port) =>
        straySteps(listing, port, gone.includes(port) ? undefined : records.get(port)),
      ),
      ...holdSteps(kept),
    ];
    const forget = gone.filter((port) => records.has(port)).map(forgetStep);
    const plan = { steps: [...steps, ...forget], warnings: [] };
    return { failures: await applyTeardown(system, plan, { held: STRICT_LOCK_PATH }) };
  });
}

function isDamaged(
  listing: StrictListing | undefined,
  port: string,
  records: ReadonlyMap<string, StrictRecord>,
): boolean {
  const record = records.get(port);
  return record !== undefined && (listing === undefined || !isWhole(listing, port, record));
}

/**
 * Takes out what the table holds of a port.
 * @param listing the table
 * @param port its name
 * @param fresh what it is to have, or to have again: what was counted of it is kept
 */
export function straySteps(
  listing: StrictListing | undefined,
  port: string,
  fresh: StrictRecord | undefined,
): Step[] {
  const isCounted = (element: string) =>
    element.startsWith('refused ') && fresh?.elements.includes(element) === true;
  return planStrays((listing?.elements.get(port) ?? []).filter((element) => !isCounted(element)));
}

/** What is there already is given again, which is no failure. */
function holdSteps(records: readonly (readonly [string, StrictRecord])[]): Step[] {
  return records
    .flatMap(([port, record]) => {
      const change = { port, recordPath: strictRecordPath(port), old: record, fresh: record };
      return planStrict({ ...change, flushed: true, shared: [] });
    })
    .filter(({ do: { tool } }) => tool === 'nft');
}

function forgetStep(port: string): Step {
  return lastingStep(record(strictRecordPath(port), undefined), `forget what ${port} might be`);
}

/**
 * Puts back at once the rules that the records of devices say, and what started hooks hold of the whole host: one restore
 * for each family. Only what is missing is put in, since a device's own hook may be changing the rest.
 * @param system the way to the records and the firewall
 * @param isHere tells whether a device, by the kernel's name of it, is one of this host's
 * @throws LockError when somebody else holds the firewall too long
 */
export function restoreRules(
  system: System,
  isHere: (device: string) => boolean,
): Promise<Restored<RulesInPlace>> {
  return locked(system, RULES_LOCK, async () => {
    const found = listAllRules(system);
    const steps = [...restoreShared(system), ...missingSteps(system, found, isHere)];
    if (steps.length === 0) return { failures: [], found };
    const of = (tool: Step['do']['tool']) => steps.filter((step) => step.do.tool === tool);
    // What one child can do together stands together; settings come last, when what they let in is there to be met.
    const sorted = [...of('run'), ...of('iptables'), ...of('ip6tables'), ...of('nft'), ...of('write')];
    return { failures: await applyTeardown(system, { steps: sorted, warnings: [] }, { held: RULES_LOCK }) };
  });
}

function missingSteps(system: System, listed: RulesInPlace, isHere: (device: string) => boolean): Step[] {
  const records = [...readVifRecords(system)].filter(
    ([device, { rules }]) => rules[4].length + rules[6].length > 0 && isHere(device),
  );
  return records.flatMap(([device, { name, rules }]) => {
    const there = rulesIn(listed, device);
    const missing = (family: Family) => rules[family].filter((rule) => !there[family].includes(rule));
    return replaceForwardRules(name, { 4: [], 6: [] }, { 4: missing(4), 6: missing(6) });
  });
}
