/** Something that a hook lays on a device for a guest: kept in its record, so that offline needs nothing else. */
export type Laid = LaidAddress | LaidRoute | LaidProxy;

/** An address of dom0 on the guest's device. */
export interface LaidAddress {
  readonly kind: 'address';
  readonly device: string;
  /** ADDRESS/LENGTH */
  readonly prefix: string;
}

/** A route to the guest. */
export interface LaidRoute {
  readonly kind: 'route';
  readonly device: string;
  /** ADDRESS/LENGTH */
  readonly prefix: string;
  /** What dom0 calls itself towards the guest; the kernel's choice for IPv6. */
  readonly source?: string;
  readonly metric?: number;
}

/** A guest's IPv6 address that dom0 answers for on the network's side. */
export interface LaidProxy {
  readonly kind: 'proxy';
  readonly device: string;
  readonly address: string;
}

/** What the kernel gives an IPv6 route without a metric (linux/ipv6_route.h, IP6_RT_PRIO_USER). */
const IPV6_METRIC = 1024;

/** A route of the kernel's. */
export interface PresentRoute {
  /** ADDRESS/LENGTH */
  readonly prefix: string;
  readonly device: string;
  /** The kernel's number: 0 for none in IPv4, 1024 in IPv6. */
  readonly metric: number;
}

/**
 * Whether a route is there.
 * @param routes the kernel's routes
 * @param route the one looked for
 */
export function isRouted(routes: readonly PresentRoute[], route: LaidRoute): boolean {
  const metric = metricOf(route);
  return routes.some(
    ({ prefix, device, metric: other }) =>
      prefix === route.prefix && device === route.device && other === metric,
  );
}

/**
 * Whether an address or prefix is one of IPv6.
 * @param text ADDRESS or ADDRESS/LENGTH
 */
export function isSix(text: string): boolean {
  return text.includes(':');
}

/**
 * The metric that the kernel gives a route.
 * @param route what is laid
 */
export function metricOf({ metric, prefix }: LaidRoute): number {
  return metric ?? (isSix(prefix) ? IPV6_METRIC : 0);
}
