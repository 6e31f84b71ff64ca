import { applyTeardown } from '../../apply/apply.ts';
import { locked } from '../../apply/locked.ts';
import { recoverInWords } from '../../apply/recover.ts';
import { HostError, LockError, messageOf, XenNetworkError, XenstoreError } from '../../errors.ts';
import type { RuleSet } from '../../filter/forward.ts';
import { listPortTables, type PortTables } from '../../observe/filter/port-tables.ts';
import { listRules } from '../../observe/filter/rules.ts';
import { readStrictRecord, type StrictRecord } from '../../observe/filter/strict.ts';
import { damagedChains, isWhole, unheldPorts } from '../../observe/filter/strict-health.ts';
import { listStrictTable, type StrictListing } from '../../observe/filter/strict-listing.ts';
import { readVifRecord } from '../../observe/records.ts';
import { type Backend, deviceNames, listBackends } from '../../observe/vif/backends.ts';
import { type DeviceFinder, deviceFinder, hereFinder } from '../../observe/vif/vif.ts';
import { replaceRecordedRules, sameRules } from '../../plan/filter/recorded-rules.ts';
import { replaceForwardRules } from '../../plan/filter/rules.ts';
import { planStrict, planStrictTable } from '../../plan/filter/strict.ts';
import type { Step } from '../../plan/step.ts';
import { journalPath, STRICT_LOCK_PATH, strictRecordPath, vifRecordPath } from '../../record/paths.ts';
import { type Remembering, remembering } from '../../system/remembering.ts';
import type { System } from '../../system/system.ts';
import { withXenstore } from '../../system/xenstore/open.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import type { Context } from '../context.ts';
import { isHeldForUs, withFreeOnes, withLocks } from '../locks.ts';
import { account } from '../traffic/account.ts';
import { learningSteps } from '../vif/learning.ts';
import { sharedElements } from '../vif/port-filter.ts';
import { collect, goneDevices } from './leftovers.ts';
import { askedOnce } from './once.ts';
import { missingFilters } from './refilter-check.ts';
import { limitedSteps, removeStrangers } from './refilter-limits.ts';
import {
  listAllRules,
  type Restored,
  type RulesInPlace,
  removeFormerNames,
  removeOwnerless,
  restoreRules,
  restoreStrict,
  rulesIn,
  straySteps,
} from './refilter-records.ts';
import { type RunningVif, runningVifs, wantedFilter, wantsAccountRunning } from './running.ts';

/**
 * So many guests are looked at together: what they have in common is read once, and xenstore is asked once. Their locks
 * take two descriptors for each, far fewer than a process may have.
 */
const GUESTS_AT_ONCE = 8;

/** Less than a hook may hold its device's lock. A hook that hangs is reported, after all other devices are done. */
const BUSY_WAIT_MS = 30_000;

/** The present rules and the tables, listed once for all guests. */
interface Look {
  readonly rules: RulesInPlace;
  readonly tables: PortTables;
  readonly listing: StrictListing | undefined;
}

/** A refilter under way. */
interface Refilter {
  readonly context: Context;
  /**
   * The system, which asks the host only once for what concerns all guests, and reads files once for the guests that are
   * looked at together. Whoever changes what concerns all guests refilters them afterwards, for which it needs the
   * locks that are held meanwhile.
   */
  readonly shared: Remembering;
  look: Look;
  /** The rules that devices must have, by the kernel's names of the devices. */
  readonly wanted: Map<string, RuleSet>;
  readonly failures: string[];
  /** Whether something had to be changed. */
  changed: boolean;
}

/**
 * Restores the filters of all running guests. First it restores what the records contain, for all guests at once, while
 * it holds only the locks of the strict table and of the firewall. Then it sets the filters of each guest by the keys
 * in xenstore, while it holds that guest's lock. Whatever is right stays untouched, so that no guest is unfiltered
 * meanwhile. A failure undoes nothing: a filter that could be restored is better than none.
 * @param context the call
 * @returns the number of devices
 * @throws HostError naming what could not be restored
 */
