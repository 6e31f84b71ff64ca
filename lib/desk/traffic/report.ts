import type { GuestCard } from '../../observe/desk/facts.ts';
import type { StrictRecord } from '../../observe/filter/strict.ts';
import type { Drops } from '../../observe/filter/strict-listing.ts';
import type { HookRuns } from '../../record/hook-runs.ts';
import { guestFlow, type Totals } from '../../record/traffic.ts';
import type { Flow } from '../../wire/traffic/nf-counters-listing.ts';

/** What the report is made of. */
export interface TrafficFacts {
  readonly host: string;
  readonly totals: Totals;
  /** The cards of running guests. */
  readonly cards: readonly GuestCard[];
  /** The uuids of running guests, by domain. */
  readonly uuids: ReadonlyMap<number, string>;
  /** The strict filter's records by port, and what it has refused since the port's guest came. */
  readonly strict: ReadonlyMap<string, StrictRecord>;
  readonly drops: ReadonlyMap<string, Drops>;
  readonly runs: HookRuns;
  readonly warnings: readonly string[];
}

/** A card of a guest. */
export interface CardTraffic extends Flow {
  readonly card: number;
  /** The names of the vif and the tap by now; empty where the guest does not run here. */
  readonly devices: readonly string[];
}

/** A guest whose traffic is counted, or was. */
export interface GuestTraffic extends Flow {
  readonly name: string;
  readonly uuid: string;
  readonly isRunning: boolean;
  /** The day from which on it is counted. */
  readonly since: string;
  readonly cards: readonly CardTraffic[];
}

/** What the strict filter has refused of what a card sent. */
export interface Refused extends Drops {
  readonly guest: string;
  /** Undefined where xenstore does not tell it. */
  readonly uuid: string | undefined;
  readonly card: number;
}

/** The report, in no particular form. */
export interface TrafficReport {
  readonly host: string;
  /** By name, and then by uuid. */
  readonly guests: readonly GuestTraffic[];
  readonly refused: readonly Refused[];
  /** How many cards of guests have each hotplug-status. */
  readonly hotplug: ReadonlyMap<string, number>;
  readonly runs: HookRuns;
  readonly warnings: readonly string[];
}

/** The word for a card about which xenstore has no hotplug-status yet. */
const WAITING = 'waiting';

/**
 * Makes the report.
 * @param facts the totals and the running guests
 */
export function trafficReport(facts: TrafficFacts): TrafficReport {
  const { host, totals, cards, uuids, runs, warnings } = facts;
  const running = new Map<string, GuestCard[]>();
  for (const card of cards) {
    const uuid = uuids.get(card.domid);
    if (uuid !== undefined) running.set(uuid, [...(running.get(uuid) ?? []), card]);
  }
  const guests = Object.entries(totals.guests).map(([uuid, own]): GuestTraffic => {
    const here = running.get(uuid) ?? [];
    return {
      name: own.name,
      uuid,
      isRunning: here.length > 0,
      since: own.since,
      ...guestFlow(own),
      cards: Object.entries(own.cards).map(([card, flow]) => ({
        card: Number(card),
        devices: here
          .filter(({ devid }) => `${devid}` === card)
          .flatMap(({ devices }) => devices.map(({ name }) => name)),
        ...flow,
      })),
    };
  });
  guests.sort((a, b) => compare(a.name, b.name) || compare(a.uuid, b.uuid));
  const hotplug = new Map<string, number>();
  for (const { hotplug: state = WAITING } of cards) hotplug.set(state, (hotplug.get(state) ?? 0) + 1);
  return { host, guests, refused: refusedOf(facts), hotplug, runs, warnings };
}

/**
 * The report about the guests of a name, or of a uuid or domain.
 * @param report the report about all
 * @param word the name, the uuid or the number of the domain
 * @param cards the cards of running guests
 * @param uuids the uuids of running guests, by domain
 */
export function reportOf(
  report: TrafficReport,
  word: string,
  { uuids }: Pick<TrafficFacts, 'uuids'>,
): TrafficReport {
  const uuid = uuids.get(Number(word));
  const guests = report.guests.filter(
    (guest) => [guest.name, guest.uuid].includes(word) || guest.uuid === uuid,
  );
  const isShown = (refused: Refused) => guests.some((guest) => guest.uuid === refused.uuid);
  return { ...report, guests, refused: report.refused.filter(isShown) };
}

/** A vif and its tap are one card. */
function refusedOf({ cards, uuids, strict, drops }: TrafficFacts): Refused[] {
  const found = new Map<string, Refused>();
  const guests = new Map(cards.map(({ domid, guest }) => [domid, guest]));
  for (const [port, { device }] of strict) {
    const [, domid = '', card = ''] = /^vif(\d+)\.(\d+)/.exec(device) ?? [];
    const { packets, bytes } = drops.get(port) ?? { packets: 0, bytes: 0 };
    const key = `${domid}.${card}`;
    const other = found.get(key) ?? { packets: 0, bytes: 0 };
    found.set(key, {
      guest: guests.get(Number(domid)) ?? domid,
      uuid: uuids.get(Number(domid)),
      card: Number(card),
      packets: other.packets + packets,
      bytes: other.bytes + bytes,
    });
  }
  return [...found.values()];
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
