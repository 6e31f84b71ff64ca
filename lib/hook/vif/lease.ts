import { HostError, messageOf, XenNetworkError } from '../../errors.ts';
import { type DhcpState, observeDhcp, observeHolders } from '../../observe/dhcp/dhcp.ts';
import type { VifRecord } from '../../observe/records.ts';
import { planGuestLease, planGuestRelease } from '../../plan/dhcp/lease.ts';
import type { Step } from '../../plan/step.ts';
import type { Values } from '../../request/arguments.ts';
import { type Lease, parseDhcpWish } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

/** A guest's entry at a DHCP server, and what is to be done for it. */
export interface GuestLease {
  /** The entry that the guest then has. */
  readonly lease: VifRecord['lease'];
  readonly leaseSteps: readonly Step[];
  /** What is done instead where the server cannot be had and nobody asked for it by name; absent where it is an error. */
  readonly withoutLease?: readonly Step[];
  /** Why it has no entry though nobody asked for none. */
  readonly unserved?: string;
}

/**
 * Gives a guest an entry at the host's DHCP server where dhcp= asks for it (docs/contract.md, "DHCP"). A guest has one,
 * for its vif: a tap beside it has none, as ever.
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
 * Steps that take a guest's entry away by its record, whatever runs by now.
 * @param system the way to the servers' files
 * @param before the record; none where nothing is remembered
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

/** The entry that another server than the chosen one, or the same in other files, has from before. */
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
