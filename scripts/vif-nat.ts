import type { Context } from '../lib/hook/context.ts';
import { leaseGuest, releaseGuest } from '../lib/hook/vif/lease.ts';
import {
  attachedName,
  attachRouted,
  detachRouted,
  wantedNetdev,
  warnOfRanges,
} from '../lib/hook/vif/routed.ts';
import { type VifRun, warnOfUnfit } from '../lib/hook/vif/run.ts';
import { runVifHook } from '../lib/hook/vif/vif.ts';
import { observeUplink } from '../lib/observe/vif/address.ts';
import { awaitVif } from '../lib/observe/vif/vif.ts';
import { natAssignments, natGuestAddresses } from '../lib/plan/routed/nat.ts';
import { mergeValues, type Values } from '../lib/request/arguments.ts';
import { guestName } from '../lib/request/dhcp.ts';
import { natAddresses } from '../lib/request/nat-address.ts';
import { parseVifSettings, VIF_KEYS, VIF_VARIABLES } from '../lib/request/vif.ts';

/**
 * Gives a guest's vif (online, offline) or tap (add, remove) a private network of its own (docs/contract.md, "vif-nat
 * online" and "vif-nat offline").
 */
export function vifNat(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const values = valuesOf(run);
  const { domid, handle } = guestOf(run, values);
  // Here the list means something else than in the other hooks, so only natAddresses reads it.
  const settings = parseVifSettings(run.call, { ...run.given, ip: '' }, { ...run.stored, ip: undefined });
  warnOfUnfit(run, settings);
  const addresses = natAddresses(values['ip'] ?? '', domid, handle);
  const { guest, router, others } = addresses;
  const hasSix = others.some(({ family }) => family === 6);
  const uplink = hasSix ? observeUplink(system, wantedNetdev(run), [6]) : undefined;
  const state = await awaitVif(system, run.call, settings.rename);
  const device = attachedName(state, settings);
  warnOfRanges(run, device, uplink, others);
  const lease = { name: guestName(domid, handle), mac: values['mac'] ?? '', address: guest, router, device };
  await attachRouted(run, {
    state,
    settings,
    addresses: natGuestAddresses(addresses),
    uplink,
    apart: [guest, router],
    assigned: natAssignments(device, addresses, uplink, run.call.type),
    dhcp: leaseGuest(run, values, lease, state.record),
  });
  if (!run.dryRun) log.info(`${device} leads to ${guest}, whose router is ${router}.`);
}

async function detach(run: VifRun): Promise<void> {
  const values = valuesOf(run);
  const { domid, handle } = guestOf(run, values);
  await detachRouted(run, ({ record }, device) =>
    releaseGuest(run, values, { name: guestName(domid, handle), device }, record),
  );
  if (!run.dryRun) run.context.log.info(`${run.call.device} leads to no guest any more.`);
}

function valuesOf(run: VifRun): Values {
  return mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored);
}

/**
 * The guest's domain id and the number of its card, from which its name and its automatic address follow
 * (docs/contract.md, "vif-nat online").
 */
function guestOf(run: VifRun, values: Values): { readonly domid: number; readonly handle: number } {
  const number = (key: string, otherwise: number) =>
    /^\d{1,5}$/.test(values[key] ?? '') ? Number(values[key]) : otherwise;
  return { domid: number('frontend-id', run.call.domid), handle: number('handle', run.call.devid) };
}
