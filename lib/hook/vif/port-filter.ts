import { applyTeardown } from '../../apply/apply.ts';
import { locked } from '../../apply/locked.ts';
import { HostError, VerifyError } from '../../errors.ts';
import { hasRange, INGRESS } from '../../filter/strict-elements.ts';
import { INGRESS_TABLE, STRICT_TABLE } from '../../filter/strict-rules.ts';
import {
  attachable,
  mustHaveNft,
  readStrictRecord,
  readStrictRecords,
  type StrictRecord,
} from '../../observe/filter/strict.ts';
import { type Drops, listStrictTable, readDrops } from '../../observe/filter/strict-listing.ts';
import { deviceExists } from '../../observe/host/port.ts';
import { planStrays, planStrict, planStrictTable } from '../../plan/filter/strict.ts';
import type { Step } from '../../plan/step.ts';
import { STRICT_LOCK_PATH, strictRecordPath } from '../../record/paths.ts';
import { markedValues, storedSettings } from '../../record/stored-settings.ts';
import { STORED_SETTINGS_KEY, type VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { learningSteps, unlearningSteps } from './learning.ts';
import type { VifRun } from './run.ts';

/** The port filter of a device. */
export interface PortFilter {
  /** The device's name once it is attached. */
  readonly port: string;
  /** The name under which it was attached before. */
  readonly former: string | undefined;
  readonly bridge: string;
  /** Its new record; undefined where the strict filter is not wanted. */
  readonly fresh: StrictRecord | undefined;
}

/**
 * Whether a device has a port filter under one of its names, or must get one.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param portFilter its names and its record
 */
export function isFiltered(system: System, device: string, { port, former, fresh }: PortFilter): boolean {
  if (fresh !== undefined) return true;
  const names = [port, device, ...(former === undefined ? [] : [former])];
  return [...new Set(names)].some((name) => readStrictRecord(system, name) !== undefined);
}

/** The steps of the port filter, around those that attach the device. */
export interface PortFilterSteps {
  readonly before: readonly Step[];
  /** Removes the elements of names that the device no longer has; it runs under one of them until it is renamed. */
  readonly after: readonly Step[];
}

/**
 * The steps that give a device exactly the elements of its record, whatever elements it or the port's name had before.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param portFilter its names and its record
 * @param flushed the strict table, or part of it, is missing: it is made first, with all guests' elements
 * @throws HostError where it has to be made and nft cannot
 */
export function portFilterSteps(
  system: System,
  device: string,
  portFilter: PortFilter,
  flushed: boolean,
): PortFilterSteps {
  const { port, fresh, bridge } = portFilter;
  if (flushed) mustHaveNft(system);
  const left = leftNames(device, portFilter);
  const drops = fresh === undefined ? undefined : dropsOf(system, device, left);
  const before = [
    ...(flushed ? tableSteps(system, port) : []),
    ...planStrict({
      port,
      recordPath: strictRecordPath(port),
      // The record of a guest that went without an offline may be another guest's record by name now.
      old: readStrictRecord(system, port),
      fresh,
      flushed,
      shared: sharedElements(system, port, fresh),
      drops,
    }),
    // The last steps, since they are never undone: if the table is missing, the run starts again before them.
    ...(fresh === undefined ? [] : learningSteps(system, bridge)),
  ];
  return { before, after: portFilterRemoval(system, device, left, drops) };
}

/**
 * Steps that complete the strict table, with all guests that are missing from it. A guest that has other elements there than
 * its record says is left alone: a change of it was interrupted, and is taken back by the next hook for that guest.
 * @param system the way to the records and the table
 * @param port the port that the caller itself adds
 */
export function tableSteps(system: System, port: string): Step[] {
  const { elements: there, former = [] } = listStrictTable(system) ?? {};
  // A version before had ranges in other sets.
  const isLost = (name: string, { elements }: StrictRecord) =>
    !there?.has(name) || (former.length > 0 && hasRange(elements));
  const lost = [...readStrictRecords(system)].filter(
    ([name, record]) => name !== port && isLost(name, record),
  );
  return planStrictTable(
    lost.flatMap(([name, record]) => attachable(system, name, record).elements),
    former,
  );
}

/** The names under which a device may be recorded and which it no longer has once it is attached. */
function leftNames(device: string, { port, former }: PortFilter): string[] {
  return [former, device].filter((name) => name !== undefined).filter((name) => name !== port);
}

/** The one of these names under which the device is recorded. */
function heldName(system: System, device: string, left: readonly string[]): string | undefined {
  return left.find((name) => readStrictRecord(system, name)?.device === device);
}

/**
 * Whether elements must be removed after a device is attached, so that `portFilterSteps` has steps for that.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param portFilter its names and its record
 */
export function leavesNames(system: System, device: string, portFilter: PortFilter): boolean {
  return heldName(system, device, leftNames(device, portFilter)) !== undefined;
}

/**
 * The counter of a device's dropped packets under a name that it no longer has; nft is only asked when the device is
 * renamed.
 */
function dropsOf(system: System, device: string, left: readonly string[]): Drops | undefined {
  const held = heldName(system, device, left);
  return held === undefined ? undefined : readDrops(system).get(held);
}

/**
 * The elements of a port's present or new record that name no port and are in other ports' records too. Such an element
 * is removed with the last of these records.
 * @param system the way to the records
 * @param port the port's name
 * @param fresh the new record
 */
export function sharedElements(system: System, port: string, fresh: StrictRecord | undefined): string[] {
  const all = [...(readStrictRecord(system, port)?.elements ?? []), ...(fresh?.elements ?? [])];
  const common = new Set(all.filter((element) => !element.includes(`"${port}"`)));
  if (common.size === 0) return [];
  const others = [...readStrictRecords(system)].filter(([name]) => name !== port);
  return others.flatMap(([, { elements }]) => elements).filter((element) => common.has(element));
}

/**
 * The steps that remove a device from the strict table, under each name under which it may have been attached.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param ports the names
 * @param drops the counter of its dropped packets, for an undo
 */
export function portFilterRemoval(
  system: System,
  device: string,
  ports: readonly string[],
  drops?: Drops,
): Step[] {
  return [...new Set(ports)].flatMap((port) => {
    const old = readStrictRecord(system, port);
    // The name may be another guest's by now.
    if (old === undefined || old.device !== device) return [];
    const shared = sharedElements(system, port, undefined);
    return planStrict({
      port,
      recordPath: strictRecordPath(port),
      old,
      fresh: undefined,
      flushed: true,
      shared,
      drops,
      isHere: deviceExists(system, port),
    });
  });
}

/**
 * Removes a device from the strict table, and lets its former bridge learn addresses as before. Elements that could not
 * be removed stay in the record, so that the next offline or a refilter tries again.
 * @param system the way to the filter
 * @param bridge the bridge's name; empty where the device was on none
 * @param steps returns the steps of `portFilterRemoval` and `strayFilterSteps`; called once the lock of the strict table is
 * held
 * @returns a sentence for each failure
 */
export async function letGoOfPort(
  system: System,
  bridge: string,
  steps: () => readonly Step[],
): Promise<string[]> {
  if (steps().length + unlearningSteps(system, bridge).length === 0) return [];
  return locked(system, STRICT_LOCK_PATH, async () => {
    const isNft = (step: Step) => step.do.tool === 'nft';
    const all = steps();
    const apply = (own: readonly Step[]) =>
      applyTeardown(system, { steps: own, warnings: [] }, { held: STRICT_LOCK_PATH });
    const failures = await apply(all.filter(isNft));
    // Without the table there is nothing to remove.
    if (failures.every((text) => /No such file/.test(text)))
      failures.push(...(await apply(all.filter((step) => !isNft(step)))));
    // The table of a version before still has the port's ranges, in sets that go with it.
    if (failures.length > 0 && hasFormerSets(system))
      return [...(await apply(tableSteps(system, ''))), ...(await apply(unlearningSteps(system, bridge)))];
    return [...failures, ...(await apply(unlearningSteps(system, bridge)))];
  });
}

/** Where nobody can tell, what failed is told, and the port's record stays for the next try. */
function hasFormerSets(system: System): boolean {
  try {
    return (listStrictTable(system)?.former.length ?? 0) > 0;
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    return false;
  }
}

/**
 * The steps that remove a device from the strict table when its stored settings say that it is in it and its record is
 * lost.
 * @param run the call
 * @param ports the names under which it may have been attached
 */
export function strayFilterSteps(run: VifRun, ports: readonly string[]): Step[] {
  const { system } = run.context;
  if (markedValues(run.stored[STORED_SETTINGS_KEY])['antispoof'] !== 'strict') return [];
  const lost = ports.filter((port) => readStrictRecord(system, port) === undefined);
  if (lost.length < ports.length) return [];
  const there = listStrictTable(system)?.elements;
  return planStrays([...new Set(lost)].flatMap((port) => there?.get(port) ?? []));
}

/**
 * Looks once more whether the strict table has a device, and completes the table if somebody removed it since the
 * device's elements were added, as a flush of all rules does. The caller must hold the device's lock.
 * @param system the way to the filter
 * @param portFilter the device's names and its record
 * @throws VerifyError when the device is not filtered afterwards
 */
export async function mustBeFiltered(system: System, portFilter: PortFilter): Promise<void> {
  if (hasVerdict(system, portFilter)) return;
  await locked(system, STRICT_LOCK_PATH, () =>
    applyTeardown(system, { steps: tableSteps(system, ''), warnings: [] }, { held: STRICT_LOCK_PATH }),
  );
  if (hasVerdict(system, portFilter)) return;
  throw new VerifyError(
    `The strict filter has not ${portFilter.port} as planned after all steps: something else changes the tables ` +
      `xen_network of nftables at the same time. Keep it away from them.`,
  );
}

/** All elements of a device come and go together, so the one with its verdict tells of all. */
function hasVerdict(system: System, { port, fresh }: PortFilter): boolean {
  const wanted = fresh?.elements.flatMap((element) => VERDICT.exec(element)?.slice(1) ?? []);
  if (wanted === undefined) return true;
  const [ingress, verdict] = wanted;
  const table = ingress === undefined ? STRICT_TABLE : INGRESS_TABLE;
  const found = system.mapVerdict?.(table, 'guests', port) ?? {
    // Where the kernel cannot be asked.
    verdict: listStrictTable(system)?.verdicts.get(port),
  };
  return found.verdict === verdict;
}

const VERDICT = new RegExp(`^(${INGRESS})?guests \\{ "[^"]+" : (.+) \\}$`);

/**
 * Writes a device's stored settings to xenstore, or removes them: the settings that no other key holds, for refilter.
 * @param run the call
 * @param settings the settings with which the device was attached; undefined once it is detached
 * @param strict whether the strict filter covers the device
 */
export async function markSettings(
  run: VifRun,
  settings: VifSettings | undefined,
  strict: boolean,
): Promise<void> {
  // A tap shares its vif's place in xenstore, and the settings there are the vif's.
  if (run.call.type === 'tap') return;
  const path = `${run.call.path}/${STORED_SETTINGS_KEY}`;
  const text = settings === undefined ? undefined : storedSettings(settings, strict, run.given, run.stored);
  if (text !== undefined) await run.store?.write(path, text);
  else if (run.stored[STORED_SETTINGS_KEY] !== undefined) await run.store?.remove(path);
}
