import type { Context } from '../lib/hook/context.ts';
import {
  attachedName,
  attachRouted,
  detachRouted,
  wantedNetdev,
  warnOfRanges,
} from '../lib/hook/vif/routed.ts';
import { type VifRun, warnOfMasks, warnOfUnfit } from '../lib/hook/vif/run.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { observeUplink } from '../lib/observe/vif/address.ts';
import { awaitVif } from '../lib/observe/vif/vif.ts';
import { ROUTE_METRIC, routedAssignments } from '../lib/plan/routed/route.ts';
import { mustFitHost } from '../lib/request/addresses.ts';
import { parseVifSettings } from '../lib/request/vif.ts';

/**
 * Routes a guest's addresses to its vif (online, offline) or tap (add, remove) (docs/contract.md, "vif-route online"
 * and "vif-route offline").
 */
export function vifRoute(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const settings = parseVifSettings(run.call, run.given, run.stored);
  warnOfUnfit(run, settings);
  warnOfMasks(run);
  const { addresses } = settings;
  for (const address of addresses) mustFitHost(address.address, address);
  const hasSix = addresses.some(({ family }) => family === 6);
  const hasFour = addresses.length === 0 || addresses.some(({ family }) => family === 4);
  const uplink = observeUplink(system, wantedNetdev(run), [
    ...(hasFour ? ([4] as const) : []),
    ...(hasSix ? ([6] as const) : []),
  ]);
  const state = await awaitVif(system, run.call, settings.rename);
  const name = attachedName(state, settings);
  warnOfRanges(run, name, uplink, addresses);
  await attachRouted(run, {
    state,
    settings,
    addresses,
    uplink: hasSix ? uplink : undefined,
    assigned: routedAssignments(name, uplink, addresses, ROUTE_METRIC[run.call.type]),
    dhcp: { leaseSteps: [], lease: undefined },
  });
  if (!run.dryRun) log.info(`${name} is routed to by way of ${uplink.device}.`);
}

async function detach(run: VifRun): Promise<void> {
  await detachRouted(run, () => []);
  if (!run.dryRun) run.context.log.info(`${run.call.device} is not routed to any more.`);
}
