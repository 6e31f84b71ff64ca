import { applyTeardown } from '../../../apply/apply.ts';
import { locked, RULES_LOCK } from '../../../apply/locked.ts';
import { HostError } from '../../../errors.ts';
import { type RuleSet, rulesByDevice } from '../../../filter/forward.ts';
import { attachable, readStrictRecords, type StrictRecord } from '../../../observe/filter/strict.ts';
import { damagedChains, isWhole } from '../../../observe/filter/strict-health.ts';
import { listStrictTable, type StrictListing } from '../../../observe/filter/strict-listing.ts';
import { deviceExists } from '../../../observe/host/port.ts';
import { readVifRecords } from '../../../observe/records.ts';
import { replaceForwardRules } from '../../../plan/filter/rules.ts';
import { isCounter, planStrays, planStrict, planStrictTable } from '../../../plan/filter/strict.ts';
import { lastingStep, record, type Step } from '../../../plan/step.ts';
import {
  isRecordName,
  SHARED_LOCK,
  STRICT_LOCK_PATH,
  STRICT_RECORDS,
  strictRecordPath,
} from '../../../record/paths.ts';
import type { Family } from '../../../request/addresses.ts';
import type { Remembering } from '../../../system/remembering.ts';
import type { System } from '../../../system/system.ts';
import { restoreShared } from '../../network/shared-settings.ts';
import { letGoOfPort, portFilterRemoval } from '../../vif/port-filter.ts';
import { readLeaving } from '../leaving.ts';
import { strictUsers } from '../strict-table.ts';

/** The present rules of all devices, by the kernel's names of the devices. */
export type RulesInPlace = Readonly<Record<Family, ReadonlyMap<string, readonly string[]>>>;

/** The result of a restoration. */
export interface Restored<T> {
  /** A sentence for each failure. */
  readonly failures: readonly string[];
  /** The listing, where nothing had to be changed, so that it need not be read again. */
  readonly found?: T;
}

/**
 * Lists the rules of all devices.
 * @param system the way to iptables
 * @throws HostError where a tool could not tell
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
 * Restores the elements of the strict table from the records, for all guests in one transaction. It holds the lock of
 * the strict table and no other. The elements and the record of a device that this host no longer has are removed.
 * @param system the way to the records and nft
 * @param known the system that keeps what the records say, for later looks
 * @param isHere tells whether this host has a device, given by the kernel's name
 * @throws LockError when another process holds the lock for too long
 */
export function restoreStrict(
  system: System,
  known: Remembering,
  isHere: (device: string) => boolean,
): Promise<Restored<StrictListing | undefined>> {
  return locked(system, STRICT_LOCK_PATH, async () => {
    known.forget();
    const records = readStrictRecords(known);
    const { listing, failures } = listedOrNot(system);
    if (records.size === 0 && listing === undefined && strictUsers(system).length === 0)
      return failures.length > 0 ? { failures } : { failures, found: listing };
    const isGone = (port: string, record: StrictRecord | undefined) =>
      !deviceExists(system, port) && (record === undefined || !isHere(record.device));
    const ports = [...new Set([...records.keys(), ...(listing?.elements.keys() ?? [])])];
    const gone = ports.filter((port) => isGone(port, records.get(port)));
    const kept = [...records].filter(([port]) => !gone.includes(port));
    // A port without a record is left for later: only xenstore tells its elements.
    const strays = ports.filter((port) => gone.includes(port) || isDamaged(listing, port, records));
    const isTableWhole = listing !== undefined && damagedChains(listing, [...records.values()]).length === 0;
    if (isTableWhole && strays.length === 0) return { failures: [], found: listing };
    const steps = [
      ...planStrictTable([], listing?.former),
      ...strays.flatMap((port) =>
        straySteps(listing, port, gone.includes(port) ? undefined : records.get(port)),
      ),
      ...holdSteps(kept.map(([port, record]) => [port, attachable(system, port, record)])),
    ];
    const forget = gone.filter((port) => records.has(port)).map(forgetStep);
    const plan = { steps: [...steps, ...forget], warnings: [] };
    return { failures: [...failures, ...(await applyTeardown(system, plan, { held: STRICT_LOCK_PATH }))] };
  });
}

