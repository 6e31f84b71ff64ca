import { hostMap, type MapFacts } from '../map/map.ts';
import { type Complaint, complaint, type DoctorFacts } from './complaint.ts';
import { GUEST_RULES } from './guests.ts';
import { HOST_RULES } from './host.ts';
import { NETWORK_RULES } from './networks.ts';

const RULES = [...NETWORK_RULES, ...GUEST_RULES, ...HOST_RULES];

/**
 * Looks for what is wrong with a host's networks and guests.
 * @param facts what is so on the host
 * @returns errors first
 */
export function diagnose(facts: DoctorFacts): Complaint[] {
  const { networks, warnings } = hostMap(facts);
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
 * @param facts what is so on the host
 * @param guest the guest's name or domain
 * @param counters what each device counted, by its name
 */
export function wayOf(
  facts: DoctorFacts,
  guest: string,
  counters: (device: string) => Omit<Hop, 'device' | 'what'>,
): Hop[] {
  const { networks } = hostMap(facts);
  const hop = (device: string, what: string): Hop => ({ device, what, ...counters(device) });
  return networks.flatMap(({ name, kind, guests, cards }) =>
    guests
      .filter((port) => port.guest === guest || `${port.domid}` === guest)
      .flatMap(({ device }) => [
        hop(device, "the guest's end in dom0"),
        ...(kind === 'routed' ? [] : [hop(name, kind)]),
        ...cards.map((card) => hop(card.device, 'card')),
      ]),
  );
}

/**
 * Whether a guest has a network card here.
 * @param facts what is so on the host
 * @param guest the guest's name or domain
 */
export function isKnownGuest({ guests }: Pick<MapFacts, 'guests'>, guest: string): boolean {
  return guests.some((one) => one.guest === guest || `${one.domid}` === guest);
}
