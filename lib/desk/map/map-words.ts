import type { CardPort, HostEnd, HostMap, Network } from './map.ts';

/** What a host's map says where there is nothing to show. */
export const NOTHING_THERE = 'There is no bridge, no switch and no guest.';
/** The heading of guests' devices that are on no network. */
export const ON_NO_NETWORK = 'On no network';
/** What the map says of a port that is neither a guest's nor a card's. */
export const NOT_OURS = "not a guest's, nor this program's";

/**
 * What a network is, and which settings it has.
 * @param network the network
 */
export function networkFacts(network: Network): string {
  const { kind, startedBy, antispoof, hasSpanningTree, mtu } = network;
  const what = kind === 'routed' ? 'guests that are routed to' : kind;
  return [
    startedBy === undefined ? `${what}, not started by this program` : `${what} by ${startedBy}`,
    ...(antispoof === undefined ? [] : [`antispoof=${antispoof}`]),
    ...(hasSpanningTree ? ['spanning tree'] : []),
    ...(mtu === undefined ? [] : [`MTU ${mtu}`]),
  ].join(', ');
}

/**
 * The driver and the speed of a card.
 * @param card the card
 */
export function cardFacts({ driver, speed }: CardPort): string {
  return speed === undefined ? driver : `${driver}, ${speed} Mbit/s`;
}

/**
 * The host's addresses on a network.
 * @param end the host's own end
 */
export function hostAddresses({ addresses }: HostEnd): string {
  return addresses.length === 0 ? 'no address' : addresses.join(' ');
}

/**
 * A guest's name and number; its number alone where it has no name.
 * @param port a device of the guest
 */
export function guestName({ guest, domid }: { readonly guest: string; readonly domid: number }): string {
  return guest === `${domid}` ? guest : `${guest} (${domid})`;
}

/**
 * Whether a map has neither a network nor a guest.
 * @param map the map
 */
export function isEmpty({ networks, loose }: HostMap): boolean {
  return networks.length + loose.length === 0;
}
