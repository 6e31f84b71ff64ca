import type { Flow } from '../wire/traffic/nf-counters-listing.ts';

/** The record of a guest's device whose traffic is counted. */
export interface CountedRecord {
  /** Which counters are its own, in this boot; others of the same names may come from a file that somebody loaded. */
  readonly id: string;
  /** The guest's, which stays over renames, restarts and migrations. */
  readonly uuid: string;
  /** The guest's name at the time. */
  readonly guest: string;
  /** Which of the guest's cards, counted from 0. */
  readonly card: number;
  /** The device's name when the counters were put in place. */
  readonly port: string;
}

/** The counts of a device, read at one time. */
export interface DeviceCount extends Omit<CountedRecord, 'port'> {
  readonly flow: Flow;
}

/** All that a guest has sent and received on this host. */
export interface GuestTotals {
  /** Its last known name. */
  readonly name: string;
  /** The day from which on it is counted, as the host's clock was then. */
  readonly since: string;
  /** By the number of the card. A vif and its tap are one card. */
  readonly cards: Readonly<Record<string, Flow>>;
}

/** The totals, which outlive reboots of the host. */
export interface Totals {
  /** By uuid. */
  readonly guests: Readonly<Record<string, GuestTotals>>;
  /** What the totals have of counters that are still in use, by their id. */
  readonly included: Readonly<Record<string, Flow>>;
}

/** A device or guest that has neither sent nor received anything. */
export const NO_FLOW: Flow = { sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0 };
export const NO_TOTALS: Totals = { guests: {}, included: {} };

const FIELDS = ['sentPackets', 'sentBytes', 'receivedPackets', 'receivedBytes'] as const;

/**
 * The sum of two flows.
 * @param one a flow
 * @param other another
 */
export function flowSum(one: Flow, other: Flow): Flow {
  return eachField((field) => one[field] + other[field]);
}

/**
 * Adds to the totals what has been counted since they were made. Counters that the totals have already, and those that come
 * twice, as while a device ends, count once.
 * @param totals the totals so far
 * @param counts the counts of all counters that are there, and the last ones of those that are gone
 * @param isUsed tells whether counters of an id may be read again; of others nothing need be known any longer
 * @param today the day for guests that were never counted before
 */
export function withCounts(
  totals: Totals,
  counts: readonly DeviceCount[],
  isUsed: (id: string) => boolean,
  today: string,
): Totals {
  const guests: Record<string, GuestTotals> = { ...totals.guests };
  const included: Record<string, Flow> = { ...totals.included };
  for (const { id, uuid, guest, card, flow } of counts) {
    const before = included[id] ?? NO_FLOW;
    const fresh = eachField((field) => Math.max(0, flow[field] - before[field]));
    included[id] = flowSum(before, fresh);
    const known = guests[uuid];
    const own = known?.cards[card] ?? NO_FLOW;
    const cards = { ...known?.cards, [card]: flowSum(own, fresh) };
    guests[uuid] = { name: guest, since: known?.since ?? today, cards };
  }
  const used = Object.entries(included).filter(([id]) => isUsed(id));
  return { guests, included: Object.fromEntries(used) };
}

/**
 * All that a guest has sent and received by all its cards.
 * @param guest the guest's totals
 */
export function guestFlow({ cards }: GuestTotals): Flow {
  return Object.values(cards).reduce(flowSum, NO_FLOW);
}

/**
 * Whether a value is a flow.
 * @param value any value
 */
export function isFlow(value: unknown): value is Flow {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return FIELDS.every((field) => Number.isFinite(fields[field]) && Number(fields[field]) >= 0);
}

function eachField(of: (field: keyof Flow) => number): Flow {
  const [sentPackets, sentBytes, receivedPackets, receivedBytes] = [
    of(FIELDS[0]),
    of(FIELDS[1]),
    of(FIELDS[2]),
    of(FIELDS[3]),
  ];
  return { sentPackets, sentBytes, receivedPackets, receivedBytes };
}
