import type { Deed, DeedKinds } from './deed.ts';
import { comes, GUEST_KINDS } from './guest-deeds.ts';
import { MISHAPS } from './mishaps.ts';
import { type Antispoof, holds, type Model, type Network, type Place } from './model.ts';
import { NETWORK_KINDS, NETWORKS, startOf } from './network-deeds.ts';

/** The kinds, by name. */
export const KINDS: DeedKinds = { ...GUEST_KINDS, ...NETWORK_KINDS, ...MISHAPS };

/** The first deeds of a kind in turn, until none is left. */
function allOf(kind: string, from: Model): Deed[] {
  const deeds: Deed[] = [];
  for (let now = from; ; ) {
    const next = KINDS[kind]?.all(now)[0];
    if (next === undefined) return deeds;
    deeds.push(next);
    now = next.model;
  }
}

const modelAfter = (model: Model, deeds: readonly Deed[]): Model => deeds.at(-1)?.model ?? model;

/** What takes everything away that a model has, in a fixed order. */
export function endOf(model: Model): Deed[] {
  const guests = allOf('a guest goes', model);
  return [...guests, ...allOf('a network stops', modelAfter(model, guests))];
}

/** So many guests are at each place of a full house, so that each has another one to forge. */
const FULL: readonly (readonly [domid: number, place: Place])[] = [
  [1, 'bridged'],
  [2, 'bridged'],
  [3, 'virtual'],
  [4, 'virtual'],
  [5, 'nat'],
  [6, 'routed'],
];

/**
 * What fills a host, so that a filter that holds nobody is noticed whatever came before: all networks are there, and at
 * each place guests that are held.
 * @param model the host
 * @param antispoof how they are held, where their network can
 */
export function fullHouse(model: Model, antispoof: 'yes' | 'strict'): Deed[] {
  const wish: Readonly<Record<Network, Antispoof>> = {
    bridge: antispoof,
    virtual: antispoof,
    nat: antispoof === 'yes' ? 'yes' : 'no',
    route: 'no',
  };
  const deeds: Deed[] = [];
  const now = () => modelAfter(model, deeds);
  for (const network of NETWORKS) {
    if (now().networks[network] !== undefined) continue;
    const start = startOf(now(), network, wish[network]);
    if (start !== undefined) deeds.push(start);
  }
  for (const [domid, place] of FULL) {
    const guest = now().guests[domid];
    const isHeld = guest?.place === place && holds(now(), guest) === antispoof && guest.mode === undefined;
    if (guest !== undefined && isHeld) continue;
    if (guest !== undefined) {
      const goes = KINDS['a guest goes']?.all(now()).find(({ about }) => about === `guest ${domid}`);
      if (goes !== undefined) deeds.push(goes);
    }
    const own = antispoof === 'strict' ? 'strict' : undefined;
    deeds.push(comes(now(), domid, { place, antispoof: own, vifname: domid % 2 === 0 }));
  }
  return deeds;
}
