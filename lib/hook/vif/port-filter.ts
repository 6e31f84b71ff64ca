import { applyTeardown } from '../../apply/apply.ts';
import { locked } from '../../apply/locked.ts';
import { RequestError } from '../../errors.ts';
import { loggedElement, strictElements } from '../../filter/strict.ts';
import { readStrictRecord, readStrictRecords, type StrictRecord } from '../../observe/filter/strict.ts';
import { type Drops, listStrictTable, readDrops } from '../../observe/filter/strict-listing.ts';
import { type Port, readPort } from '../../observe/host/port.ts';
import { planStrays, planStrict, planStrictTable } from '../../plan/filter/strict.ts';
import type { Step } from '../../plan/step.ts';
import { PORT_MAC } from '../../plan/vif/device.ts';
import { STRICT_LOCK_PATH, strictRecordPath } from '../../record/paths.ts';
import { markedValues, settingsMark } from '../../record/stored-settings.ts';
import { SETTINGS_MARK, type VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { strictBridges } from '../guests/strict-table.ts';
import { untracksStrictly } from './bridged-rules.ts';
import { learningSteps, unlearningSteps } from './learning.ts';
import type { VifRun } from './run.ts';

/**
 * Whether a guest's device is to be held by the strict filter: because of its own settings, or of the antispoof=strict
 * that its bridge was started with.
 * @param system the way to the bridges' records
 * @param settings the guest's settings
 * @param bridge the bridge's name
 */
export function wantsStrict(system: System, settings: VifSettings, bridge: string): boolean {
  if (settings.antispoof === 'strict' || settings.locking !== undefined) return true;
  return strictBridges(system).includes(bridge);
}

/**
 * What the strict filter is to hold for a guest's device.
 * @param system the way to the records
 * @param device the kernel's name of it
 * @param settings the guest's settings
 * @param ports its name once it is attached, then those that it may be held under now
 * @param bridge the bridge that it joins
 * @throws RequestError when the guest's MAC address is not known: then nothing could tell it from the others
 */
export function strictRecord(
  system: System,
  device: string,
  settings: VifSettings,
  ports: readonly [string, ...string[]],
  bridge: Port,
): StrictRecord {
  const [port] = ports;
  const { mac, addresses, locking: mode = 'locked', unfit } = settings;
  if (mac === undefined) {
    throw new RequestError(
      unfit.mac ??
        `${device} has no mac in xenstore, and antispoof=strict cannot do without. Set mac= in the guest's configuration.`,
    );
  }
  const untrackedBut = untracksStrictly(system, settings) ? hostMacs(system, bridge) : undefined;
  const logged = ports.some((name) => {
    const old = readStrictRecord(system, name);
    return old?.device === device && old.elements.includes(loggedElement(name));
  });
  const elements = strictElements({ port, mac, addresses, mode, untrackedBut });
  return { device, mode, elements: logged ? [...elements, loggedElement(port)] : elements };
}

/**
 * The MAC addresses that are, or may become, the host's on a bridge: unless it was given one, a bridge has the lowest of
 * its ports' (net/bridge/br_stp_if.c).
 */
function hostMacs(system: System, bridge: Port): string[] {
  const others = system
    .list(`/sys/class/net/${bridge.name}/brif`)
    .filter((name) => !/^vif\d+\./.test(name))
    .map((name) => readPort(system, name)?.address ?? PORT_MAC);
  return [...new Set([bridge.address, PORT_MAC, ...others])];
}

/** What the strict filter does for a device that is attached. */
export interface Guard {
  /** The device's name once it is attached. */
  readonly port: string;
  /** A name that it may have been attached under before. */
  readonly former: string | undefined;
  readonly bridge: string;
  /** What it is to be held to; undefined where the strict filter is not wanted. */
  readonly fresh: StrictRecord | undefined;
}

/**
 * Whether the strict filter holds a device, or is to hold it, under one of its names.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param guard its names and its record
 */
export function isGuarded(system: System, device: string, { port, former, fresh }: Guard): boolean {
  if (fresh !== undefined) return true;
  const names = [port, device, ...(former === undefined ? [] : [former])];
  return [...new Set(names)].some((name) => readStrictRecord(system, name) !== undefined);
}

/** Steps around those that attach a device. */
export interface GuardSteps {
  readonly before: readonly Step[];
  /** Lets go of names that the device has no more: under one of them it runs until it is renamed. */
  readonly after: readonly Step[];
}

/**
 * Steps with which a device is held to its record and to nothing else, whatever it or its port's name was held to.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param guard its names and its record
 * @param flushed the table, or some of it, is not there: it is made first, for all guests
 */
export function guardSteps(system: System, device: string, guard: Guard, flushed: boolean): GuardSteps {
  const { port, fresh, bridge } = guard;
  const others = flushed ? [...readStrictRecords(system)].filter(([name]) => name !== port) : [];
  const table = flushed ? planStrictTable(others.flatMap(([, record]) => record.elements)) : [];
  const left = leftNames(device, guard);
  const drops = fresh === undefined ? undefined : dropsOf(system, device, left);
  const before = [
    ...table,
    ...planStrict({
      port,
      recordPath: strictRecordPath(port),
      // Of a guest that is gone without a word, its port's name may be another's by now.
      old: readStrictRecord(system, port),
      fresh,
      flushed,
      shared: sharedElements(system, port, fresh),
      drops,
    }),
    // Last, since it is not undone: without the table the run begins anew.
    ...(fresh === undefined ? [] : learningSteps(system, bridge)),
  ];
  return { before, after: unguardSteps(system, device, left, drops) };
}

/** The names that a device may have been held under and has no more once it is attached. */
function leftNames(device: string, { port, former }: Guard): string[] {
  return [former, device].filter((name) => name !== undefined).filter((name) => name !== port);
}

/** The one of those under which it is held. */
function heldName(system: System, device: string, left: readonly string[]): string | undefined {
  return left.find((name) => readStrictRecord(system, name)?.device === device);
}

/**
 * Whether there is something to let go of once a device is attached: `guardSteps` has steps for after that.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param guard its names and its record
 */
export function leavesNames(system: System, device: string, guard: Guard): boolean {
  return heldName(system, device, leftNames(device, guard)) !== undefined;
}

/** What was dropped of a device under one of the names that it has no more; nft is asked for it at a rename alone. */
function dropsOf(system: System, device: string, left: readonly string[]): Drops | undefined {
  const held = heldName(system, device, left);
  return held === undefined ? undefined : readDrops(system).get(held);
}

/**
 * What a port's record has, or is to have, that is no port's own and stands in other ports' records too: it goes with the
 * last of them.
 * @param system the way to the records
 * @param port the port's name
 * @param fresh the record that it is to have
 */
export function sharedElements(system: System, port: string, fresh: StrictRecord | undefined): string[] {
  const all = [...(readStrictRecord(system, port)?.elements ?? []), ...(fresh?.elements ?? [])];
  const common = new Set(all.filter((element) => !element.includes(`"${port}"`)));
  if (common.size === 0) return [];
  const others = [...readStrictRecords(system)].filter(([name]) => name !== port);
  return others.flatMap(([, { elements }]) => elements).filter((element) => common.has(element));
}

/**
 * Steps that take a device out of the strict filter, under each of the names that it may have been attached under.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param ports the names
 * @param drops what was dropped of it under one of them, for an undo
 */
export function unguardSteps(
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
    });
  });
}

