import type { Family } from '../contract/addresses.ts';
import { HostError } from '../errors.ts';
import type { System } from '../system/system.ts';
import { isRecord } from './records.ts';

/** An address with all its attributes, as `ip -j address` names them. */
export interface Address {
  readonly family: Family;
  readonly local: string;
  readonly length: number;
  /** The other end, on a point-to-point address. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly scope: string;
  readonly label: string | undefined;
  readonly metric: number | undefined;
  /** Seconds left; undefined means for ever. */
  readonly validSeconds: number | undefined;
  readonly preferredSeconds: number | undefined;
  /** noprefixroute, nodad, home, mngtmpaddr, dynamic, temporary, secondary, … */
  readonly flags: ReadonlySet<string>;
}

export interface Link {
  readonly name: string;
  readonly index: number;
  /** bridge, veth, bond, vlan, dummy, …; undefined for real hardware. */
  readonly kind: string | undefined;
  /** ether, loopback, none, … */
  readonly type: string;
  readonly mac: string;
  readonly mtu: number;
  readonly master: string | undefined;
  /** UP, NOARP, PROMISC, ALLMULTI, LOWER_UP, … */
  readonly flags: ReadonlySet<string>;
  /** The other end of a veth in this namespace, or the device below a VLAN. */
  readonly peer: string | undefined;
  readonly addresses: readonly Address[];
}

export interface NextHop {
  readonly gateway: string | undefined;
  /** Of the gateway, where it is not the route's. */
  readonly gatewayFamily: Family | undefined;
  readonly dev: string | undefined;
  readonly weight: number | undefined;
  readonly onlink: boolean;
}

export interface Route {
  readonly family: Family;
  readonly type: string;
  readonly destination: string;
  readonly from: string | undefined;
  readonly table: string;
  readonly protocol: string;
  readonly scope: string;
  readonly metric: number | undefined;
  readonly source: string | undefined;
  readonly tos: string | undefined;
  readonly preference: string | undefined;
  readonly expiresSeconds: number | undefined;
  /** mtu, advmss, window, … as words for `ip route add`. */
  readonly metrics: readonly string[];
  readonly hops: readonly NextHop[];
}

/** A policy rule as `ip rule` prints it, without its priority. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  readonly words: readonly string[];
}

/** What the kernel says of the whole host, at one moment. */
export interface HostState {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly rules: readonly PolicyRule[];
}

/**
 * Reads links, addresses, routes of all tables and rules, by three runs of `ip`.
 * @param system the way to ip
 * @throws HostError when ip is missing or answers what cannot be read
 */
export function observeHost(system: System): HostState {
  const [links] = askIp(system, ['-d', '-j'], ['address show']);
  const families: readonly Family[] = [4, 6];
  const perFamily = families.map((family) => {
    const [routes] = askIp(system, [`-${family}`, '-d', '-j'], ['route show table all']);
    return {
      routes: objects(routes).map((entry) => routeOf(family, entry)),
      rules: readRules(system, family),
    };
  });
  return {
    links: objects(links).map(linkOf),
    routes: perFamily.flatMap((each) => each.routes),
    rules: perFamily.flatMap((each) => each.rules),
  };
}

function askIp(system: System, options: readonly string[], lines: readonly string[]): unknown[] {
  const result = system.run(['ip', ...options, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  if (result.status !== 0) {
    throw new HostError(
      `The host's network cannot be read: "ip ${lines.join('; ')}" said ${result.stderr.trim()}. Install iproute2.`,
    );
  }
  return result.stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line));
}

/** Rules are read as text: each line is what `ip rule add` takes, whatever selectors a newer kernel has. */
function readRules(system: System, family: Family): PolicyRule[] {
  const { stdout } = system.run(['ip', `-${family}`, 'rule', 'show']);
  return stdout.split('\n').flatMap((line) => {
    const found = /^(\d+):\s+(.*)$/.exec(line);
    const words = (found?.[2] ?? '').split(/\s+/).filter((word) => word !== '' && !word.startsWith('['));
    return found === null ? [] : [{ family, priority: Number(found[1]), words }];
  });
}

type Fields = Record<string, unknown>;

