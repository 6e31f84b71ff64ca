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
  /** The id of its nexthop object, where it has one. */
  readonly nhid?: number;
  /** The words for `ip route add` after the destination, unknown attributes of newer kernels included. */
  readonly words: readonly string[];
}

/** A policy rule as `ip rule` prints it, without its priority. */
export interface PolicyRule {
  readonly family: Family;
  readonly priority: number;
  readonly words: readonly string[];
}

/** A permanent neighbour entry, or a proxy entry, which makes the host answer for the address. */
export interface Neighbour {
  readonly family: Family;
  readonly dev: string;
  readonly address: string;
  /** The words for `ip neigh replace`, without the device. */
  readonly words: readonly string[];
}

const ROUTE_TYPES =
  /^(unicast|local|broadcast|multicast|anycast|throw|unreachable|prohibit|blackhole|nat|xresolve) /;
/** States in a listing of routes that nobody can set. */
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
/** The same with a value. ip prints the hops of a nexthop object beside its id. */
const VALUED_STATES = new Set(['nhid', 'error']);

/**
 * Reads routes from `ip -d -o route show table all`, one on each line (ip-route(8)).
 * @param family the family of all of them
 * @param text the output of ip, which may contain other lists
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

/** The last occurrence counts: an encapsulation, which comes first, may contain the same words. */
function after(words: readonly string[], key: string): string | undefined {
  const at = words.lastIndexOf(key);
  return at < 0 ? undefined : words[at + 1];
}

/**
 * Reads policy rules from `ip -d rule`; each line is what `ip rule add` takes (ip-rule(8)).
 * @param family the family of all of them
 * @param text the output of ip
 */
export function parseRules(family: Family, text: string): PolicyRule[] {
  return text.split('\n').flatMap((line) => {
    const [, priority, rest = ''] = /^(\d+):\s+(.*)$/.exec(line) ?? [];
    const words = rest.split(/\s+/).filter((word) => word !== '' && word !== '[detached]');
    return priority === undefined ? [] : [{ family, priority: Number(priority), words }];
  });
}

/**
 * Reads permanent neighbours from the output of `ip neigh show nud permanent`, `nud noarp` and `ip neigh show proxy`
 * (ip-neighbour(8)).
 * @param family the family of all of them
 * @param text the output of ip, which may contain other lists
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

/**
 * The kernel itself makes such entries for groups, broadcasts and loopback; their MAC address is not that of one
 * station.
 */
function isOneStation(attributes: string): boolean {
  const [, first = '1'] = /\blladdr ([0-9a-f]{2}):/.exec(attributes) ?? [];
  return Number.parseInt(first, 16) % 2 === 0 && !/\blladdr (00:)*00\b/.test(attributes);
}
