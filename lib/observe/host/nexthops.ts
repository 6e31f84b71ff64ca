import type { Family } from '../../request/addresses.ts';
import type { NextHop, Route } from './routes.ts';

/** A nexthop object, to which routes refer by its id (ip-nexthop(8)). */
export interface Nexthop {
  readonly id: number;
  /** undefined for a group, which may contain both families. */
  readonly family: Family | undefined;
  readonly hop: NextHop;
  /** The ids of a group's objects. */
  readonly members: readonly number[];
  /** The words for `ip nexthop add id ID`. */
  readonly words: readonly string[];
}

/** States in a listing that nobody can set, without and with a value. */
const STATES = new Set(['dead', 'linkdown', 'offload', 'trap']);
const VALUED_STATES = new Set(['scope', 'unbalanced_time', 'used']);

/** Words of a route that its nexthop object replaces. */
const OF_OBJECT = new Set(['via', 'dev', 'weight']);

/**
 * Reads nexthop objects from `ip -d -o nexthop show`, one on each line.
 * @param family the family of all of them; undefined to read only the groups of a listing
 * @param text the output of ip, which may contain other lists
 */
export function parseNexthops(family: Family | undefined, text: string): Nexthop[] {
  return [...text.matchAll(/^id (\d+) (.*)$/gm)].flatMap(([, id, rest = '']) => {
    const words = settable(rest.split(/\s+/).filter((word) => word !== ''));
    const after = (key: string) => (words.includes(key) ? words[words.indexOf(key) + 1] : undefined);
    const group = after('group');
    if ((group === undefined) !== (family !== undefined)) return [];
    const members = (group ?? '').split('/').filter(Boolean);
    return [
      {
        id: Number(id),
        family,
        hop: { gateway: after('via'), dev: after('dev') },
        members: members.map((member) => Number(member.split(',')[0])),
        words,
      },
    ];
  });
}

function settable(words: readonly string[]): string[] {
  return words
    .filter(
      (word, i) => !STATES.has(word) && !VALUED_STATES.has(word) && !VALUED_STATES.has(words[i - 1] ?? ''),
    )
    .filter((word, i, all) => !(word === 'proto' && all[i + 1] === 'unspec') && all[i - 1] !== 'proto')
    .filter((word) => word !== 'proto');
}

/**
 * Adds the hops of its nexthop object to a route.
 * @param route a route of `parseRoutes`
 * @param nexthops all objects
 */
export function withHops(route: Route, nexthops: readonly Nexthop[]): Route {
  const found = nexthops.find(({ id }) => id === route.nhid);
  if (found === undefined) return route;
  const members = found.members.map((member) => nexthops.find(({ id }) => id === member));
  const hops = found.members.length === 0 ? [found.hop] : members.flatMap((each) => each?.hop ?? []);
  return { ...route, hops, words: ['nhid', `${route.nhid}`, ...byObject(route.words)] };
}

/** A route names either its object or its hops, not both. */
function byObject(words: readonly string[]): string[] {
  return words.filter(
    (word, i) => !OF_OBJECT.has(word) && !OF_OBJECT.has(words[i - 1] ?? '') && word !== 'onlink',
  );
}