export async function refilter(context: Context): Promise<number> {
  const { system } = context;
  const isHere = hereFinder(system);
  const strict = await attempted(() => restoreStrict(system, isHere));
  const rules = await attempted(() => restoreRules(system, isHere));
  const failures = [...strict.failures, ...rules.failures];
  const run: Refilter = {
    context,
    shared: remembering(askedOnce(system)),
    look: {
      rules: rules.found ?? listAllRules(system),
      tables: listPortTables(system),
      listing: 'found' in strict ? strict.found : listStrictTable(system),
    },
    wanted: new Map(),
    failures,
    changed: false,
  };
  failures.push(...(await attempted(() => restoreGuests(run))).failures);
  for (const sentence of await collect(context, goneDevices(system))) context.log.info(sentence);
  failures.push(...(await attempted(() => removeFormerNames(system))).failures);
  failures.push(...(await attempted(() => removeOwnerless(system, run.look.listing))).failures);
  failures.push(...(await attempted(() => removeStrangers(system, run.look.tables))).failures);
  failures.push(...(run.changed ? missingFilters(system, run.wanted) : unheldPorts(system)));
  if (failures.length > 0) throw new HostError([...new Set(failures)].join(' '));
  return run.wanted.size;
}

async function attempted<T>(work: () => Promise<Restored<T>>): Promise<Restored<T>> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return { failures: [messageOf(thrown)] };
  }
}

/** Looks for guests until no new ones come; guests whose own hook is under way come last. */
async function restoreGuests(run: Refilter): Promise<Restored<never>> {
  const { system, env } = run.context;
  return withXenstore(await system.native(), env, async (store) => {
    const known = new Set<string>();
    const end = performance.now() + BUSY_WAIT_MS;
    for (;;) {
      const fresh = (await listBackends(store)).filter((backend) => {
        const [vif, tap] = deviceNames(backend);
        // The hook that waits for this process is attaching or detaching this device.
        return !known.has(vif) && !isHeldForUs(system, vif) && !isHeldForUs(system, tap);
      });
      if (fresh.length === 0) return { failures: [] };
      const busy: Backend[] = [];
      const find = deviceFinder(system);
      for (let at = 0; at < fresh.length; at += GUESTS_AT_ONCE) {
        const some = fresh.slice(at, at + GUESTS_AT_ONCE);
        for (const backend of some) known.add(deviceNames(backend)[0]);
        const work = (free: readonly Backend[]) => restoreLocked(run, store, free, find);
        busy.push(...(await withFreeOnes(system, some, deviceNames, work)));
      }
      for (const backend of busy) await restoreBusyGuest(run, store, backend, end - performance.now());
    }
  });
}

async function restoreBusyGuest(
  run: Refilter,
  store: Xenstore,
  backend: Backend,
  waitMs: number,
): Promise<void> {
  try {
    await withLocks(
      run.context.system,
      deviceNames(backend),
      () => restoreLocked(run, store, [backend], deviceFinder(run.context.system)),
      Math.max(0, waitMs),
    );
  } catch (thrown) {
    if (!(thrown instanceof LockError)) throw thrown;
    run.failures.push(
      `The settings of ${deviceNames(backend)[0]} in xenstore were not read: ${thrown.message}`,
    );
  }
}

/** The caller must hold the locks of the cards' devices. */
async function restoreLocked(
  run: Refilter,
  store: Xenstore,
  backends: readonly Backend[],
  find: DeviceFinder,
): Promise<void> {
  let isTakenBack = false;
  for (const backend of backends) if (await takeBackEnded(run, backend)) isTakenBack = true;
  const finder = isTakenBack ? deviceFinder(run.context.system) : find;
  run.shared.forget();
  const context = { ...run.context, system: run.shared };
  for (const vif of await runningVifs(context, store, backends, finder)) {
    // The card has gone from xenstore since it was listed; its record tells more.
    if (Object.values(vif.run.stored).every((value) => value === undefined)) continue;
    try {
      await restoreDevice(run, vif);
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError) || thrown instanceof XenstoreError) throw thrown;
      run.failures.push(`${vif.run.call.device} has no new filter: ${messageOf(thrown)}`);
    }
  }
}