/** What the records say can be put in also where nobody can tell what is there: a guest is filtered at least. */
function listedOrNot(system: System): {
  readonly listing: StrictListing | undefined;
  readonly failures: readonly string[];
} {
  try {
    return { listing: listStrictTable(system), failures: [] };
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    return { listing: undefined, failures: [thrown.message] };
  }
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
 * The steps that remove a port's elements from the table.
 * @param listing the table
 * @param port the port's name
 * @param fresh the port's record, whose elements will be added again; the counter of its dropped packets stays
 */
export function straySteps(
  listing: StrictListing | undefined,
  port: string,
  fresh: StrictRecord | undefined,
): Step[] {
  const isCounted = (element: string) => isCounter(element) && fresh?.elements.includes(element) === true;
  return planStrays((listing?.elements.get(port) ?? []).filter((element) => !isCounted(element)));
}

/**
 * Removes the records and the elements of devices under names that they no longer have, once they are recorded under
 * their present ones: somebody renamed them by hand, and a refilter followed.
 * @param system the way to the records and nft
 * @param known the system that keeps what was read of the records; nothing is done where it finds no such device
 * @throws LockError when another process holds the lock of the strict table for too long
 */
export async function removeFormerNames(system: System, known: System): Promise<Restored<never>> {
  if (formerNames(known).length === 0) return { failures: [] };
  const steps = () =>
    formerNames(system).flatMap(([port, device]) => portFilterRemoval(system, device, [port]));
  return { failures: await letGoOfPort(system, '', steps) };
}

function formerNames(system: System): (readonly [port: string, device: string])[] {
  const nobodys = system
    .list(STRICT_RECORDS)
    .filter((name) => isRecordName(name) && !deviceExists(system, name));
  if (nobodys.length === 0) return [];
  const records = [...readStrictRecords(system)];
  const here = new Set(records.filter(([port]) => !nobodys.includes(port)).map(([, { device }]) => device));
  return records
    .filter(([port, { device }]) => nobodys.includes(port) && here.has(device))
    .map(([port, { device }]) => [port, device] as const);
}

/**
 * Removes the elements that name no port and that no record contains: their record was lost, or went with a device that is
 * gone.
 * @param system the way to the records and nft
 * @param known the system that keeps what was read of the records
 * @param listing the table as it was; nothing is done where it has no such elements
 * @throws LockError when another process holds the lock for too long
 */
export async function removeOwnerless(
  system: System,
  known: System,
  listing: StrictListing | undefined,
): Promise<Restored<never>> {
  if (ownerless(known, listing).length === 0) return { failures: [] };
  // A hook that was adding a guest has written its record by the time it gives the lock back.
  return locked(system, STRICT_LOCK_PATH, async () => {
    const steps = planStrays(ownerless(system, listStrictTable(system)));
    return {
      failures: await applyTeardown(system, { steps, warnings: [] }, { held: STRICT_LOCK_PATH }),
    };
  });
}

function ownerless(system: System, listing: StrictListing | undefined): string[] {
  const all = listing?.common ?? [];
  if (all.length === 0) return [];
  const owned = new Set([...readStrictRecords(system).values()].flatMap(({ elements }) => elements));
  return all.filter((element) => !owned.has(element));
}

/** Existing elements are added again, which is no failure. */
function holdSteps(records: readonly (readonly [string, StrictRecord])[]): Step[] {
  return records
    .flatMap(([port, record]) => {
      const change = { port, recordPath: strictRecordPath(port), old: record, fresh: record };
      return planStrict({ ...change, flushed: true, shared: [] });
    })
    .filter(({ do: { tool } }) => tool === 'nft');
}

function forgetStep(port: string): Step {
  return lastingStep(record(strictRecordPath(port), undefined), `remove the record of ${port}`);
}

/**
 * Restores the rules of devices from their records, and the shared settings of started hooks, in one restore for each
 * family. Only missing rules are added, since a device's own hook may be changing the others, and none of a device whose
 * offline has begun. A start records what it holds before it does it, so the lock of the shared settings tells a missing
 * rule from one that is about to come.
 * @param system the way to the records and the firewall
 * @param known the system that keeps what the records say, for later looks
 * @param isHere tells whether this host has a device, given by the kernel's name
 * @throws LockError when another process holds the firewall's lock for too long
 */
export function restoreRules(
  system: System,
  known: Remembering,
  isHere: (device: string) => boolean,
): Promise<Restored<RulesInPlace>> {
  return locked(system, SHARED_LOCK, async () => {
    const shared = restoreShared(system);
    const rules = await locked(system, RULES_LOCK, () => restoreFirewall(system, known, shared, isHere));
    const rest = shared.filter((step) => !isRule(step));
    if (rest.length === 0) return rules;
    const of = (tool: Step['do']['tool']) => rest.filter((step) => step.do.tool === tool);
    // Settings come last, when the rules for the packets that they let in exist.
    const plan = { steps: [...of('run'), ...of('nft'), ...of('write')], warnings: [] };
    return { failures: [...rules.failures, ...(await applyTeardown(system, plan))] };
  });
}

async function restoreFirewall(
  system: System,
  known: Remembering,
  shared: readonly Step[],
  isHere: (device: string) => boolean,
): Promise<Restored<RulesInPlace>> {
  const found = listAllRules(system);
  known.forget();
  const missing = missingSteps(known, found, isHere);
  const rules = shared.filter(isRule);
  const [policies, others] = [rules.filter(isPolicy), rules.filter((step) => !isPolicy(step))];
  if (missing.length + rules.length === 0) return { failures: [], found };
  // Guests' rules go to the top, in one transaction for each family that needs no iptables. A policy comes after them,
  // so that nobody is cut off meanwhile.
  const failures: string[] = [];
  for (const steps of [others, missing, policies]) {
    // Steps that can be done together are consecutive.
    const of = (tool: Step['do']['tool']) => steps.filter((step) => step.do.tool === tool);
    const plan = { steps: [...of('iptables'), ...of('ip6tables')], warnings: [] };
    failures.push(...(await applyTeardown(system, plan, { held: RULES_LOCK })));
  }
  return { failures };
}

const isPolicy = ({ do: command }: Step): boolean => 'table' in command && command.line.startsWith(':');

const isRule = ({ do: { tool } }: Step): boolean => tool === 'iptables' || tool === 'ip6tables';

function missingSteps(system: System, listed: RulesInPlace, isHere: (device: string) => boolean): Step[] {
  const records = [...readVifRecords(system)].filter(
    ([device, { rules }]) =>
      rules[4].length + rules[6].length > 0 && isHere(device) && readLeaving(system, device) !== 'begun',
  );
  return records.flatMap(([device, { name, rules }]) => {
    const there = rulesIn(listed, device);
    const missing = (family: Family) => rules[family].filter((rule) => !there[family].includes(rule));
    return replaceForwardRules(name, { 4: [], 6: [] }, { 4: missing(4), 6: missing(6) });
  });
}