/**
 * Takes a device out of the strict filter, and lets the bridge that it was on learn again as it did. What could not be taken
 * out is not forgotten: the next offline, or a refilter, tries again.
 * @param system the way to the filter
 * @param bridge the bridge's name; empty where it was on none
 * @param steps what `unguardSteps` and `strayGuardSteps` give, asked for once the filter's lock is held
 * @returns a sentence for each thing that went wrong
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
    // Without the table there is nothing to take out.
    if (failures.every((text) => /No such file/.test(text)))
      failures.push(...(await apply(all.filter((step) => !isNft(step)))));
    return [...failures, ...(await apply(unlearningSteps(system, bridge)))];
  });
}

/**
 * Steps that take a device out of the strict filter where xenstore tells that it is held, and no record any more of what.
 * @param run the call
 * @param ports the names that it may have been attached under
 */
export function strayGuardSteps(run: VifRun, ports: readonly string[]): Step[] {
  const { system } = run.context;
  if (markedValues(run.stored[SETTINGS_MARK])['antispoof'] !== 'strict') return [];
  const lost = ports.filter((port) => readStrictRecord(system, port) === undefined);
  if (lost.length < ports.length) return [];
  const there = listStrictTable(system)?.elements;
  return planStrays([...new Set(lost)].flatMap((port) => there?.get(port) ?? []));
}

/**
 * Leaves in xenstore what of a device's settings it does not tell otherwise, for a refilter to find.
 * @param run the call
 * @param settings the settings that the device was attached with; undefined once it is detached
 * @param strict the strict filter holds it
 */
export async function markSettings(
  run: VifRun,
  settings: VifSettings | undefined,
  strict: boolean,
): Promise<void> {
  // A tap has its vif's place in xenstore, and the vif its settings.
  if (run.call.type === 'tap') return;
  const path = `${run.call.path}/${SETTINGS_MARK}`;
  const text = settings === undefined ? undefined : settingsMark(settings, strict, run.given, run.stored);
  if (text !== undefined) await run.store?.write(path, text);
  else if (run.stored[SETTINGS_MARK] !== undefined) await run.store?.remove(path);
}
