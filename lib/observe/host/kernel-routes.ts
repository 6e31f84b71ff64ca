import { isIpv6, type PresentRoute } from '../../record/assignment.ts';
import { type Family, ipv6Text } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import { deviceExists } from './port.ts';
import { parseRoutes, type Route } from './routes.ts';

/** A route as the kernel lists it in /proc/net, which needs no other program. */
export interface KernelRoute extends PresentRoute {
  readonly family: Family;
  /** Whether the destination is an address of the host itself; only known for IPv6. */
  readonly local: boolean;
  /** The next hop, where the route has one. */
  readonly gateway?: string;
}

const RTF_UP = 1;
const RTF_LOCAL = 0x80000000;

/** Which routes to find out where there are too many to read them all. */
export interface RouteQuestion {
  /** ADDRESS/LENGTH of the destinations. */
  readonly prefixes: readonly string[];
  /**
   * Devices all of whose routes are needed; those that do not exist are skipped. Without prefixes only these devices'
   * routes are found out, however many routes there are.
   */
  readonly devices: readonly string[];
}

/** The routes that were found. */
export interface FoundRoutes {
  readonly routes: readonly KernelRoute[];
  /** Whether there are too many to read them all, so that only those in the question are sure to be here. */
  readonly isCut: boolean;
}

/** About 250 routes; a router on the internet has a million. */
const MOST_BYTES = 32_768;
/** About 2000, where most of those first ones lead to guests: such a host has one for each guest, and not many more. */
const MOST_BYTES_OF_GUESTS = 8 * MOST_BYTES;
const DEFAULTS_BYTES = 4096;

/**
 * The main table's IPv4 routes (proc(5), /proc/net/route) and all IPv6 routes (/proc/net/ipv6_route). Where there are
 * hundreds that lead to no guests, or thousands: the first ones, the default route, the routes to this host's own
 * networks, and those in the question.
 * @param system the way to /proc and ip
 * @param families which families
 * @param question which routes to find out
 */
export function readKernelRoutes(
  system: System,
  families: readonly Family[],
  question: RouteQuestion = { prefixes: [], devices: [] },
): KernelRoute[] {
  return [...findRoutes(system, families, question).routes];
}

/**
 * The same, with whether these are all routes.
 * @param system the way to /proc and ip
 * @param families which families
 * @param question which routes to find out
 */
export function findRoutes(
  system: System,
  families: readonly Family[],
  question: RouteQuestion,
): FoundRoutes {
  const isOf = question.prefixes.length > 0 ? [] : question.devices;
  const found = families.map((family) => {
    const { routes, isCut } = parsedRoutes(family, readList(system, family), isOf);
    return { routes: isCut ? [...routes, ...askedRoutes(system, family, question)] : routes, isCut };
  });
  return { routes: found.flatMap(({ routes }) => routes), isCut: found.some(({ isCut }) => isCut) };
}

/** The beginning of the kernel's list, and whether there is more of it. */
interface List {
  readonly text: string;
  readonly isCut: boolean;
}

function readList(system: System, family: Family): List {
  const first = readStart(system, family, MOST_BYTES);
  if (!first.isCut) return first;
  const guests = first.text.match(family === 4 ? /^vif/gm : / vif\S+$/gm) ?? [];
  const isOfGuests = 2 * guests.length > first.text.split('\n').length;
  return isOfGuests ? readStart(system, family, MOST_BYTES_OF_GUESTS) : first;
}

function readStart(system: System, family: Family, bytes: number): List {
  const text = system.readStart(family === 4 ? '/proc/net/route' : '/proc/net/ipv6_route', bytes) ?? '';
  return { text, isCut: text.length === bytes };
}

/** @param devices only their routes are wanted; all if there are none */
function parsedRoutes(family: Family, { text, isCut }: List, devices: readonly string[] = []): FoundRoutes {
  const lines = isCut ? text.split('\n').slice(0, -1) : text.split('\n');
  const isOf = (line: string) =>
    devices.some((device) => (family === 4 ? line.startsWith(`${device}\t`) : line.endsWith(` ${device}`)));
  const routes = (devices.length === 0 ? lines : lines.filter(isOf))
    .map(family === 4 ? ipv4Route : ipv6Route)
    .filter((route) => route !== undefined);
  return { routes, isCut };
}

