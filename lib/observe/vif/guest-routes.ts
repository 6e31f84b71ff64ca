import { type Assignment, isIpv6, metricOf } from '../../record/assignment.ts';
import { isGuestDevice } from '../../request/names.ts';
import type { System } from '../../system/system.ts';
import type { FoundRoutes, KernelRoute } from '../host/kernel-routes.ts';
import { deviceExists, isGuests } from '../host/port.ts';
import { readVifRecordsBut, type VifRecord } from '../records.ts';

/** The records of guests' devices, by the kernel's names of the devices. */
export type VifRecords = ReadonlyMap<string, VifRecord>;

/**
 * Those of a guest's IPv4 addresses that are the host's own, as routes; /proc/net/route does not list them.
 * @param system the way to the kernel
 * @param assigned the guest's assignment
 */
export function hostAddresses(system: System, assigned: readonly Assignment[]): KernelRoute[] {
  const wanted = assigned.flatMap((item) => (item.kind === 'route' ? [item.prefix] : []));
  const single = wanted.filter((prefix) => prefix.endsWith('/32')).map((prefix) => prefix.slice(0, -3));
  const hasRange = wanted.some((prefix) => !prefix.includes(':') && !prefix.endsWith('/32'));
  return (hasRange ? system.ownIpv4() : system.ownIpv4(single)).map(({ device, address }) => ({
    family: 4,
    prefix: `${address}/32`,
    device,
    metric: 0,
    local: true,
  }));
}

/**
 * The records of those guests that a guest's addresses must be compared with. Where the kernel's routes are all known, a
 * guest's device among them shows what its record would; of hundreds of guests hardly any record is read then.
 * @param system the way to the records
 * @param found the kernel's routes
 */
export function recordsBeside(system: System, { devices, isCut }: FoundRoutes): VifRecords {
  return readVifRecordsBut(system, isCut ? new Set() : devices);
}

/**
 * The routes to guests by their records: those that the kernel does not have while a guest's device is down, and those
 * of a host that has too many routes to read them all.
 * @param records the guests' records
 */
export function recordedRoutes(system: System, records: VifRecords): KernelRoute[] {
  return [...records.values()]
    .filter(({ name }) => deviceExists(system, name))
    .flatMap(({ assigned = [] }) =>
      assigned.flatMap((item) =>
        item.kind === 'route'
          ? [
              {
                family: isIpv6(item.prefix) ? 6 : 4,
                prefix: item.prefix,
                device: item.device,
                metric: metricOf(item),
                local: false,
              } as const,
            ]
          : [],
      ),
    );
}

/**
 * The guests' devices among the devices of routes. A device that somebody renamed since has another name than its record
 * says.
 * @param system the way to the devices' aliases
 * @param records the guests' records
 * @param routes the kernel's routes
 */
export function guestsAmong(
  system: System,
  records: VifRecords,
  routes: readonly KernelRoute[],
): Set<string> {
  const names = new Set([...records.values()].map((record) => record.name));
  const isGuest = (device: string) => isGuestDevice(device) || names.has(device) || isGuests(system, device);
  return new Set([...new Set(routes.map((route) => route.device))].filter(isGuest));
}
