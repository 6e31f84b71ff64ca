import type { GuestPort, HostMap } from '../map/map.ts';
import { type Complaint, complaint, type DoctorFacts } from './complaint.ts';
import { GUEST_RULES } from './guests.ts';
import { HOST_RULES } from './host.ts';
import { NETWORK_RULES } from './networks.ts';

const RULES = [...NETWORK_RULES, ...GUEST_RULES, ...HOST_RULES];

/**
 * Looks for what is wrong with a host's networks and guests.
 * @param facts what is so on the host
 * @param map the map that is drawn from them
 * @returns errors first
 */
export function diagnose(facts: DoctorFacts, { networks, warnings }: HostMap): Complaint[] {
  const found = [
    ...warnings.map((text) => complaint('host', 'error', text)),
    ...RULES.flatMap((rule) => rule(facts, networks)),
  ];
  const rank = ({ level }: Complaint) => (level === 'error' ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}

/** A place that a guest's packets pass, with what was counted there. */
export interface Hop {
  readonly device: string;
  readonly what: string;
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

/**
 * The way of a guest's packets, from its card to the wire.
 * @param map the map of the host
 * @param guest the guest's name or domain
 * @param counters what each device counted, by its name
 */
export function wayOf(
  { networks }: HostMap,
  guest: string,
  counters: (device: string) => Omit<Hop, 'device' | 'what'>,
): Hop[] {
  const hop = (device: string, what: string): Hop => ({ device, what, ...counters(device) });
  return networks.flatMap(({ name, kind, guests, cards }) =>
    guests
      .filter((port) => isGuest(port, guest))
      .flatMap(({ device }) => [
        hop(device, "the guest's end in dom0"),
        ...(kind === 'routed' ? [] : [hop(name, kind)]),
        ...cards.map((card) => hop(card.device, 'card')),
      ]),
  );
}

/**
 * Whether a card or a port is that of a guest.
 * @param one the card or port
 * @param guest the guest's name or domain
 */
export function isGuest({ guest: name, domid }: Pick<GuestPort, 'guest' | 'domid'>, guest: string): boolean {
  return name === guest || `${domid}` === guest;
}
