import type { Settings } from '../../observe/bridge/uplink.ts';
import type { Address, HostState, Link, Neighbour, Route } from '../../observe/host/host.ts';
import { settingPath } from '../../record/paths.ts';
import type { Family } from '../../request/addresses.ts';
import { type Command, type DeviceMark, ip, type Step, setting } from '../step.ts';
import {
  addressCommand,
  neighbourCommand,
  ownAddresses,
  ownRoutes,
  routeCommand,
  routeCreation,
} from './addressing.ts';
import { nexthopCommand, ownNexthops } from './nexthops.ts';

export const ACCEPT_DAD = 'net/ipv6/conf/accept_dad';
const ADDR_GEN_MODE = 'net/ipv6/conf/addr_gen_mode';
export const DISABLE_IPV6 = 'net/ipv6/conf/disable_ipv6';
export const FAMILIES: readonly Family[] = [4, 6];

/** The source: the device from which addresses and routes move away. */
export interface AddressSource {
  readonly state: HostState;
  readonly link: Link;
  /** The name that it had before somebody renamed it; policy rules still name that. */
  readonly former?: string;
  /** Its kernel settings. */
  readonly settings: Settings;
  /** The mark of the device, for undo. */
  readonly mark: DeviceMark;
}

/**
 * Removes all addresses and routes from a device. IPv6 is switched off on it, which also removes its IPv6 addresses;
 * the undo makes the kernel add the link-local address again.
 * @param source the source, under its present name
 */
export function release(source: AddressSource): Step[] {
  return [...releaseNexthops(source), ...releaseAddresses(source)];
}

function releaseAddresses(source: AddressSource): Step[] {
  const { link, settings, mark } = source;
  const { name } = link;
  const steps = lingeringRoutes(source);
  steps.push({
    // The prefix selects the family. IPv6 goes last, so that the undo restores it before IPv4 routes with IPv6
    // gateways.
    do: ip('address', 'flush', 'dev', name, 'to', '0.0.0.0/0'),
    undo: restore(source, 4),
    why: `take the IPv4 addresses off ${name}`,
    device: mark,
  });
  if (settings.get(DISABLE_IPV6) === '0') {
    const dad = (value: string) => setting(settingPath(ACCEPT_DAD, name), value);
    const off = (value: string) => setting(settingPath(DISABLE_IPV6, name), value);
    steps.push({
      do: off('1'),
      undo: [dad('0'), off('0'), ...restore(source, 6), dad(settings.get(ACCEPT_DAD) ?? '1')],
      why: `take the IPv6 addresses off ${name}`,
      device: mark,
    });
  }
  return steps;
}

/**
 * As `release`, for a device that ifupdown brought up: ifdown ends its DHCP client, and ifup starts it again.
 * @param source the source, under its present name
 */
export function releaseByIfupdown(source: AddressSource): Step[] {
  const { link, mark } = source;
  const { name } = link;
  const [restore6, restore4] = ([6, 4] as const).map((family) => restore(source, family, true));
  const up = link.flags.has('UP') ? [ip('link', 'set', 'dev', name, 'up')] : [];
  return [
    ...releaseNexthops(source),
    {
      do: { tool: 'run', argv: ['ifdown', name] },
      undo: [{ tool: 'run', argv: ['ifup', name] }, ...up, ...(restore6 ?? []), ...(restore4 ?? [])],
      why: `let ifupdown take down ${name}`,
      device: mark,
    },
    // Removes what ifdown left. The undo above restores the addresses after ifup, which fails on addresses that exist.
    ...releaseAddresses(source).map((step) => ({
      ...step,
      undo: step.undo.filter(({ tool }) => tool === 'write'),
    })),
  ];
}

/** A device loses its routes with its last address, except those that also lead through another device. */
function lingeringRoutes(source: AddressSource): Step[] {
  const { state, link, mark } = source;
  const { name } = link;
  const hasIpv4 = link.addresses.some((address) => address.family === 4);
  const lingers = (route: Route) => isShared(route, name) || (route.family === 4 && !hasIpv4);
  return FAMILIES.flatMap((family) => plainRoutes(source, family).filter(lingers).reverse()).map((route) => ({
    do: routeCommand('del', route, name, name),
    undo: [routeCreation(state, name, route, name)],
    why: `take the route to ${route.destination} off ${name}`,
    device: mark,
  }));
}

