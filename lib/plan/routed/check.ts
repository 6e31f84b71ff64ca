import { HostError, RequestError } from '../../errors.ts';
import type { KernelRoute } from '../../observe/host/kernel-routes.ts';
import { type AssignedRoute, type Assignment, isIpv6, metricOf } from '../../record/assignment.ts';
import { ipv4Octets, parsePrefix, prefixText } from '../../request/addresses.ts';

/**
 * Checks that nobody else has an address that a guest is to get.
 * @param device the guest's device, for the message
 * @param own the names of the device, and of the guest's other device (vif or tap), which has the same addresses
 * @param assigned the assignment
 * @param routes the kernel's routes
 * @param guests the names of all guests' devices
 * @throws HostError naming both devices; RequestError for a range of all addresses
 */
export function mustBeUnrouted(
  device: string,
  own: readonly string[],
  assigned: readonly Assignment[],
  routes: readonly KernelRoute[],
  guests: ReadonlySet<string>,
): void {
  for (const item of assigned) {
    if (item.kind !== 'route') continue;
    const { prefix } = item;
    if (prefix.endsWith('/0')) {
      throw new RequestError(
        `${device} cannot have ${prefix}: a route for everything to one guest would cut off this host. Give the guest's own addresses.`,
      );
    }
    mustHoldNoGateway(device, own, item, routes);
    mustBeInside(device, own, item, routes);
    const single = isSingle(prefix);
    const other = routes.find(
      (route) =>
        !own.includes(route.device) &&
        (route.prefix === prefix
          ? single || guests.has(route.device)
          : guests.has(route.device) && overlaps(route, prefix)),
    );
    if (other === undefined) continue;
    const bare = (text: string) => text.replace(/\/(32|128)$/, '');
    const whose = other.local
      ? "is this host's own, on"
      : `${other.prefix === prefix ? '' : `overlaps ${bare(other.prefix)}, which `}is routed to`;
    throw new HostError(
      `${device} cannot have ${bare(prefix)}, which ${whose} ${other.device}; ${other.device} keeps it. ` +
        `Give this guest another ip=, or take the address from ${other.device} first.`,
    );
  }
}

/**
 * Whether one of the two ranges contains the other. A route through another guest as a router does not count, since its
 * range is not that guest's own.
 */
function overlaps({ prefix, gateway, local }: KernelRoute, wanted: string): boolean {
  if (local || gateway !== undefined || lengthOf(prefix) === 0 || isIpv6(prefix) !== isIpv6(wanted))
    return false;
  // Two single addresses are alike or apart; hosts with hundreds of guests have nearly nothing else.
  if (isSingle(prefix) && isSingle(wanted)) return prefix === wanted;
  const [address, other] = [prefix, wanted].map((text) => text.replace(/\/.*/, ''));
  return holds(wanted, address ?? '') || holds(prefix, other ?? '');
}

/** No host can have the first or last address of a network of this host: all hosts accept packets to them. */
function mustBeInside(
  device: string,
  own: readonly string[],
  { prefix }: AssignedRoute,
  routes: readonly KernelRoute[],
): void {
  if (!/^[\d.]+\/32$/.test(prefix)) return;
  const address = prefix.slice(0, -3);
  const network = routes.find(
    (route) =>
      route.family === 4 &&
      !route.local &&
      route.gateway === undefined &&
      !own.includes(route.device) &&
      lengthOf(route.prefix) > 0 &&
      lengthOf(route.prefix) < 31 &&
      isEnd(address, route.prefix),
  );
  if (network === undefined) return;
  throw new HostError(
    `${device} cannot have ${address}, which is the network's own or the broadcast address of ${network.prefix} on ${network.device}. ` +
      'Give this guest another ip=.',
  );
}

function isEnd(address: string, network: string): boolean {
  const length = lengthOf(network);
  if (!holds(network, address)) return false;
  const number = (ipv4Octets(address) ?? []).reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - length);
  return number % size === 0 || number % size === size - 1;
}

/**
 * Refuses a route that would send packets for this host's own gateway or address to the guest. It is safe where another
 * route to that address is more specific, or equally specific with a better metric.
 */
function mustHoldNoGateway(
  device: string,
  own: readonly string[],
  assigned: AssignedRoute,
  routes: readonly KernelRoute[],
): void {
  const { prefix } = assigned;
  const family = prefix.includes(':') ? 6 : 4;
  const others = routes.filter((route) => route.family === family && !own.includes(route.device));
  const metric = metricOf(assigned);
  const isSafe = (address: string) =>
    others.some(
      (route) =>
        !route.local &&
        holds(route.prefix, address) &&
        (lengthOf(route.prefix) > lengthOf(prefix) ||
          (route.prefix === prefix && route.metric <= metric && route.gateway === undefined)),
    );
  for (const route of others) {
    const address = route.local ? route.prefix.replace(/\/\d+$/, '') : route.gateway;
    if (address === undefined || (route.local && lengthOf(prefix) === (family === 6 ? 128 : 32))) continue;
    if (!holds(prefix, address) || isSafe(address)) continue;
    const bare = prefix.replace(/\/(32|128)$/, '');
    const what = `${route.local ? "this host's own address" : "this host's gateway"} on ${route.device}`;
    throw new HostError(
      `${device} cannot have ${bare}, which ${bare === address ? 'is' : `holds ${address},`} ${what}: ` +
        "this host would lose its network. Give the guest's own addresses by ip=.",
    );
  }
}

/**
 * Checks that a guest's private addresses are in no network that this host reaches through another device, where
 * somebody else may have them.
 * @param device the guest's device, for the message
 * @param own the names of the device, and of the guest's other device
 * @param apart the addresses, without prefix lengths
 * @param routes the kernel's routes
 * @param guests the names of all guests' devices
 * @throws HostError naming the network and its device
 */
export function mustBeApart(
  device: string,
  own: readonly string[],
  apart: readonly string[],
  routes: readonly KernelRoute[],
  guests: ReadonlySet<string>,
): void {
  for (const address of apart) {
    const found = routes.find(
      (route) =>
        route.family === 4 &&
        lengthOf(route.prefix) > 0 &&
        !own.includes(route.device) &&
        !guests.has(route.device) &&
        holds(route.prefix, address),
    );
    if (found === undefined) continue;
    throw new HostError(
      `${device} cannot be given ${address}: this host reaches ${found.prefix} by ${found.device}, where that address may be somebody else's. ` +
        'Give the guest an ip= of a network that is not used here.',
    );
  }
}

const isSingle = (prefix: string): boolean => prefix.endsWith('/32') || prefix.endsWith('/128');

function lengthOf(prefix: string): number {
  return Number(prefix.slice(prefix.indexOf('/') + 1));
}

function holds(prefix: string, address: string): boolean {
  const range = parsePrefix(`${address}/${lengthOf(prefix)}`);
  return range !== undefined && prefixText(range) === prefix;
}
