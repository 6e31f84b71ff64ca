import { locked } from '../../apply/locked.ts';
import type { TrafficFacts } from '../../desk/traffic/report.ts';
import { messageOf, XenNetworkError, XenstoreError } from '../../errors.ts';
import { type GuestCard, readGuestCards } from '../../observe/desk/facts.ts';
import { readStrictRecords } from '../../observe/filter/strict.ts';
import { readDrops } from '../../observe/filter/strict-listing.ts';
import { hostName } from '../../observe/host/config-file.ts';
import { deviceExists } from '../../observe/host/port.ts';
import { readHookRecord, readHookRuns } from '../../observe/traffic/hook-runs.ts';
import {
  countersId,
  damagedCounts,
  readCountedRecord,
  readCountedRecords,
  readEndedCounts,
  readTotals,
} from '../../observe/traffic/traffic.ts';
import { deviceCall, deviceFinder } from '../../observe/vif/vif.ts';
import { withRuns } from '../../record/hook-runs.ts';
import { HOOK_RUNS, HOOK_TOTALS, hookPartPath, TRAFFIC_FILE, TRAFFIC_LOCK } from '../../record/paths.ts';
import { seal } from '../../record/sealed.ts';
import { type CountedRecord, type DeviceCount, type Totals, withCounts } from '../../record/traffic.ts';
import { openTraffic } from '../../system/kernel/nf-counters.ts';
import { today } from '../../system/processes/clock.ts';
import type { System } from '../../system/system.ts';
import { withXenstore } from '../../system/xenstore/open.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import type { Context } from '../context.ts';
import { deviceKeys, withFreeLocks } from '../locks.ts';
import { startCounting, writeCounted } from './counting.ts';

/**
 * Reads the totals of all guests, with what was counted since they were saved.
 * @param context the call
 * @param isSaved whether they are saved now: written to the disk, so that no more than what comes from now on can be lost
 * @throws HostError where the counters or the totals cannot be read; XenNetworkError where they cannot be written
 */
export async function readTraffic(context: Context, isSaved: boolean): Promise<TrafficFacts> {
  const { system } = context;
  const guests = await readGuests(context);
  if (isSaved) guests.warnings.push(...(await followNames(system, guests.names)));
  const { totals, warnings } = await locked(system, TRAFFIC_LOCK, async () => {
    const found = await readCounts(system, guests.names);
    const ended = readEndedCounts(system);
    const used = new Set([...found.ids, ...[...ended.values()].map(({ id }) => id)]);
    // Names of running guests come last, since those of guests that went may be older.
    const counts = [...ended.values(), ...found.counts];
    const sum = withCounts(readTotals(system), counts, (id) => used.has(id), today());
    if (isSaved) save(system, sum, [...ended.keys()]);
    return { totals: sum, warnings: found.warnings };
  });
  const strict = readStrictRecords(system);
  return {
    host: hostName(system),
    totals,
    cards: guests.cards,
    uuids: guests.uuids,
    strict,
    drops: strict.size === 0 ? new Map() : readDrops(system),
    runs: readHookRuns(system),
    warnings: [...guests.warnings, ...warnings, ...damagedCounts(system)],
  };
}

/**
 * Lets hooks note their calls from now on, and adds up those that they noted. The caller calls it again and again; calls count
 * once, also if one of these runs is killed.
 * @param system the way to the files
 */
export function addUpRuns(system: System): Promise<void> {
  return locked(system, TRAFFIC_LOCK, async () => {
    const { runs, part } = readHookRecord(system);
    const path = hookPartPath(part + 1);
    // Added up a while after it was set aside, when no hook writes to it any more.
    const text = system.readText(path);
    const now = text === undefined ? part : part + 1;
    if (text !== undefined) {
      const record = { runs: withRuns(runs, text), part: now };
      system.replaceFile(HOOK_TOTALS, `${seal(JSON.stringify(record))}\n`);
    }
    system.remove(hookPartPath(now));
    if (system.exists(HOOK_RUNS)) system.rename(HOOK_RUNS, hookPartPath(now + 1));
    system.replaceFile(HOOK_RUNS, '');
  });
}

/**
 * Forgets the totals of guests that do not run here.
 * @param system the way to the totals
 * @param isMeant selects the guests
 * @returns their names
 */
export function forgetTraffic(
  system: System,
  isMeant: (name: string, uuid: string) => boolean,
): Promise<string[]> {
  return locked(system, TRAFFIC_LOCK, async () => {
    const counted = new Set([...readCountedRecords(system).values()].map(({ uuid }) => uuid));
    const { guests, included } = readTotals(system);
    const all = Object.entries(guests);
    const isKept = ([uuid, { name }]: (typeof all)[number]) => counted.has(uuid) || !isMeant(name, uuid);
    const kept = all.filter(isKept);
    if (kept.length < all.length) save(system, { guests: Object.fromEntries(kept), included }, []);
    return all.filter((one) => !isKept(one)).map(([, { name }]) => name);
  });
}

