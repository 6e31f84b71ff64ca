import { type Family, ipv6Text } from '../contract/addresses.ts';
import type { PresentRoute } from '../contract/laid.ts';
import type { System } from '../system/system.ts';

/** A route as the kernel lists it below /proc/net, without asking any program. */
export interface KernelRoute extends PresentRoute {
  readonly family: Family;
  /** The address is one of the host itself; only IPv6 tells. */
  readonly local: boolean;
  /** The next hop, where the route has one. */
  readonly gateway?: string;
}

const RTF_UP = 1;
const RTF_LOCAL = 0x80000000;

/**
 * The main table's IPv4 routes (proc(5), /proc/net/route) and all IPv6 routes (/proc/net/ipv6_route).
 * @param system the way to /proc
 * @param families which of them
 */
export function readKernelRoutes(system: System, families: readonly Family[]): KernelRoute[] {
  return families.flatMap((family) => {
    const path = family === 4 ? '/proc/net/route' : '/proc/net/ipv6_route';
    const lines = (system.readText(path) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
    return lines.map(family === 4 ? ipv4Route : ipv6Route).filter((route) => route !== undefined);
  });
}

/** Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT; the addresses lie as in memory. */
function ipv4Route(fields: readonly string[]): KernelRoute | undefined {
  const [device = '', destination = '', gateway = '', flags = '', , , metric = '', mask = ''] = fields;
  const isRoute = /^[0-9A-F]{8}$/.test(destination) && (Number.parseInt(flags, 16) & RTF_UP) !== 0;
  // A route that leads nowhere (unreachable, blackhole) has no device.
  if (!isRoute || device === '*') return undefined;
  const octets = (hex: string) => (hex.match(/../g) ?? []).reverse().map((pair) => Number.parseInt(pair, 16));
  const length = octets(mask).reduce((sum, octet) => sum + octet.toString(2).replaceAll('0', '').length, 0);
  return {
    family: 4,
    prefix: `${octets(destination).join('.')}/${length}`,
    device,
    metric: Number(metric),
    local: false,
    ...(/^0*$/.test(gateway) ? {} : { gateway: octets(gateway).join('.') }),
  };
}

/** Destination, its length, source, its length, next hop, metric, references, use, flags, device. */
function ipv6Route(fields: readonly string[]): KernelRoute | undefined {
  const [destination = '', length = '', , , gateway = '', metric = '', , , flags = '', device] = fields;
  if (device === undefined || destination.length !== 32) return undefined;
  const text = (hex: string) =>
    ipv6Text((hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16)));
  return {
    family: 6,
    prefix: `${text(destination)}/${Number.parseInt(length, 16)}`,
    device,
    metric: Number.parseInt(metric, 16),
    local: (Number.parseInt(flags, 16) & RTF_LOCAL) !== 0,
    ...(/^0*$/.test(gateway) ? {} : { gateway: text(gateway) }),
  };
}

/**
 * The device of the IPv4 default route with the lowest metric.
 * @param system the way to /proc
 */
export function defaultRouteDevice(system: System): string | undefined {
  const routes = readKernelRoutes(system, [4]).filter((route) => route.prefix === '0.0.0.0/0');
  return routes.sort((a, b) => a.metric - b.metric)[0]?.device;
}
