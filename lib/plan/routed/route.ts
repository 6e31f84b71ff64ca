import type { Uplink } from '../../observe/vif/address.ts';
import type { AssignedRoute, Assignment } from '../../record/assignment.ts';
import type { Prefix } from '../../request/addresses.ts';
import { prefixText } from '../../request/addresses.ts';

/**
 * The metrics of guests' routes. QEMU may keep a guest's tap when the guest's own driver takes over, so the tap's routes
 * come after the vif's, which stand back until then (docs/contract.md, "vif-route online").
 */
export const ROUTE_METRIC = { vif: 2, tap: 3 } as const;

/**
 * The assignment of a guest with vif-route: dom0's main addresses on the device, a route for each of the guest's
 * addresses and ranges, and for single IPv6 addresses a proxy entry on the network's device, which then answers for
 * them (docs/contract.md, "vif-route online").
 * @param name the device's name once it is attached
 * @param uplink the network's device
 * @param addresses the guest's addresses
 * @param metric the metric of the routes
 */
export function routedAssignments(
  name: string,
  uplink: Uplink,
  addresses: readonly Prefix[],
  metric: number,
): Assignment[] {
  const { device, main4, main6 } = uplink;
  const hasSix = addresses.some(({ family }) => family === 6);
  const address = (prefix: string): Assignment => ({ kind: 'address', device: name, prefix });
  return [
    ...(main4 === undefined ? [] : [address(`${main4}/32`)]),
    ...(main6 === undefined || !hasSix ? [] : [address(`${main6}/128`)]),
    ...addresses.map((prefix): AssignedRoute => {
      const route = { kind: 'route', device: name, prefix: prefixText(prefix), metric } as const;
      return prefix.family === 4 && main4 !== undefined ? { ...route, source: main4 } : route;
    }),
    ...addresses
      .filter(({ family, length }) => family === 6 && length === 128)
      .map((prefix): Assignment => ({ kind: 'proxy', device, address: prefix.address })),
  ];
}

/**
 * The warnings about IPv6 ranges, for which no proxy entry can be made.
 * @param device the guest's device
 * @param uplink the network's device
 * @param addresses the guest's addresses
 */
export function rangeWarnings(device: string, uplink: string, addresses: readonly Prefix[]): string[] {
  return addresses
    .filter(({ family, length }) => family === 6 && length < 128)
    .map(
      (prefix) =>
        `${device}: ${prefixText(prefix)} is routed to the guest, but ${uplink} answers for single IPv6 addresses only; ` +
        "the network's router needs a route to this range by this host.",
    );
}