/**
 * Takes back what an interrupted hook did to a card's devices, before it is looked up which filters they must have.
 * @returns whether there was such a hook
 */
async function takeBackEnded(run: Refilter, backend: Backend): Promise<boolean> {
  const { system, log } = run.context;
  const left = deviceNames(backend).filter((device) => system.exists(journalPath(device)));
  if (left.length === 0) return false;
  for (const device of left) for (const sentence of await recoverInWords(system, device)) log.warn(sentence);
  run.look = {
    rules: listAllRules(system),
    tables: listPortTables(system),
    listing: listStrictTable(system),
  };
  run.changed = true;
  return true;
}

async function restoreDevice(run: Refilter, vif: RunningVif): Promise<void> {
  const { device } = vif.run.call;
  const { rules, strict } = await wantedFilter(vif);
  const ruleSteps = rulesSteps(run, vif, rules);
  const failures = await applyTeardown(run.context.system, { steps: ruleSteps, warnings: [] });
  if (ruleSteps.length > 0) run.shared.forget();
  const port = vif.state.port.name;
  if (!isHeldAs(run.context.system, run.look.listing, port, strict))
    failures.push(...(await strictSteps(run, vif, strict)));
  failures.push(...(await account({ ...vif.run, context: run.context }, port, wantsAccountRunning(vif))));
  if (failures.length > 0) throw new HostError(failures.join(' '));
  run.wanted.set(device, rules);
}

/** Rules that were right when all were listed are not listed again. */
function rulesSteps(run: Refilter, { run: { call }, state, bridge }: RunningVif, wanted: RuleSet): Step[] {
  const { system } = run.context;
  const { device } = call;
  const { name } = state.port;
  const limited = limitedSteps(run.look.tables, { state, bridge }, wanted);
  const isRight = sameRules(rulesIn(run.look.rules, device), wanted);
  run.changed ||= limited.length > 0 || !isRight;
  const rules = { present: isRight ? wanted : listRules(system, device), wanted, limited };
  const record = readVifRecord(system, device);
  // Somebody may have renamed the device since it was recorded.
  const saved = record ?? (bridge === undefined ? undefined : { bridge: bridge.name });
  // A device without a bridge has no table either.
  return saved === undefined
    ? replaceForwardRules(name, rules.present, wanted)
    : replaceRecordedRules(vifRecordPath(device), record, { ...saved, name }, rules);
}

function isHeldAs(
  system: System,
  listing: StrictListing | undefined,
  port: string,
  wanted: StrictRecord | undefined,
): boolean {
  if (JSON.stringify(readStrictRecord(system, port)) !== JSON.stringify(wanted)) return false;
  return listing === undefined ? wanted === undefined : isWhole(listing, port, wanted);
}

function strictSteps(
  run: Refilter,
  { state: { port }, bridge }: RunningVif,
  fresh: StrictRecord | undefined,
): Promise<string[]> {
  const { system } = run.context;
  run.changed = true;
  run.shared.forget();
  return locked(system, STRICT_LOCK_PATH, async () => {
    const listing = listStrictTable(system);
    const old = readStrictRecord(system, port.name);
    const isTableWhole =
      listing !== undefined && damagedChains(listing, fresh === undefined ? [] : [fresh]).length === 0;
    const isClean = listing === undefined || isWhole(listing, port.name, old);
    const change = { port: port.name, recordPath: strictRecordPath(port.name), old, fresh, flushed: true };
    const steps = [
      ...(bridge === undefined || fresh === undefined ? [] : learningSteps(system, bridge.name)),
      ...(isTableWhole || fresh === undefined ? [] : planStrictTable([])),
      ...(isClean ? [] : straySteps(listing, port.name, fresh)),
      ...planStrict({ ...change, shared: sharedElements(system, port.name, fresh) }),
    ];
    return applyTeardown(system, { steps, warnings: [] }, { held: STRICT_LOCK_PATH });
  });
}
