import type { Values } from '../contract/arguments.ts';
import { type Lease, parseDhcpWish } from '../contract/dhcp.ts';
import { messageOf, XenNetworkError } from '../errors.ts';
import { type DhcpState, observeDhcp, observeHolders } from '../observe/dhcp.ts';
import type { VifRecord } from '../observe/records.ts';
import { planGuestLease, planGuestRelease } from '../plan/dhcp.ts';
import type { Step } from '../plan/step.ts';
import type { System } from '../system/system.ts';
import type { VifRun } from './vif.ts';

/** A guest's entry at a DHCP server, and what is to be done for it. */
export interface GuestLease {
  /** The entry that the guest then has. */
  readonly lease: VifRecord['lease'];
  readonly leaseSteps: readonly Step[];
}

/**
 * Gives a guest an entry at the host's DHCP server where dhcp= asks for it (contract 3, vif-nat). A guest has one, for
 * its vif: a tap beside it has none, as ever.
 * @param run the call
 * @param values everything that was said of the device
 * @param lease what the guest is to be told
 * @param before what an earlier online left
 * @throws HostError when DHCP is asked for and cannot be had; RequestError for a value that no entry can hold
 */
export function leaseGuest(
  run: VifRun,
  values: Values,
  lease: Lease,
  before: VifRecord | undefined,
): GuestLease {
  const { system } = run.context;
  const dhcp = run.call.type === 'vif' ? observeDhcp(system, parseDhcpWish(values)) : undefined;
  if (dhcp !== undefined) {
    const moved = before?.lease?.server === 'dnsmasq' ? elsewhere(system, dhcp, lease) : [];
    return {
      lease: { server: dhcp.server, name: lease.name },
      leaseSteps: [...moved, ...planGuestLease(dhcp, lease)],
    };
  }
  const old = before?.lease;
  return { lease: undefined, leaseSteps: old === undefined ? [] : stepsOfRelease(system, old, lease.device) };
}

/**
 * Steps that take a guest's entry away; none where there is none.
 * @param run the call
 * @param values everything that was said of the device
 * @param guest the entry's name, and the device
 * @param before what online left; where that is gone, dhcp= tells which server may have an entry
 */
export function releaseGuest(
  run: VifRun,
  values: Values,
  guest: Pick<Lease, 'name' | 'device'>,
  before: VifRecord | undefined,
): Step[] {
  const { system, log } = run.context;
  if (before !== undefined)
    return before.lease === undefined ? [] : stepsOfRelease(system, before.lease, guest.device);
  try {
    const dhcp = run.call.type === 'vif' ? observeDhcp(system, parseDhcpWish(values)) : undefined;
    return dhcp === undefined ? [] : planGuestRelease(dhcp, guest);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
    return [];
  }
}

function stepsOfRelease(
  system: System,
  { server, name }: NonNullable<VifRecord['lease']>,
  device: string,
): Step[] {
  return observeHolders(system, server).flatMap((holder) => planGuestRelease(holder, { name, device }));
}

/** The entry that another dnsmasq than the chosen one has from before. */
function elsewhere(system: System, chosen: DhcpState, guest: Pick<Lease, 'name' | 'device'>): Step[] {
  const folder = chosen.server === 'dnsmasq' ? chosen.folder : undefined;
  return observeHolders(system, 'dnsmasq')
    .filter((holder) => holder.server === 'dnsmasq' && holder.folder !== folder)
    .flatMap((holder) => planGuestRelease(holder, guest));
}
