import type { KernelRoute } from '../observe/kernel-routes.ts';

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

/** How a route joins others to the same place: alone, behind the one of the guest's other device, or before it. */
export type RouteVerb = 'add' | 'append' | 'prepend' | 'replace';

/**
 * The words of the `ip` command that lays it.
 * @param laid what
 * @param verb for a route
 */
export function layWords(laid: Laid, verb: RouteVerb = 'add'): string[] {
  switch (laid.kind) {
    case 'address':
      // Two devices with one address are no duplicate here: the host has it, wherever a packet for it comes in.
      return [
        'address',
        'replace',
        laid.prefix,
        'dev',
        laid.device,
        ...(isSix(laid.prefix) ? ['nodad'] : []),
      ];
    case 'route':
      return [
        ...['route', verb, laid.prefix, 'dev', laid.device],
        ...(laid.source === undefined ? [] : ['src', laid.source]),
        ...metricWords(laid),
      ];
    case 'proxy':
      return ['neigh', 'add', 'proxy', laid.address, 'dev', laid.device];
  }
}

/**
 * The words of the `ip` command that takes it away.
 * @param laid what
 */
export function takeWords(laid: Laid): string[] {
  switch (laid.kind) {
    case 'address':
      return ['address', 'del', laid.prefix, 'dev', laid.device];
    case 'route':
      return ['route', 'del', laid.prefix, 'dev', laid.device, ...metricWords(laid)];
    case 'proxy':
      return ['neigh', 'del', 'proxy', laid.address, 'dev', laid.device];
  }
}

/**
 * Whether two are the same in every respect.
 * @param a one
 * @param b the other
 */
export function sameLaid(a: Laid, b: Laid): boolean {
  return layWords(a).join(' ') === layWords(b).join(' ');
}

/**
 * What it is, in a few words for a step's reason.
 * @param laid what
 */
export function laidText(laid: Laid): string {
  switch (laid.kind) {
    case 'address':
      return `the address ${laid.prefix}`;
    case 'route':
      return `the route to ${laid.prefix}`;
    case 'proxy':
      return `the proxy entry for ${laid.address}`;
  }
}

/** What the kernel gives an IPv6 route without a metric (linux/ipv6_route.h, IP6_RT_PRIO_USER). */
const IPV6_METRIC = 1024;

/**
 * Whether a route is there.
 * @param routes the kernel's routes
 * @param route the one looked for
 */
export function isRouted(routes: readonly KernelRoute[], route: LaidRoute): boolean {
  const metric = route.metric ?? (isSix(route.prefix) ? IPV6_METRIC : 0);
  return routes.some(
    ({ prefix, device, metric: other }) =>
      prefix === route.prefix && device === route.device && other === metric,
  );
}

function metricWords({ metric }: LaidRoute): string[] {
  return metric === undefined ? [] : ['metric', `${metric}`];
}

function isSix(prefix: string): boolean {
  return prefix.includes(':');
}
