import { failuresOf } from '../../apply/already.ts';
import { applyTeardown } from '../../apply/apply.ts';
import { recoverRun } from '../../apply/recover.ts';
import { messageOf, XenNetworkError } from '../../errors.ts';
import { NO_RULES } from '../../filter/forward.ts';
import { listRules } from '../../observe/filter/rules.ts';
import { readStrictRecords } from '../../observe/filter/strict.ts';
import { deviceExists } from '../../observe/host/port.ts';
import { readVifRecord, readVifRecords } from '../../observe/records.ts';
import { readCountedRecords } from '../../observe/traffic/traffic.ts';
import { deviceCall, hereFinder, observeVif } from '../../observe/vif/vif.ts';
import { planUnrouted } from '../../plan/routed/routed.ts';
import type { Plan } from '../../plan/step.ts';
import { planLeave } from '../../plan/vif/bridge.ts';
import { planSwitchLeave } from '../../plan/vif/openvswitch.ts';
import { countedRecordPath, vifRecordPath } from '../../record/paths.ts';
import { isGuestDevice } from '../../request/names.ts';
import { STORED_SETTINGS_KEY } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { withXenstore } from '../../system/xenstore/open.ts';
import type { Context } from '../context.ts';
import { deviceKeys, withFreeLocks } from '../locks.ts';
import { endCounting } from '../traffic/counting.ts';
import { unlearnedBridges } from '../vif/learning.ts';
import { releaseOf } from '../vif/lease.ts';
import { unlimitSteps } from '../vif/limited-port.ts';
import { letGoOfPort, portFilterRemoval } from '../vif/port-filter.ts';
import { letGoSteps } from '../vif/routed.ts';
import { orLeft } from '../vif/run.ts';
import { wayOut } from '../vif/switch.ts';
import { partSteps } from '../vif/twin.ts';
import { forgetLeaving, leftDevices, readLeaving } from './leaving.ts';
import type { RulesInPlace } from './refilter/records.ts';

/**
 * Removes what devices have left whose offline was interrupted or never came: rules, elements of the strict table,
 * proxy entries, DHCP entries, a switch's port, records. The steps are planned for the present host. A device whose
 * lock is held is left to the holder. Bridges without strict guests learn addresses again as before them.
 * @param context the call
 * @param devices the kernel's names of the devices
 * @returns a sentence for each device that had left something
 */
export async function collect(context: Context, devices: readonly string[]): Promise<string[]> {
  const { system } = context;
  const sentences: string[] = [];
  for (const device of devices) {
    await withFreeLocks(system, deviceKeys(device), async () => {
      // A hook that held the lock until now may have done this, or may use the device again. An offline that was killed
      // while it waited for the lock has done nothing.
      if (hereFinder(system)(device) && readLeaving(system, device) !== 'begun')
        return forgetLeaving(system, device);
      sentences.push(...(await finishInWords(context, device)));
    });
  }
  for (const bridge of unlearnedBridges(system))
    sentences.push(...(await letGoOfPort(system, bridge, () => [])));
  return sentences;
}

/**
 * The devices that this host no longer has and of which something is left.
 * @param system the way to the records
 * @param rules the present rules of all devices; without them the devices are those that the records tell
 * @returns the kernel's names of the devices
 */
export function goneDevices(system: System, rules?: RulesInPlace): string[] {
  const isHere = hereFinder(system);
  const known = [
    ...readVifRecords(system).keys(),
    ...[...readStrictRecords(system).values()].map(({ device }) => device),
    ...readCountedRecords(system).keys(),
    ...(rules?.[4].keys() ?? []),
    ...(rules?.[6].keys() ?? []),
  ];
  const gone = known.filter((device) => isGuestDevice(device) && !isHere(device));
  return [...new Set([...leftDevices(system), ...gone])];
}

/** What one device has left must not keep the others' from going. */
async function finishInWords(context: Context, device: string): Promise<string[]> {
  try {
    return [...(await recoverRun(context.system, device)), ...(await finish(context, device))];
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [`What ${device} has left could not be taken away: ${messageOf(thrown)}`];
  }
}

/** The caller must hold the device's lock. */
async function finish(context: Context, device: string): Promise<string[]> {
  const { system } = context;
  const bridge = readVifRecord(system, device)?.bridge ?? '';
  const plan = await leavePlan(context, device);
  const failures = [...(await applyTeardown(system, plan))];
  const isDone = plan.steps.length > 0;
  const ports = () =>
    [...readStrictRecords(system)].filter(([, record]) => record.device === device).map(([port]) => port);
  const isHeld = ports().length > 0;
  failures.push(...(await letGoOfPort(system, bridge, () => portFilterRemoval(system, device, ports()))));
  failures.push(...(await endCount(system, device)));
  await forgetMark(context, device);
  forgetLeaving(system, device);
  if (!isDone && !isHeld) return [];
  // The interrupted offline may have removed more than the record tells.
  const wrong = failures.filter((sentence) => failuresOf({ error: sentence }).length > 0);
  return [`What ${device} had left on this host was taken away.`, ...wrong];
}

async function endCount(system: System, device: string): Promise<string[]> {
  if (!system.exists(countedRecordPath(device))) return [];
  try {
    await endCounting(system, device);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [messageOf(thrown)];
  }
}

/**
 * Removes the stored settings; there are none where xenstore does not answer or the guest is gone from it. A tap has
 * the settings of its vif.
 */
async function forgetMark({ system, env }: Context, device: string): Promise<void> {
  const [, domid, devid] = /^vif(\d+)\.(\d+)$/.exec(device) ?? [];
  if (devid === undefined) return;
  const path = `backend/vif/${domid}/${devid}/${STORED_SETTINGS_KEY}`;
  try {
    await withXenstore(await system.native(), env, async (store) => {
      const [mark] = await store.readMany([path]);
      if (mark !== undefined) await store.remove(path);
    });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
  }
}

/** The steps that the offline of the device's own hook would take. */
async function leavePlan(context: Context, device: string): Promise<Plan> {
  const { system } = context;
  const call = deviceCall(device);
  const state = observeVif(system, call, undefined);
  const { port, record } = state;
  const name = port?.name ?? record?.name ?? device;
  const path = vifRecordPath(device);
  const rules = orLeft(context.log, () => listRules(system, device), record?.rules ?? NO_RULES);
  if (record?.switchPort !== undefined) {
    const isTaken = port === undefined && deviceExists(system, name);
    const leave = isTaken ? 'none' : await wayOut({ context, dryRun: false }, name);
    return planSwitchLeave(state, name, rules, path, leave);
  }
  if (record?.assigned === undefined)
    return planLeave(state, name, rules, path, record === undefined ? [] : unlimitSteps(system, record));
  const part = partSteps(system, { call, state, rename: { name } });
  return planUnrouted(state, name, rules, path, {
    twin: part.twin,
    before: [...part.steps, ...releaseOf(system, record, { device: name })],
    after: letGoSteps(system, device, record.proxyNdp),
  });
}
