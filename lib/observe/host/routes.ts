import type { Family } from '../../request/addresses.ts';

export interface NextHop {
  readonly gateway: string | undefined;
  readonly dev: string | undefined;
}

/** A route as `ip -d route` prints it. */
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
  readonly hops: readonly NextHop[];
  /** The nexthop object by which it leads, where it does. */
  readonly nhid?: number;
  /** All that `ip route add` takes after the destination, whatever attributes a newer kernel has. */
  readonly words: readonly string[];
}

/** A policy rule as `ip rule` prints it, without its priority. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  readonly words: readonly string[];
}

/** Somebody on the network whose MAC address was set by hand, or in whose place the host answers. */
export interface Neighbour {
  readonly family: Family;
  readonly dev: string;
  readonly address: string;
  /** What `ip neigh replace` takes, without the device. */
  readonly words: readonly string[];
}

const ROUTE_TYPES =
  /^(unicast|local|broadcast|multicast|anycast|throw|unreachable|prohibit|blackhole|nat|xresolve) /;
/** What the kernel tells of a route and nobody can set. */
const STATES = new Set([
  'dead',
  'linkdown',
  'pervasive',
  'notify',
  'offload',
  'offload_failed',
  'rt_offload',
  'rt_offload_failed',
  'rt_trap',
  'trap',
  'unresolved',
]);
/** The like, with a value; what the object of a next hop stands for is printed as well. */
const VALUED_STATES = new Set(['nhid', 'error']);

/**
 * Routes as `ip -d -o route show table all` prints them, a line each (ip-route(8)).
 * @param family of all of them
 * @param text what ip printed, perhaps with other lists in it
 */
export function parseRoutes(family: Family, text: string): Route[] {
  return text
    .split('\n')
    .filter((line) => ROUTE_TYPES.test(line))
    .map((line) => parseRoute(family, line));
}

function parseRoute(family: Family, line: string): Route {
  const [type = '', destination = '', ...rest] = line.split(/[\s\\]+/).filter((word) => word !== '');
  const words = settable(rest);
  const nhid = after(rest, 'nhid');
  const first = words.indexOf('nexthop');
  const head = first < 0 ? words : words.slice(0, first);
  const metric = after(head, 'metric');
  return {
    family,
    type,
    destination,
    from: after(head, 'from'),
    table: after(head, 'table') ?? 'main',
    protocol: after(head, 'proto') ?? 'boot',
    scope: after(head, 'scope') ?? 'global',
    metric: metric === undefined ? undefined : Number(metric),
    source: after(head, 'src'),
    tos: after(head, 'tos'),
    hops: first < 0 ? [hopOf(head)] : hopsOf(words.slice(first)),
    words,
    ...(nhid === undefined ? {} : { nhid: Number(nhid) }),
  };
}

function settable(words: readonly string[]): string[] {
  return words
    .filter(
      (word, i) => !STATES.has(word) && !VALUED_STATES.has(word) && !VALUED_STATES.has(words[i - 1] ?? ''),
    )
    .filter((word, i, all) => !(word === 'lock' && all[i - 1] === 'rto_min'))
    .map((word, i, all) => (all[i - 1] === 'expires' ? word.replace(/sec$/, '') : word));
}

function hopsOf(words: readonly string[]): NextHop[] {
  const starts = words.flatMap((word, i) => (word === 'nexthop' ? [i] : []));
  return starts.map((start, i) => hopOf(words.slice(start, starts[i + 1])));
}

function hopOf(words: readonly string[]): NextHop {
  const via = after(words, 'via');
  const gateway = via === 'inet' || via === 'inet6' ? after(words, via) : via;
  return { gateway, dev: after(words, 'dev') };
}

/** The last one counts: an encapsulation, which comes before the rest, has words of its own. */
function after(words: readonly string[], key: string): string | undefined {
  const at = words.lastIndexOf(key);
  return at < 0 ? undefined : words[at + 1];
}

/**
 * Policy rules as `ip -d rule` prints them: each line is what `ip rule add` takes (ip-rule(8)).
 * @param family of all of them
 * @param text what ip printed
 */
export function parseRules(family: Family, text: string): PolicyRule[] {
  return text.split('\n').flatMap((line) => {
    const [, priority, rest = ''] = /^(\d+):\s+(.*)$/.exec(line) ?? [];
    const words = rest.split(/\s+/).filter((word) => word !== '' && word !== '[detached]');
    return priority === undefined ? [] : [{ family, priority: Number(priority), words }];
  });
}

/**
 * Neighbours that were set by hand, as `ip neigh show nud permanent`, `nud noarp` and `ip neigh show proxy` print them
 * (ip-neighbour(8)).
 * @param family of all of them
 * @param text what ip printed, perhaps with other lists in it
 */
export function parseNeighbours(family: Family, text: string): Neighbour[] {
  return text.split('\n').flatMap((line) => {
    const [, address = '', dev = '', rest = '', kind] =
      /^(\S+) dev (\S+) +(.*?)(PERMANENT|NOARP|proxy)\s*$/.exec(line) ?? [];
    if (kind === undefined || (kind === 'NOARP' && !isOneStation(rest))) return [];
    if (kind === 'proxy') return [{ family, dev, address, words: ['proxy', address] }];
    const attributes = rest.split(/\s+/).filter((word) => word !== '');
    return [{ family, dev, address, words: [address, ...attributes, 'nud', kind.toLowerCase()] }];
  });
}

/** The kernel keeps such entries itself for groups, broadcasts and loopback: those have no MAC address of one station. */
function isOneStation(attributes: string): boolean {
  const [, first = '1'] = /\blladdr ([0-9a-f]{2}):/.exec(attributes) ?? [];
  return Number.parseInt(first, 16) % 2 === 0 && !/\blladdr (00:)*00\b/.test(attributes);
}
