import type { Family } from '../../request/addresses.ts';
import type { NextHop, Route } from './routes.ts';

/** A nexthop object, by whose number routes can lead (ip-nexthop(8)). */
export interface Nexthop {
  readonly id: number;
  /** undefined for a group, which may hold both. */
  readonly family: Family | undefined;
  readonly hop: NextHop;
  /** The objects of a group. */
  readonly members: readonly number[];
  /** What `ip nexthop add id ID` takes. */
  readonly words: readonly string[];
}

/** What the kernel tells of an object and nobody can set; with a value where there is one. */
const STATES = new Set(['dead', 'linkdown', 'offload', 'trap']);
const VALUED_STATES = new Set(['scope', 'unbalanced_time', 'used']);

/** What the object of a route stands for. */
const OF_OBJECT = new Set(['via', 'dev', 'weight']);

/**
 * Nexthop objects as `ip -d -o nexthop show` prints them, a line each.
 * @param family of all of them; undefined for a listing of which only the groups count
 * @param text what ip printed, perhaps with other lists in it
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
 * A route that leads by an object, with the hops that this stands for.
 * @param route as `parseRoutes` has it
 * @param nexthops all objects
 */
export function withHops(route: Route, nexthops: readonly Nexthop[]): Route {
  const found = nexthops.find(({ id }) => id === route.nhid);
  if (found === undefined) return route;
  const members = found.members.map((member) => nexthops.find(({ id }) => id === member));
  const hops = found.members.length === 0 ? [found.hop] : members.flatMap((each) => each?.hop ?? []);
  return { ...route, hops, words: ['nhid', `${route.nhid}`, ...byObject(route.words)] };
}

/** A route takes the object or what it stands for, not both. */
function byObject(words: readonly string[]): string[] {
  return words.filter(
    (word, i) => !OF_OBJECT.has(word) && !OF_OBJECT.has(words[i - 1] ?? '') && word !== 'onlink',
  );
}