/**
 * Whether a route also leads through another device.
 * @param route the route
 * @param dev the one device
 */
export function isShared({ hops }: Route, dev: string): boolean {
  return hops.some((hop) => hop.dev !== dev);
}

/** The commands that restore a device's addresses and routes. Failures are ignored, since some may still exist. */
function restore(source: AddressSource, family: Family, skipDynamic = false): Command[] {
  const { state, link } = source;
  const addresses = addressesOf(source, family, skipDynamic);
  return [
    ...addresses.map((address) => addressCommand('add', undetected(address), link.name, link.name)),
    ...plainRoutes(source, family).map((route) => routeCreation(state, link.name, route, link.name)),
    ...addresses.filter(isDetected).map((address) => addressCommand('change', address, link.name, link.name)),
    ...neighboursOf(source, family).map((neighbour) => neighbourCommand(neighbour, link.name)),
  ];
}

/**
 * A device's routes that use no nexthop object.
 * @param source the source
 * @param family one family only
 */
export function plainRoutes({ state, link }: AddressSource, family: Family): Route[] {
  return ownRoutes(state, link.name, family).filter(({ nhid }) => nhid === undefined);
}

/**
 * A device's routes that use a nexthop object.
 * @param source the source
 */
export function objectRoutes({ state, link }: AddressSource): Route[] {
  const all = FAMILIES.flatMap((family) => ownRoutes(state, link.name, family));
  return all.filter(({ nhid }) => nhid !== undefined);
}

/**
 * Removes a device's nexthop objects and the routes that use them: the kernel would delete them for good, without a
 * message, when the device loses its carrier (net/ipv4/nexthop.c).
 */
function releaseNexthops(source: AddressSource): Step[] {
  const { state, link, mark } = source;
  const { name } = link;
  return [
    ...objectRoutes(source)
      .reverse()
      .map((route) => ({
        do: routeCommand('del', route, name, name),
        undo: [routeCreation(state, name, route, name)],
        why: `take the route to ${route.destination} off ${name}`,
        device: mark,
      })),
    ...ownNexthops(state, name)
      .reverse()
      .map((nexthop) => ({
        do: ip('nexthop', 'del', 'id', `${nexthop.id}`),
        undo: [nexthopCommand(nexthop, name, name)],
        why: `take the next hop ${nexthop.id} off ${name}`,
        device: mark,
      })),
  ];
}

/**
 * The permanent neighbours of a device.
 * @param source the source
 * @param family one family only
 */
export function neighboursOf({ state, link }: AddressSource, family: Family): Neighbour[] {
  return state.neighbours.filter((other) => other.family === family && other.dev === link.name);
}

/**
 * A device's addresses, in the order in which they must be added so that the kernel lists them as before: it lists the
 * newest IPv6 address first, and the order decides which one is the source of the host's packets.
 * @param source the source
 * @param family one family only
 * @param skipDynamic leaves out the addresses that a DHCP client will add itself
 */
export function addressesOf(
  { link, settings }: AddressSource,
  family: Family,
  skipDynamic: boolean,
): Address[] {
  const eui64 = (settings.get(ADDR_GEN_MODE) ?? '0') === '0';
  const addresses = ownAddresses(link, family, eui64).filter(
    ({ flags }) => !(skipDynamic && flags.has('dynamic')),
  );
  return family === 4 ? addresses : addresses.reverse();
}

/**
 * Whether the kernel does duplicate address detection before it uses an address.
 * @param address the address
 */
export function isDetected(address: Address): boolean {
  return address.family === 6 && !address.flags.has('nodad');
}

/**
 * The same address without duplicate address detection. During detection an address cannot be a route's source, and an
 * address with a lifetime is lost if there is no carrier yet.
 * @param address the address
 */
export function undetected(address: Address): Address {
  return isDetected(address) ? { ...address, flags: new Set([...address.flags, 'nodad']) } : address;
}
