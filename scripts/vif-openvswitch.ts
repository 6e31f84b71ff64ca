import { VerifyError } from '../lib/errors.ts';
import { NO_RULES } from '../lib/filter/forward.ts';
import type { Context } from '../lib/hook/context.ts';
import { asksForStrict, strictRecord } from '../lib/hook/guests/strict-record.ts';
import { attachVif, detachVif } from '../lib/hook/vif/attach.ts';
import { type VifRun, warnOfUnfit } from '../lib/hook/vif/run.ts';
import { mustRun, noBridge, switchIds, switchName, wayOut } from '../lib/hook/vif/switch.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { readPaths } from '../lib/observe/forward/forwarding.ts';
import { deviceExists, readLink } from '../lib/observe/host/port.ts';
import { isKernelPort, isSwitchPort, mustBeKernels } from '../lib/observe/vif/switch.ts';
import { awaitVif, observeVif } from '../lib/observe/vif/vif.ts';
import type { Refusable } from '../lib/plan/step.ts';
import { routerSettingPaths } from '../lib/plan/unheard.ts';
import { butRefused } from '../lib/plan/vif/device.ts';
import { isReady, planSwitchJoin, planSwitchLeave } from '../lib/plan/vif/openvswitch.ts';
import { vifRecordPath } from '../lib/record/paths.ts';
import { mergeValues, type Values } from '../lib/request/arguments.ts';
import { parseOvsBridge, switchSettings, trunkRanges } from '../lib/request/openvswitch.ts';
import { formerRename, STORED_SETTINGS_KEY, VIF_KEYS, VIF_VARIABLES } from '../lib/request/vif.ts';

/**
 * Makes a guest's vif (online, offline) or tap (add, remove) a port of an Open vSwitch bridge (docs/contract.md,
 * "vif-openvswitch online" and "vif-openvswitch offline").
 */
export function vifOpenvswitch(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const values = valuesOf(run);
  const settings = switchSettings(run.call, run.given, run.stored);
  warnOfUnfit(run, settings);
  const target = parseOvsBridge(values['bridge'] ?? noBridge());
  const isStrict = asksForStrict(settings);
  if (!run.dryRun) await mustRun(system);
  if (!run.dryRun && isStrict) await mustBeKernels(system, run.call.device, target.bridge);
  const ids = await switchIds(run, values);
  const state = await awaitVif(system, run.call, settings.rename);
  const name = switchName(settings.rename?.name ?? state.port.name);
  if (settings.addresses.length > 0 && !isStrict)
    log.warn(
      `${name}: ip= makes no filter rules for a switch's port; packets in Open vSwitch never pass FORWARD.`,
    );
  const { rename, mtu } = settings;
  const request = {
    call: run.call,
    rename,
    target,
    mtu,
    heard: readPaths(system, routerSettingPaths(state.port.name)),
    ids,
    isPort: !run.dryRun && (await isSwitchPort(system, state.port)),
    recordPath: vifRecordPath(run.call.device),
  };
  const former = state.record?.name;
  const ports = former === undefined ? ([name] as const) : ([name, former] as const);
  const to = { isSwitched: true, vlans: trunkRanges(target.trunks) };
  const join = () =>
    attachVif(run, {
      name,
      bridge: target.bridge,
      rules: NO_RULES,
      restricted: true,
      plan: () => planSwitchJoin(state, request),
      verify: (refused) => verify(run, { name, bridge: target.bridge, mtu, refused, isStrict }),
      mtu,
      // Other guests have nothing in xenstore that only refilter reads.
      ...(isStrict || settings.account !== undefined || run.stored[STORED_SETTINGS_KEY] !== undefined
        ? { settings }
        : {}),
      account: settings.account === true,
      portFilter: {
        port: name,
        former,
        bridge: '',
        fresh: isStrict ? strictRecord(system, run.call.device, settings, ports, to) : undefined,
      },
    });
  try {
    await join();
  } catch (thrown) {
    if (!(thrown instanceof Error && thrown.cause instanceof VerifyError)) throw thrown;
    // A dead guest's port of the same name may have been taken for this one; the undo has removed it.
    await join();
  }
  if (!run.dryRun) log.info(`${name} is a port of the switch ${target.bridge}.`);
}

async function detach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const values = valuesOf(run);
  const rename = formerRename(run.call, values);
  const state = observeVif(system, run.call, rename);
  const name = state.port?.name ?? state.record?.name ?? rename?.name ?? run.call.device;
  const taken = state.port === undefined && deviceExists(system, name);
  const leave = taken ? 'none' : await wayOut(run, name);
  await detachVif(run, {
    state,
    name,
    bridge: state.record?.bridge ?? values['bridge'] ?? '',
    plan: (rules) => planSwitchLeave(state, name, rules, vifRecordPath(run.call.device), leave),
  });
  if (!run.dryRun) log.info(`${name} is off its switch.`);
}

function valuesOf(run: VifRun): Values {
  return mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored);
}

/** What a device must be once it is attached. */
interface Wanted {
  readonly name: string;
  readonly bridge: string;
  readonly mtu: number | undefined;
  readonly refused: ReadonlySet<Refusable>;
  /** Only on the kernel's switch does the strict filter hold it. */
  readonly isStrict: boolean;
}

/** ovs-vsctl reports success even when the switch could not open the device. */
async function verify(run: VifRun, { name, bridge, mtu, refused, isStrict }: Wanted): Promise<void> {
  const { system } = run.context;
  const port = readLink(system, name);
  const isTaken =
    port !== undefined &&
    isReady(butRefused(port, refused, mtu), name, mtu) &&
    (isStrict ? isKernelPort(port) : await isSwitchPort(system, port));
  if (isTaken) return;
  const kind = isStrict ? "kernel's switch" : 'switch';
  throw new VerifyError(
    `${name} is no running port of the ${kind} ${bridge} after all steps. Look for its name in ovs-vswitchd's log, and whether ovs-vswitchd runs.`,
  );
}