interface Guests {
  readonly cards: readonly GuestCard[];
  /** Uuids by domain. */
  readonly uuids: ReadonlyMap<number, string>;
  /** Names by uuid. */
  readonly names: ReadonlyMap<string, string>;
  readonly warnings: string[];
}

/** The guests that xenstore knows; none where it does not answer. */
async function readGuests({ system, env }: Context): Promise<Guests> {
  try {
    return await withXenstore(await system.native(), env, async (store) => {
      const cards = await readGuestCards(store, system);
      const uuids = await readUuids(store, [...new Set(cards.map(({ domid }) => domid))]);
      const names = cards.flatMap(({ domid, guest }): [string, string][] => {
        const uuid = uuids.get(domid);
        return uuid === undefined || guest === `${domid}` ? [] : [[uuid, guest]];
      });
      return { cards, uuids, names: new Map(names), warnings: [] };
    });
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    const warnings = [`Guests are shown under their last known names: ${messageOf(thrown)}`];
    return { cards: [], uuids: new Map(), names: new Map(), warnings };
  }
}

async function readUuids(store: Xenstore, domids: readonly number[]): Promise<Map<number, string>> {
  const paths = await store.readMany(domids.map((domid) => `/local/domain/${domid}/vm`));
  const known = domids.flatMap((domid, i) => {
    const path = paths[i] ?? '';
    return /^\/vm\/[\w-]+$/.test(path) ? [{ domid, path }] : [];
  });
  const uuids = await store.readMany(known.map(({ path }) => `${path}/uuid`));
  return new Map(
    known.flatMap(({ domid }, i): [number, string][] => {
      const uuid = uuids[i];
      return uuid === undefined ? [] : [[domid, uuid]];
    }),
  );
}

interface Counts {
  /** The ids of all counters that may be read again. */
  readonly ids: readonly string[];
  readonly counts: readonly DeviceCount[];
  readonly warnings: readonly string[];
}

/**
 * Reads the counters of all devices. They are read before the last counts of devices that are gone: what has ended
 * meanwhile is then among those.
 */
async function readCounts(system: System, names: ReadonlyMap<string, string>): Promise<Counts> {
  const records = readCountedRecords(system);
  const counters = records.size === 0 ? new Map() : (await openTraffic(system)).read();
  const counts: DeviceCount[] = [];
  const warnings: string[] = [];
  for (const [device, record] of records) {
    const there = counters.get(device);
    const { id, uuid, card } = record;
    const guest = names.get(uuid) ?? record.guest;
    if (there !== undefined && countersId(system, there) === id) {
      counts.push({ id, uuid, guest, card, flow: there.flow });
    } else if (readCountedRecord(system, device)?.id === id) {
      const what =
        there === undefined
          ? 'are gone, as after "nft flush ruleset"'
          : 'are not those that were put in place';
      warnings.push(
        `${record.port} of ${guest} is not counted: its counters ${what}. "xen-network refilter" counts it again.`,
      );
    }
  }
  return { ids: [...records.values()].map(({ id }) => id), counts, warnings };
}

function save(system: System, totals: Totals, ended: readonly string[]): void {
  system.replaceFile(TRAFFIC_FILE, `${seal(JSON.stringify(totals))}\n`);
  for (const path of ended) system.remove(path);
}

/**
 * Brings the records of counted devices up to date: with the name of a guest that was renamed, and with that of a device. Such a
 * device is counted under its new name, since newer kernels take a chain off a device that is renamed. A device whose
 * lock is held is left to the next time.
 */
async function followNames(system: System, names: ReadonlyMap<string, string>): Promise<string[]> {
  const isOld = ({ uuid, guest, port }: CountedRecord) =>
    (names.get(uuid) ?? guest) !== guest || !deviceExists(system, port);
  const old = [...readCountedRecords(system)].filter(([, record]) => isOld(record));
  if (old.length === 0) return [];
  const find = deviceFinder(system);
  const failures: string[] = [];
  for (const [device] of old)
    await withFreeLocks(system, deviceKeys(device), async () => {
      const record = readCountedRecord(system, device);
      if (record === undefined) return;
      const guest = names.get(record.uuid) ?? record.guest;
      if (guest !== record.guest) writeCounted(system, device, { ...record, guest });
      const port = deviceExists(system, record.port) ? record.port : find(deviceCall(device));
      if (port !== undefined && port !== record.port)
        failures.push(...(await counted(system, device, { ...record, guest, port })));
    });
  return failures;
}

async function counted(system: System, device: string, record: CountedRecord): Promise<string[]> {
  try {
    await startCounting(system, device, record);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [messageOf(thrown)];
  }
}
