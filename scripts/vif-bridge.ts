import { mergeValues } from '../lib/contract/arguments.ts';
import { vifRecordPath } from '../lib/contract/paths.ts';
import { parseVifSettings, VIF_KEYS, VIF_VARIABLES, vifRename } from '../lib/contract/vif-request.ts';
import { VerifyError } from '../lib/errors.ts';
import { NO_RULES, vifForwardRules } from '../lib/filter/forward.ts';
import { attachVif, detachVif } from '../lib/hook/attach.ts';
import type { Context } from '../lib/hook/context.ts';
import { runVifHook, type VifRun } from '../lib/hook/vif.ts';
import { type Port, readPort } from '../lib/observe/port.ts';
import { listPortRules, unrestrictedFamilies } from '../lib/observe/rules.ts';
import { awaitVif, findBridge, observeVif } from '../lib/observe/vif.ts';
import { isJoined, type JoinRequest, planJoin, planLeave } from '../lib/plan/vif-bridge.ts';

/** Puts a guest's vif (online, offline) or tap (add, remove) on a bridge: contract 3, vif-bridge. */
export function vifBridge(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const settings = parseVifSettings(run.call, run.given, run.stored);
  const bridge = findBridge(system, settings.bridge);
  const state = await awaitVif(system, run.call, settings.rename);
  const name = settings.rename?.name ?? state.port.name;
  // A device that nobody has attached yet has no rules: then there is no need to list them all.
  const known = state.record !== undefined || state.port.master !== undefined;
  const request: JoinRequest = {
    call: run.call,
    rename: settings.rename,
    bridge,
    mtu: settings.mtu ?? bridge.mtu,
    inPlace: known ? listPortRules(system, name) : NO_RULES,
    rules: settings.filter
      ? vifForwardRules(name, settings.addresses, unrestrictedFamilies(system))
      : NO_RULES,
    recordPath: vifRecordPath(run.call.device),
  };
  await attachVif(run, {
    name,
    bridge: bridge.name,
    rules: request.rules,
    restricted: settings.addresses.length > 0,
    plan: (rules) => planJoin(state, { ...request, rules }),
    verify: () => verify(readPort(system, name), name, request),
    mtu: request.mtu,
  });
  if (!run.dryRun) log.info(`${name} is a port of ${bridge.name}.`);
}

async function detach(run: VifRun): Promise<void> {
  const values = mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored);
  const rename = vifRename(run.call, values);
  const state = observeVif(run.context.system, run.call, rename);
  const name = state.port?.name ?? state.record?.name ?? rename?.name ?? run.call.device;
  await detachVif(run, {
    state,
    name,
    bridge: state.record?.bridge ?? values['bridge'] ?? '',
    plan: (rules) => planLeave(state, name, rules, vifRecordPath(run.call.device)),
  });
  if (!run.dryRun) run.context.log.info(`${name} is off its bridge.`);
}

function verify(port: Port | undefined, name: string, request: JoinRequest): void {
  if (port !== undefined && isJoined(port, name, request)) return;
  throw new VerifyError(
    `${name} is not a running port of ${request.bridge.name} with MTU ${request.mtu} after all steps: ` +
      'something else changes it at the same time (NetworkManager, systemd-networkd?). Keep it away from vif devices.',
  );
}
