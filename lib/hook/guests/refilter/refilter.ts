import { recoverInWords } from '../../../apply/recover.ts';
import { HostError, LockError, messageOf, XenNetworkError, XenstoreError } from '../../../errors.ts';
import type { RuleSet } from '../../../filter/forward.ts';
import { unheldPorts } from '../../../observe/filter/strict-health.ts';
import { readLink } from '../../../observe/host/port.ts';
import { readVifRecord } from '../../../observe/records.ts';
import { type Backend, deviceNames, listBackends } from '../../../observe/vif/backends.ts';
import { type DeviceFinder, deviceFinder, hereFinder } from '../../../observe/vif/vif.ts';
import { isRecordName, JOURNALS, VIF_RECORDS } from '../../../record/paths.ts';
import { type Remembering, remembering } from '../../../system/remembering.ts';
import type { System } from '../../../system/system.ts';
import { withXenstore } from '../../../system/xenstore/open.ts';
import type { Xenstore } from '../../../system/xenstore/xenstore.ts';
import type { Context } from '../../context.ts';
import { deviceKeys, isHeldForUs, withFreeOnes, withLocks } from '../../locks.ts';
import { account } from '../../traffic/account.ts';
import { collect, goneDevices } from '../leftovers.ts';
import { askedOnce } from '../once.ts';
import { type RunningVif, runningVifs, wantedFilter, wantsAccountRunning } from '../running.ts';
import { missingFilters } from './check.ts';
import { removeStrangers } from './limits.ts';
import { type Look, lookAgain, lookAtAll } from './look.ts';
import { type Restored, removeFormerNames, removeOwnerless, restoreRules, restoreStrict } from './records.ts';
import { restoreTogether, type Wish } from './together.ts';

/**
 * So many guests are looked at together: what they have in common is read once, and xenstore is asked once. Each lock
 * takes a descriptor, and a hook that comes meanwhile waits until all of them are done.
 */
const GUESTS_AT_ONCE = 16;

/** Less than a hook may hold its device's lock. A hook that hangs is reported, after all other devices are done. */
const BUSY_WAIT_MS = 30_000;

/** A refilter under way. */
interface Refilter {
  readonly context: Context;
  /**
   * The system, which asks the host only once for what concerns all guests, and reads files once for the guests that are
   * looked at together. Whoever changes what concerns all guests refilters them afterwards, for which it needs the
   * locks that are held meanwhile.
   */
  readonly shared: Remembering;
  readonly look: Look;
  /** The rules that devices must have, by the kernel's names of the devices. */
  readonly wanted: Map<string, RuleSet>;
  readonly failures: string[];
  /** A sentence for each guest that runs and of which xenstore says nothing. */
  readonly unknown: string[];
  /** Whether something had to be changed. */
  changed: boolean;
}

/** What came of a refilter. */
export interface Refiltered {
  /** The number of devices. */
  readonly devices: number;
  /** A sentence for each guest that could only be given what it had. */
  readonly unknown: readonly string[];
}

/**
 * Restores the filters of all running guests. First it restores what the records contain, for all guests at once, while
 * it holds only the locks of the strict table and of the firewall. Then it sets the filters of each guest by the keys
 * in xenstore, while it holds that guest's lock. Whatever is right stays untouched, so that no guest is unfiltered
 * meanwhile. A failure undoes nothing: a filter that could be restored is better than none.
 * @param context the call
 * @throws HostError naming what could not be restored
 */
export async function refilter(context: Context): Promise<Refiltered> {
  const { system } = context;
  const shared = remembering(askedOnce(system));
  const isHere = hereFinder(system);
  const strict = await attempted(() => restoreStrict(system, shared, isHere));
  const rules = await attempted(() => restoreRules(system, shared, isHere));
  const failures = [...strict.failures, ...rules.failures];
  const { found: look } = await noting(failures, () => {
    const known = {
      ...(rules.found === undefined ? {} : { rules: rules.found }),
      ...('found' in strict ? { listing: strict.found } : {}),
    };
    return { failures: [], found: lookAtAll(system, known) };
  });
  const wanted = new Map<string, RuleSet>();
  const unknown: string[] = [];
  if (look !== undefined) {
    const run: Refilter = { context, shared, look, wanted, failures, unknown, changed: false };
    await noting(failures, () => restoreGuests(run));
    await noting(failures, () => clearUp(run));
    await noting(failures, async () => ({
      failures: await (run.changed ? missingFilters(system, wanted) : unheldPorts(shared)),
    }));
  }
  if (failures.length > 0) throw new HostError([...new Set(failures)].join(' '));
  return { devices: wanted.size, unknown };
}

async function noting<T>(
  failures: string[],
  work: () => Restored<T> | Promise<Restored<T>>,
): Promise<Restored<T>> {
  const done = await attempted(async () => work());
  failures.push(...done.failures);
  return done;
}

