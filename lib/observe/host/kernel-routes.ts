import { isIpv6, type PresentRoute } from '../../record/assignment.ts';
import { type Family, ipv4Octets, ipv6Groups, ipv6Text } from '../../request/addresses.ts';
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
  /** ADDRESS/LENGTH of the destinations, or ADDRESS. */
  readonly prefixes: readonly string[];
  /**
   * Devices all of whose routes are needed; those that do not exist are skipped. Without prefixes only these devices'
   * routes are found out, however many routes there are.
   */
  readonly devices: readonly string[];
}

/** The routes that were found. */
export interface FoundRoutes {
  /**
   * Without the routes of guests' devices to single addresses where the question is about other single addresses: a host
   * has one for each guest.
   */
  readonly routes: readonly KernelRoute[];
  /** The devices of all routes that were read. */
  readonly devices: ReadonlySet<string>;
  /** Whether there are too many to read them all, so that only those in the question are sure to be here. */
  readonly isCut: boolean;
}

/** About 250 routes; a router on the internet has a million. */
const MOST_BYTES = 32_768;
/** About 8000, where most of those first ones lead to guests: such a host has one for each guest, and not many more. */
const MOST_BYTES_OF_GUESTS = 32 * MOST_BYTES;
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
  const found = families.map((family) => {
    const { routes, devices, isCut } = parsedRoutes(family, readList(system, family), question);
    return { routes: isCut ? [...routes, ...askedRoutes(system, family, question)] : routes, devices, isCut };
  });
  return {
    routes: found.flatMap(({ routes }) => routes),
    devices: new Set(found.flatMap(({ devices }) => [...devices])),
    isCut: found.some(({ isCut }) => isCut),
  };
}

/** The beginning of the kernel's list, and whether there is more of it. */
interface List {
  readonly text: string;
  readonly isCut: boolean;
}

function readList(system: System, family: Family): List {
  const first = readStart(system, family, MOST_BYTES);
  if (!first.isCut) return first;
  const guests = first.text.split(family === 4 ? '\nvif' : ' vif');
  const isOfGuests = 2 * guests.length > first.text.split('\n').length;
  return isOfGuests ? readStart(system, family, MOST_BYTES_OF_GUESTS) : first;
}

function readStart(system: System, family: Family, bytes: number): List {
  const text = system.readStart(family === 4 ? '/proc/net/route' : '/proc/net/ipv6_route', bytes) ?? '';
  return { text, isCut: text.length === bytes };
}

function parsedRoutes(family: Family, { text, isCut }: List, question?: RouteQuestion): FoundRoutes {
  const lines = isCut ? text.split('\n').slice(0, -1) : text.split('\n');
  const isWanted = question === undefined ? () => true : wantedLines(question);
  const [parts, parse] = family === 4 ? [ipv4Parts, ipv4Route] : [ipv6Parts, ipv6Route];
  const devices = new Set<string>();
  const routes: KernelRoute[] = [];
  for (const line of lines) {
    const found = parts(line);
    devices.add(found.device);
    const route = isWanted(found) ? parse(line) : undefined;
    if (route !== undefined) routes.push(route);
  }
  return { routes, devices, isCut };
}

/** What decides whether a line is wanted, without the work of reading all of it. */
interface LineParts {
  readonly device: string;
  /** The destination as the kernel writes it, where that is a single address without a next hop. */
  readonly single: string | undefined;
  /** Whether it is one of the routes that each device has, to link-local and multicast addresses. */
  readonly isScoped: boolean;
}

/** RTF_UP and RTF_HOST, without RTF_GATEWAY. */
const TO_HOST = '0005';

function ipv4Parts(line: string): LineParts {
  const at = line.indexOf('\t');
  const isSingle = line.slice(at + 19, at + 23) === TO_HOST;
  return {
    device: line.slice(0, at),
    single: isSingle ? line.slice(at + 1, at + 9) : undefined,
    isScoped: false,
  };
}

const NO_HOP = '0'.repeat(32);
const SCOPED = /^(fe80|ff)/;

function ipv6Parts(line: string): LineParts {
  const isSingle = line.slice(33, 35) === '80' && line.slice(72, 104) === NO_HOP;
  return {
    device: line.slice(141).trim(),
    single: isSingle ? line.slice(0, 32) : undefined,
    isScoped: SCOPED.test(line),
  };
}

/** Tells of a line whether the question needs it. */
function wantedLines({ prefixes, devices }: RouteQuestion): (line: LineParts) => boolean {
  const asked = new Set(devices);
  if (prefixes.length === 0) return ({ device }) => asked.size === 0 || asked.has(device);
  const singles = new Set(prefixes.map(singleText));
  if (singles.has(undefined)) return () => true;
  const asksScoped = [...singles].some((single) => single !== undefined && SCOPED.test(single));
  return ({ device, single, isScoped }) =>
    !device.startsWith('vif') ||
    asked.has(device) ||
    (single === undefined ? !isScoped || asksScoped : singles.has(single));
}

/** An address as the kernel writes it in its list; undefined for a range. */
function singleText(prefix: string): string | undefined {
  const [address = '', length] = prefix.split('/');
  const [octets, groups] = [ipv4Octets(address), ipv6Groups(address)];
  if (length !== undefined && length !== (octets === undefined ? '128' : '32')) return undefined;
  if (octets === undefined) return groups?.map((group) => hex(group, 4)).join('');
  return octets
    .reverse()
    .map((octet) => hex(octet, 2))
    .join('')
    .toUpperCase();
}

const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0');

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
