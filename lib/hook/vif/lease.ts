import { HostError, messageOf, XenNetworkError } from '../../errors.ts';
import { type DhcpState, observeDhcp, observeHolders } from '../../observe/dhcp/dhcp.ts';
import type { VifRecord } from '../../observe/records.ts';
import { planGuestLease, planGuestRelease } from '../../plan/dhcp/lease.ts';
import type { Step } from '../../plan/step.ts';
import type { Values } from '../../request/arguments.ts';
import { type Lease, parseDhcpWish } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

/** A guest's DHCP entry, and the steps for it. */
export interface GuestLease {
  /** The entry that the guest will have. */
  readonly lease: VifRecord['lease'];
  readonly leaseSteps: readonly Step[];
  /** The steps to use instead when the server refuses and nobody set dhcp=; undefined where a refusal is an error. */
  readonly withoutLease?: readonly Step[];
  /** Why the guest has no entry, though nobody excluded one. */
  readonly unserved?: string;
}

/**
 * The steps that give a guest a DHCP entry where dhcp= asks for it (docs/contract.md, "DHCP"). Only the vif has an
 * entry: as with the stock scripts a tap beside it has none.
 * @param run the call
 * @param values all settings of the device
 * @param lease the content of the entry
 * @param before the record of an earlier online
 * @throws HostError when dhcp= is set and no entry can be made; RequestError for a value that no entry can hold
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
    const otherwise = releaseOf(system, before, lease);
    try {
      const old = before?.lease;
      const moved = old === undefined ? [] : elsewhere(system, old, dhcp, lease);
      return {
        lease: { server: dhcp.server, name: lease.name, files: dhcp.service.files },
        leaseSteps: [...moved, ...planGuestLease(dhcp, lease)],
        ...(dhcp.demanded ? {} : { withoutLease: otherwise }),
      };
    } catch (thrown) {
      if (dhcp.demanded || !(thrown instanceof HostError)) throw thrown;
      return { lease: undefined, leaseSteps: otherwise, unserved: messageOf(thrown) };
    }
  }
  return { lease: undefined, leaseSteps: releaseOf(system, before, lease) };
}

/**
 * The steps that remove a guest's entry; empty where there is none.
 * @param run the call
 * @param values all settings of the device
 * @param guest the entry's name, and the device
 * @param before the record of online; without one dhcp= tells which server may have an entry
 */
export function releaseGuest(
  run: VifRun,
  values: Values,
  guest: Pick<Lease, 'name' | 'device'>,
  before: VifRecord | undefined,
): Step[] {
  const { system, log } = run.context;
  if (before !== undefined) return releaseOf(system, before, guest);
  try {
    const dhcp = run.call.type === 'vif' ? observeDhcp(system, parseDhcpWish(values)) : undefined;
    return dhcp === undefined ? [] : planGuestRelease(dhcp, guest);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
    return [];
  }
}

/**
 * The steps that remove a guest's entry by its record, from whatever servers run now.
 * @param system the way to the servers' files
 * @param before the record; undefined where there is none
 * @param guest the device
 */
export function releaseOf(
  system: System,
  before: VifRecord | undefined,
  { device }: Pick<Lease, 'device'>,
): Step[] {
  const lease = before?.lease;
  if (lease === undefined) return [];
  return observeHolders(system, lease).flatMap((holder) =>
    planGuestRelease(holder, { name: lease.name, device }),
  );
}

/** Removes an earlier entry from another server than the chosen one, or from other files of it. */
function elsewhere(
  system: System,
  before: NonNullable<VifRecord['lease']>,
  chosen: DhcpState,
  guest: Pick<Lease, 'name' | 'device'>,
): Step[] {
  const [place] = chosen.service.files;
  return observeHolders(system, before)
    .filter((holder) => placeOf(holder) !== place)
    .flatMap((holder) => planGuestRelease(holder, guest));
}

function placeOf(state: DhcpState): string {
  return state.server === 'dhcpd' ? state.conf.path : state.folder;
}