function objects(value: unknown): Fields[] {
  // An empty object stands for each entry that a filter of ip left out.
  return Array.isArray(value) ? value.filter(isRecord).filter((entry) => Object.keys(entry).length > 0) : [];
}

const text = (fields: Fields, key: string): string | undefined => {
  const value = fields[key];
  return typeof value === 'string' ? value : typeof value === 'number' ? `${value}` : undefined;
};

const number = (fields: Fields, key: string): number | undefined => {
  const value = fields[key];
  return typeof value === 'number' ? value : undefined;
};

function words(value: unknown): Set<string> {
  return new Set(Array.isArray(value) ? value.filter((word) => typeof word === 'string') : []);
}

function linkOf(fields: Fields): Link {
  const info = isRecord(fields['linkinfo']) ? fields['linkinfo'] : {};
  return {
    name: text(fields, 'ifname') ?? '',
    index: number(fields, 'ifindex') ?? 0,
    kind: text(info, 'info_kind'),
    type: text(fields, 'link_type') ?? '',
    mac: text(fields, 'address') ?? '',
    mtu: number(fields, 'mtu') ?? 0,
    master: text(fields, 'master'),
    flags: words(fields['flags']),
    peer: text(fields, 'link'),
    addresses: objects(fields['addr_info']).map(addressOf),
  };
}

const FOREVER = 4294967295;
const ADDRESS_FLAGS = [
  'noprefixroute',
  'nodad',
  'home',
  'mngtmpaddr',
  'dynamic',
  'temporary',
  'secondary',
  'autojoin',
  'dadfailed',
];

function addressOf(fields: Fields): Address {
  const lifetime = (key: string) => {
    const seconds = number(fields, key);
    return seconds === FOREVER ? undefined : seconds;
  };
  return {
    family: fields['family'] === 'inet6' ? 6 : 4,
    local: text(fields, 'local') ?? '',
    length: number(fields, 'prefixlen') ?? 0,
    peer: text(fields, 'address'),
    broadcast: text(fields, 'broadcast'),
    scope: text(fields, 'scope') ?? 'global',
    label: text(fields, 'label'),
    metric: number(fields, 'metric'),
    validSeconds: lifetime('valid_life_time'),
    preferredSeconds: lifetime('preferred_life_time'),
    flags: new Set(ADDRESS_FLAGS.filter((flag) => fields[flag] === true)),
  };
}

const ROUTE_METRICS = [
  'mtu',
  'advmss',
  'window',
  'rtt',
  'rttvar',
  'ssthresh',
  'cwnd',
  'initcwnd',
  'initrwnd',
  'hoplimit',
  'quickack',
  'reordering',
  'rto_min',
  'congestion',
];

function routeOf(family: Family, fields: Fields): Route {
  const hops = objects(fields['nexthops']);
  const metrics = objects(fields['metrics']).flatMap((entry) =>
    ROUTE_METRICS.flatMap((name) => (text(entry, name) === undefined ? [] : [name, `${text(entry, name)}`])),
  );
  return {
    family,
    type: text(fields, 'type') ?? 'unicast',
    destination: text(fields, 'dst') ?? 'default',
    from: text(fields, 'from'),
    table: text(fields, 'table') ?? 'main',
    protocol: text(fields, 'protocol') ?? 'boot',
    scope: text(fields, 'scope') ?? 'global',
    metric: number(fields, 'metric'),
    source: text(fields, 'prefsrc'),
    tos: text(fields, 'tos'),
    preference: text(fields, 'pref'),
    expiresSeconds: number(fields, 'expires'),
    metrics,
    hops: (hops.length > 0 ? hops : [fields]).map(hopOf),
  };
}

function hopOf(fields: Fields): NextHop {
  const via = isRecord(fields['via']) ? fields['via'] : undefined;
  return {
    gateway: text(fields, 'gateway') ?? (via === undefined ? undefined : text(via, 'host')),
    gatewayFamily: via === undefined ? undefined : via['family'] === 'inet6' ? 6 : 4,
    dev: text(fields, 'dev'),
    weight: number(fields, 'weight'),
    onlink: words(fields['flags']).has('onlink'),
  };
}