/** Addresses that nobody has, so their route is the default route or what replaces it. */
const NOWHERE = { 4: ['240.0.0.1'], 6: ['4000::1', '2000::1'] } as const;

/** One child for each listing, so that the kernel sends only that part; in a batch ip would be sent the whole table. */
function askedRoutes(system: System, family: Family, { prefixes, devices }: RouteQuestion): KernelRoute[] {
  const argv = ['ip', `-${family}`, '-d', '-o'];
  const show = (...which: string[]) =>
    system.run([...argv, 'route', 'show', ...which], { isListing: true }).stdout;
  const parsed = (text: string, device?: string) =>
    parseRoutes(family, text)
      .filter(({ table }) => table === 'main' || table === 'local')
      .flatMap((route) => kernelRoutes(family, route, device));
  const own = devices
    .filter((device) => deviceExists(system, device))
    .flatMap((device) => parsed(show('dev', device), device));
  return prefixes.length === 0 && devices.length > 0
    ? own
    : [...around().flatMap((text) => parsed(text)), ...own];

  function around(): string[] {
    const wanted = prefixes.filter((prefix) => isIpv6(prefix) === (family === 6));
    const addresses = [...NOWHERE[family], ...wanted.map((prefix) => prefix.replace(/\/.*/, ''))];
    const input = addresses.map((address) => `route get fibmatch ${address}\n`).join('');
    const found = system.run([...argv, '-force', '-batch', '-'], { input, isListing: true }).stdout;
    return [found, show('proto', 'kernel')];
  }
}

/** Where ip lists the routes of one device it leaves out the device's name. */
function kernelRoutes(
  family: Family,
  { destination, hops, metric, type }: Route,
  device: string | undefined,
): KernelRoute[] {
  const all = family === 4 ? '0.0.0.0/0' : '::/0';
  const whole = destination.includes('/') ? destination : `${destination}/${family === 4 ? 32 : 128}`;
  return hops.flatMap(({ dev = device, gateway }) =>
    dev === undefined
      ? []
      : [
          {
            family,
            prefix: destination === 'default' ? all : whole,
            device: dev,
            metric: metric ?? 0,
            local: type === 'local',
            ...(gateway === undefined ? {} : { gateway }),
          },
        ],
  );
}

/**
 * Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT, with tabs between; addresses are in the
 * machine's byte order. A host with many guests has a line for each, so that what is done for a line must be cheap.
 */
function ipv4Route(line: string): KernelRoute | undefined {
  const [device = '', destination = '', gateway = '', flags = '', , , metric = '', mask = ''] =
    line.split('\t');
  const isRoute = /^[0-9A-F]{8}$/.test(destination) && (Number.parseInt(flags, 16) & RTF_UP) !== 0;
  // A route without a device discards packets (unreachable, blackhole).
  if (!isRoute || device === '*') return undefined;
  const length = mask === 'FFFFFFFF' ? 32 : Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
  return {
    family: 4,
    prefix: `${dotted(destination)}/${length}`,
    device,
    metric: Number(metric),
    local: false,
    ...(gateway === '00000000' ? {} : { gateway: dotted(gateway) }),
  };
}

function dotted(hex: string): string {
  const number = Number.parseInt(hex, 16);
  return `${number & 255}.${(number >>> 8) & 255}.${(number >>> 16) & 255}.${number >>> 24}`;
}

/** Destination, its length, source, its length, next hop, metric, references, use, flags, device. */
function ipv6Route(line: string): KernelRoute | undefined {
  const [destination = '', length = '', , , gateway = '', metric = '', , , flags = '', device] = line
    .trim()
    .split(/\s+/);
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
  // The list is sorted by address, so default routes come first.
  const { routes } = parsedRoutes(4, readStart(system, 4, DEFAULTS_BYTES));
  const defaults = routes.filter((route) => route.prefix === '0.0.0.0/0');
  return defaults.sort((a, b) => a.metric - b.metric)[0]?.device;
}