/** Removes what devices have left that are gone or have another name by now. */
async function clearUp(run: Refilter): Promise<Restored<never>> {
  const { context, shared, look } = run;
  const { system } = context;
  // Whatever is to be removed is looked at again under the locks.
  shared.forget();
  const gone = goneDevices(shared, look.rules);
  for (const sentence of await collect(context, gone)) context.log.info(sentence);
  if (gone.length > 0) shared.forget();
  const failures = [
    ...(await attempted(() => removeFormerNames(system, shared))).failures,
    ...(await attempted(() => removeOwnerless(system, shared, look.listing))).failures,
    ...(await attempted(() => removeStrangers(system, shared, look.tables))).failures,
  ];
  return { failures };
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
      if (fresh.length === 0) {
        run.unknown.push(...unknownGuests(system, known));
        return { failures: [] };
      }
      const busy: Backend[] = [];
      const find = deviceFinder(system);
      for (let at = 0; at < fresh.length; at += GUESTS_AT_ONCE) {
        const some = fresh.slice(at, at + GUESTS_AT_ONCE);
        for (const backend of some) known.add(deviceNames(backend)[0]);
        const work = (free: readonly Backend[]) => restoreLocked(run, store, free, find);
        busy.push(...(await withFreeOnes(system, some, cardKeys, work)));
      }
      for (const backend of busy) await restoreBusyGuest(run, store, backend, end - performance.now());
    }
  });
}

/** Guests that run and of which xenstore, which may have lost all that it had, says nothing: what they need is unknown. */
function unknownGuests(system: System, known: ReadonlySet<string>): string[] {
  const isKnown = (device: string) =>
    deviceKeys(device).some((key) => known.has(key) || isHeldForUs(system, key));
  const devices = system.list(VIF_RECORDS).filter((name) => isRecordName(name) && !isKnown(name));
  return devices.flatMap((device) => {
    const name = readVifRecord(system, device)?.name;
    if (name === undefined || readLink(system, name)?.up !== true) return [];
    return [
      `xenstore has no entry of ${device}${name === device ? '' : ` (${name})`}, which runs, so it keeps the rules that ` +
        'it had; start its guest again if it needs others.',
    ];
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
      cardKeys(backend),
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

/** A tap's hook takes the lock of its vif as well. */
const cardKeys = (backend: Backend): readonly string[] => deviceKeys(deviceNames(backend)[0]);

/** The caller must hold the locks of the cards' vifs. */
async function restoreLocked(
  run: Refilter,
  store: Xenstore,
  backends: readonly Backend[],
  find: DeviceFinder,
): Promise<void> {
  const finder = (await takeBackEnded(run, backends)) ? deviceFinder(run.context.system) : find;
  run.shared.forget();
  const context = { ...run.context, system: run.shared };
  const wishes: Wish[] = [];
  for (const vif of await runningVifs(context, store, backends, finder)) {
    // The card has gone from xenstore since it was listed; its record tells more.
    if (Object.values(vif.run.stored).every((value) => value === undefined)) continue;
    await orFailure(run, vif, async () => void wishes.push({ vif, ...(await wantedFilter(vif)) }));
  }
  const { changed, failures } = await restoreTogether(run.context.system, run.shared, run.look, wishes);
  noteChanged(run, changed);
  for (const wish of wishes)
    await orFailure(run, wish.vif, () => finishDevice(run, wish, failures.length > 0));
}

function noteChanged(run: Refilter, changed: boolean): void {
  if (!changed) return;
  run.changed = true;
  run.shared.forget();
}

async function orFailure(
  run: Refilter,
  { run: { call } }: RunningVif,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError) || thrown instanceof XenstoreError) throw thrown;
    run.failures.push(`${call.device} has no new filter: ${messageOf(thrown)}`);
  }
}

/**
 * Takes back what interrupted hooks did to cards' devices, before it is looked up which filters they must have.
 * @returns whether there was such a hook
 */
async function takeBackEnded(run: Refilter, backends: readonly Backend[]): Promise<boolean> {
  const { system, log } = run.context;
  // Only runs that are under way or were interrupted have a journal.
  const journals = new Set(system.list(JOURNALS));
  const left = backends.flatMap(deviceNames).filter((device) => journals.has(device));
  if (left.length === 0) return false;
  for (const device of left) for (const sentence of await recoverInWords(system, device)) log.warn(sentence);
  lookAgain(system, run.look);
  run.changed = true;
  return true;
}

/** @param isAlone whether it could not get its filters together with others */
async function finishDevice(run: Refilter, wish: Wish, isAlone: boolean): Promise<void> {
  const { vif, rules } = wish;
  const { system } = run.context;
  const failures: string[] = [];
  if (isAlone) {
    const alone = await restoreTogether(system, system, run.look, [wish]);
    noteChanged(run, alone.changed);
    failures.push(...alone.failures);
  }
  const port = vif.state.port.name;
  failures.push(...(await account({ ...vif.run, context: run.context }, port, wantsAccountRunning(vif))));
  if (failures.length > 0) throw new HostError(failures.join(' '));
  run.wanted.set(vif.run.call.device, rules);
}
