import { VerifyError } from '../lib/errors.ts';
import { NO_RULES } from '../lib/filter/forward.ts';
import type { Context } from '../lib/hook/context.ts';
import { strictRecord, wantsStrict } from '../lib/hook/guests/strict-record.ts';
import { wantsAccount } from '../lib/hook/traffic/wish.ts';
import { attachVif, detachVif } from '../lib/hook/vif/attach.ts';
import { bridgedRules } from '../lib/hook/vif/bridged-rules.ts';
import { completeTable, limitSteps, unlimitSteps } from '../lib/hook/vif/limited-port.ts';
import { type VifRun, warnOfMasks, warnOfUnfit } from '../lib/hook/vif/run.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { listRules } from '../lib/observe/filter/rules.ts';
import { readPaths } from '../lib/observe/forward/forwarding.ts';
import { readLink } from '../lib/observe/host/port.ts';
import { awaitVif, findBridge, observeVif } from '../lib/observe/vif/vif.ts';
import { defaultPvid, hasVlans } from '../lib/observe/vif/vlan.ts';
import type { Refusable } from '../lib/plan/step.ts';
import { routerSettingPaths } from '../lib/plan/unheard.ts';
import { isJoined, type JoinRequest, planJoin, planLeave } from '../lib/plan/vif/bridge.ts';
import { butRefused } from '../lib/plan/vif/device.ts';
import { portVlans } from '../lib/plan/vif/vlan.ts';
import { vifRecordPath } from '../lib/record/paths.ts';
import { mergeValues } from '../lib/request/arguments.ts';
import { formerRename, parseVifSettings, VIF_KEYS, VIF_VARIABLES } from '../lib/request/vif.ts';
import { type PortVlans, parseVlans, taggedRanges } from '../lib/request/vlan.ts';
import type { System } from '../lib/system/system.ts';

/**
 * Makes a guest's vif (online, offline) or tap (add, remove) a port of a bridge (docs/contract.md, "vif-bridge online"
 * and "vif-bridge offline").
 */
export function vifBridge(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const settings = parseVifSettings(run.call, run.given, run.stored);
  warnOfUnfit(run, settings);
  warnOfMasks(run);
  const bridge = findBridge(system, settings.bridge);
  const state = await awaitVif(system, run.call, settings.rename);
  const name = settings.rename?.name ?? state.port.name;
  // A device that was never attached has no rules, so they need not be listed.
  const known = state.record !== undefined || state.port.master !== undefined;
  const former = state.record === undefined ? [] : [state.record.name];
  const strict = wantsStrict(system, settings, bridge.name);
  const vlans = vlansOf(run, bridge.name);
  const to = { bridge, vlans: taggedRanges(vlans?.ranges ?? []) };
  const ports = [name, ...former] as const;
  const request: JoinRequest = {
    call: run.call,
    rename: settings.rename,
    bridge,
    mtu: settings.mtu ?? bridge.mtu,
    vlans,
    heard: readPaths(system, routerSettingPaths(state.port.name)),
    inPlace: known ? listRules(system, run.call.device) : NO_RULES,
    rules: await bridgedRules(run, settings, { port: name, bridge: bridge.name, strict }),
    recordPath: vifRecordPath(run.call.device),
  };
  await attachVif(run, {
    name,
    bridge: bridge.name,
    rules: request.rules,
    restricted: settings.addresses.length > 0,
    completeTable: () => completeTable(system, bridge.name),
    plan: (rules) => {
      const limits = limitSteps(system, { name, bridge: bridge.name, rules }, state.record);
      return planJoin(state, { ...request, rules, limits });
    },
    verify: (refused) => verify(system, name, request, refused),
    mtu: request.mtu,
    settings,
    account: wantsAccount(system, settings, bridge.name),
    portFilter: {
      port: name,
      former: state.record?.name,
      bridge: bridge.name,
      fresh: strict ? strictRecord(system, run.call.device, settings, ports, to) : undefined,
    },
  });
  if (!run.dryRun) log.info(`${name} is a port of ${bridge.name}.`);
}

async function detach(run: VifRun): Promise<void> {
  const values = mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored);
  const rename = formerRename(run.call, values);
  const { system } = run.context;
  const state = observeVif(system, run.call, rename);
  const name = state.port?.name ?? state.record?.name ?? rename?.name ?? run.call.device;
  const bridge = state.record?.bridge ?? values['bridge'] ?? '';
  await detachVif(run, {
    state,
    name,
    bridge,
    plan: (rules) => {
      const port = state.record ?? { name, bridge, rules };
      const path = vifRecordPath(run.call.device);
      return planLeave(state, name, rules, path, unlimitSteps(system, port));
    },
  });
  if (!run.dryRun) run.context.log.info(`${name} is off its bridge.`);
}

function vlansOf(run: VifRun, bridge: string): PortVlans | undefined {
  const { vlan } = mergeValues(['vlan'], run.given, run.stored);
  return vlan === undefined
    ? undefined
    : portVlans(vlan, parseVlans(vlan), defaultPvid(run.context.system, bridge));
}

function verify(system: System, name: string, request: JoinRequest, refused: ReadonlySet<Refusable>): void {
  const port = readLink(system, name);
  const { bridge, mtu, vlans } = request;
  const what =
    port === undefined || !isJoined(butRefused(port, refused, mtu), name, request)
      ? `is not a running port of ${bridge.name} with MTU ${mtu}`
      : vlans === undefined || hasVlans(system, name, vlans.ranges)
        ? undefined
        : `has not exactly the VLANs ${vlans.text} on ${bridge.name}`;
  if (what === undefined) return;
  throw new VerifyError(
    `${name} ${what} after all steps: something else changes it at the same time (NetworkManager, systemd-networkd?). ` +
      'Keep it away from vif devices.',
  );
}
