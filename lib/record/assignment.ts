/**
 * One part of an assignment: the addresses and routes that a routed guest's device gets. It stands in the device's
 * record, so that offline needs nothing else to take it away.
 */
export type Assignment = AssignedAddress | AssignedRoute | AssignedProxy;

/** An address of dom0 on the guest's device. */
export interface AssignedAddress {
  readonly kind: 'address';
  readonly device: string;
  /** ADDRESS/LENGTH */
  readonly prefix: string;
}

/** A route to the guest. */
export interface AssignedRoute {
  readonly kind: 'route';
  readonly device: string;
  /** ADDRESS/LENGTH */
  readonly prefix: string;
  /** dom0's source address towards the guest; undefined leaves it to the kernel, as for IPv6. */
  readonly source?: string;
  readonly metric?: number;
}

/** A proxy-neighbour entry: dom0 answers neighbour solicitations for the guest's IPv6 address on the network's side. */
export interface AssignedProxy {
  readonly kind: 'proxy';
  readonly device: string;
  readonly address: string;
}

/** The metric that the kernel gives to an IPv6 route without one (linux/ipv6_route.h, IP6_RT_PRIO_USER). */
const IPV6_METRIC = 1024;

/** A route in the kernel's table. */
export interface PresentRoute {
  /** ADDRESS/LENGTH */
  readonly prefix: string;
  readonly device: string;
  /** The kernel's value: where none was given, 0 in IPv4 and 1024 in IPv6. */
  readonly metric: number;
}

/**
 * Whether the kernel has a route.
 * @param routes the kernel's routes
 * @param route the route to look for
 */
export function isRouted(routes: readonly PresentRoute[], route: AssignedRoute): boolean {
  const metric = metricOf(route);
  return routes.some(
    ({ prefix, device, metric: other }) =>
      prefix === route.prefix && device === route.device && other === metric,
  );
}

/**
 * Whether an address or prefix is IPv6.
 * @param text ADDRESS or ADDRESS/LENGTH
 */
export function isIpv6(text: string): boolean {
  return text.includes(':');
}

/**
 * The metric that the kernel shows for a route.
 * @param route a route of an assignment
 */
export function metricOf({ metric, prefix }: AssignedRoute): number {
  return metric ?? (isIpv6(prefix) ? IPV6_METRIC : 0);
}
