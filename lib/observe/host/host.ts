import { HostError } from '../../errors.ts';
import type { Family } from '../../request/addresses.ts';
import { failureText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { isRecord } from '../../wire/json.ts';
import { type Nexthop, parseNexthops, withHops } from './nexthops.ts';
import {
  type Neighbour,
  type PolicyRule,
  parseNeighbours,
  parseRoutes,
  parseRules,
  type Route,
} from './routes.ts';

export type { Nexthop } from './nexthops.ts';
export type { Neighbour, PolicyRule, Route } from './routes.ts';

/** An address with all its attributes, named as in `ip -j address`. */
export interface Address {
  readonly family: Family;
  readonly local: string;
  readonly length: number;
  /** The peer of a point-to-point address. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly scope: string;
  readonly label: string | undefined;
  /** The program that added it, where the kernel knows (linux/if_addr.h, IFAPROT). */
  readonly protocol: string | undefined;
  readonly metric: number | undefined;
  /** Seconds left; undefined means forever. */
  readonly validSeconds: number | undefined;
  readonly preferredSeconds: number | undefined;
  /** noprefixroute, nodad, home, mngtmpaddr, dynamic, temporary, secondary, … */
  readonly flags: ReadonlySet<string>;
}

export interface Link {
  readonly name: string;
  /** The device's altnames. */
  readonly altnames: readonly string[];
  readonly index: number;
  /** bridge, veth, bond, vlan, dummy, …; undefined for real hardware. */
  readonly kind: string | undefined;
  /** ether, loopback, none, … */
  readonly type: string;
  readonly mac: string;
  /** For a bridge: whether somebody chose its MAC address; otherwise the kernel takes that of a port. */
  readonly macChosen?: boolean;
  readonly mtu: number;
  readonly master: string | undefined;
  /** UP, NOARP, PROMISC, ALLMULTI, LOWER_UP, … */
  readonly flags: ReadonlySet<string>;
  /** For a veth its peer, if that is in this network namespace; for a VLAN the device below it. */
  readonly peer: string | undefined;
  readonly addresses: readonly Address[];
  /** The interface identifier for addresses from routers' prefixes, where one was set (ip-token(8)). */
  readonly token?: string;
  /** The administrator's alias of the device (ip link set alias). */
  readonly alias?: string;
  /** The device's group, by name or number; undefined for the default group. */
  readonly group?: string;
}

/** The state of the whole host's network at one moment, as the kernel tells it. */
export interface HostState {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly rules: readonly PolicyRule[];
  readonly neighbours: readonly Neighbour[];
  /** The nexthop objects, where the kernel has them. */
  readonly nexthops?: readonly Nexthop[];
}

const LISTS = [
  'route show table all',
  'rule show',
  'neigh show nud permanent',
  'neigh show nud noarp',
  'neigh show proxy',
];

/**
 * Reads links, addresses, routes of all tables, rules and neighbours, with three runs of `ip`.
 * @param system the way to ip
 * @throws HostError when ip is missing or its output cannot be read
 */
export function observeHost(system: System): HostState {
  const links = parseJson(askIp(system, ['-d', '-j'], ['address show']));
  // Nexthop objects and this sysctl both exist since Linux 5.8.
  const hasObjects = system.exists('/proc/sys/net/ipv4/nexthop_compat_mode');
  const perFamily = families(system).map((family) => {
    const lists = [
      ...LISTS,
      ...(hasObjects ? ['nexthop show'] : []),
      ...(family === 6 ? ['token show'] : []),
    ];
    const text = askIp(system, [`-${family}`, '-d', '-o'], lists);
    return {
      routes: parseRoutes(family, text),
      rules: parseRules(family, text),
      neighbours: parseNeighbours(family, text),
      nexthops: parseNexthops(family, text),
      tokens: [...text.matchAll(/^token (\S+) dev (\S+)/gm)],
    };
  });
  const tokens = new Map(
    perFamily.flatMap((each) => each.tokens).map(([, token = '::', dev = '']) => [dev, token]),
  );
  const single = perFamily.flatMap((each) => each.nexthops);
  // Groups have no family, so the listing of one family leaves them out.
  const groups = single.length === 0 ? '' : askIp(system, ['-d', '-o'], ['nexthop show']);
  const nexthops = [...single, ...parseNexthops(undefined, groups)];
  return {
    links: objects(links)
      .map(linkOf)
      .map((link) => withToken(link, tokens.get(link.name)))
      .map((link) =>
        link.kind === 'bridge' ? { ...link, macChosen: isMacChosen(system, link.name) } : link,
      ),
    routes: perFamily.flatMap((each) => each.routes).map((route) => withHops(route, nexthops)),
    rules: perFamily.flatMap((each) => each.rules),
    neighbours: perFamily.flatMap((each) => each.neighbours),
    ...(nexthops.length === 0 ? {} : { nexthops }),
  };
}

/** NET_ADDR_SET (linux/netdevice.h). */
const ADDRESS_SET = '3';

function isMacChosen(system: System, device: string): boolean {
  return system.readText(`/sys/class/net/${device}/addr_assign_type`) === ADDRESS_SET;
}

/**
 * The kernel's address families: IPv6 may be switched off at boot (ipv6.disable=1).
 * @param system the way to /proc/sys
 */
export function families(system: System): Family[] {
  return system.exists('/proc/sys/net/ipv6') ? [4, 6] : [4];
}

function withToken(link: Link, token: string | undefined): Link {
  return token === undefined || token === '::' ? link : { ...link, token };
}

function askIp(system: System, options: readonly string[], lines: readonly string[]): string {
  const result = system.run(['ip', ...options, '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    isListing: true,
  });
  if (result.status === 0) return result.stdout;
  throw new HostError(
    `The host's network cannot be read: "ip ${lines.join('; ')}" failed (${failureText(result)}). Install iproute2.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new HostError(
      'The host\'s network cannot be read: "ip -j address" printed no JSON. Update iproute2.',
      {
        cause: thrown,
      },
    );
  }
}

type Fields = Record<string, unknown>;

function objects(value: unknown): Fields[] {
  // For each entry that it left out, ip prints an empty object.
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
  const [alias, group] = [text(fields, 'ifalias'), text(fields, 'group')];
  return {
    name: text(fields, 'ifname') ?? '',
    altnames: [...words(fields['altnames'])],
    index: number(fields, 'ifindex') ?? 0,
    kind: text(info, 'info_kind'),
    type: text(fields, 'link_type') ?? '',
    mac: text(fields, 'address') ?? '',
    mtu: number(fields, 'mtu') ?? 0,
    master: text(fields, 'master'),
    flags: words(fields['flags']),
    peer: text(fields, 'link'),
    addresses: objects(fields['addr_info']).map(addressOf),
    ...(alias === undefined ? {} : { alias }),
    ...(group === undefined || group === 'default' ? {} : { group }),
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
    protocol: text(fields, 'protocol'),
    metric: number(fields, 'metric'),
    validSeconds: lifetime('valid_life_time'),
    preferredSeconds: lifetime('preferred_life_time'),
    flags: new Set(ADDRESS_FLAGS.filter((flag) => fields[flag] === true)),
  };
}
