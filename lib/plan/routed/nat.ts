import type { Uplink } from '../../observe/vif/address.ts';
import type { AssignedRoute, Assignment } from '../../record/assignment.ts';
import type { Prefix } from '../../request/addresses.ts';
import type { NatAddresses } from '../../request/nat-address.ts';
import { ROUTE_METRIC, routedAssignments } from './route.ts';

/**
 * The assignment of a guest behind vif-nat: the router's address on its device, a route to each of its IPv4 addresses
 * (docs/contract.md, "vif-nat online"), and for IPv6 the same as with vif-route.
 * @param name the device's name once it is attached
 * @param addresses the guest's addresses and the router's
 * @param uplink the network's device, where the guest has IPv6 addresses
 * @param type whether the device is the guest's vif or its tap
 */
export function natAssignments(
  name: string,
  addresses: NatAddresses,
  uplink: Uplink | undefined,
  type: 'vif' | 'tap',
): Assignment[] {
  const { guest, router, others } = addresses;
  const route = (address: string): AssignedRoute => ({
    kind: 'route',
    device: name,
    prefix: `${address}/32`,
    source: router,
    ...(type === 'tap' ? { metric: ROUTE_METRIC.tap } : {}),
  });
  const four = others.filter(({ family }) => family === 4);
  const six = others.filter(({ family }) => family === 6);
  return [
    { kind: 'address', device: name, prefix: `${router}/32` },
    route(guest),
    ...four.map(({ address }) => route(address)),
    ...(uplink === undefined || six.length === 0
      ? []
      : routedAssignments(name, { ...uplink, main4: undefined }, six, ROUTE_METRIC[type])),
  ];
}

/**
 * All addresses of a guest behind vif-nat, for its filter rules.
 * @param addresses the guest's addresses and the router's
 */
export function natGuestAddresses(addresses: NatAddresses): Prefix[] {
  return [{ family: 4, address: addresses.guest, length: 32 }, ...addresses.others];
}
