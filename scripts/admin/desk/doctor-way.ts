import type { DoctorFacts } from '../../../lib/desk/doctor/facts.ts';
import { countsOf } from '../../../lib/desk/way/counts.ts';
import type { Hop, WayFacts } from '../../../lib/desk/way/path.ts';
import { difference, type Stop, type WatchedHop, whereItStops } from '../../../lib/desk/way/watch.ts';
import type { Way } from '../../../lib/desk/way/ways.ts';
import { HostError, XenstoreError } from '../../../lib/errors.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { offloadsChecksums } from '../../../lib/observe/desk/checksums.ts';
import {
  learnedMacs,
  type Reading,
  readCounts,
  readEnds,
  readNeighbour,
} from '../../../lib/observe/desk/path.ts';
import type { System } from '../../../lib/system/system.ts';
import { table } from '../table.ts';

const COULD_NOT_LOOK = 2;
const EVERY_MS = 1000;
const JSON_VERSION = 1;

/** A guest's way and what was counted on it at first. */
interface StartedWay {
  readonly way: Way;
  readonly hops: readonly Hop[];
  readonly reading: Reading;
}

/**
 * Asks what is only asked for one guest.
 * @param context the call
 * @param facts what is so on the host
 * @param way the way of its packets
 */
export async function readWayFacts(context: Context, facts: DoctorFacts, way: Way): Promise<WayFacts> {
  const { system, env } = context;
  const { network, gateway, end, uplink, port, card } = way;
  const ends = await endsOf(context, way.card);
  const device = end ?? uplink;
  const isNat = /vif-nat/.test(card.script ?? '');
  return {
    ...ends,
    learned: network?.kind === 'bridge' ? learnedMacs(system, port) : [],
    neighbour:
      gateway === undefined || device === undefined ? undefined : readNeighbour(system, device, gateway),
    offloads: isNat && offloadsChecksums(system, port),
    filtered: facts.firewall.filtered.get(network?.name ?? '') ?? [],
  };

  async function endsOf(
    { system: host }: Context,
    of: Way['card'],
  ): Promise<Pick<WayFacts, 'front' | 'back'>> {
    try {
      return await readEnds(host, env, of);
    } catch (thrown) {
      if (thrown instanceof XenstoreError) return { front: undefined, back: undefined };
      throw thrown;
    }
  }
}

/**
 * Reads all counters on a guest's way.
 * @param system the way to them
 * @param facts what is so on the host
 * @param way the way
 */
export function readWay(system: System, { strict }: DoctorFacts, way: Way): Reading {
  const { port, device, uplink, end, network, addresses } = way;
  return readCounts(system, {
    devices: [port, uplink, end].flatMap((name) => name ?? []),
    device,
    port,
    isStrict: strict.has(port),
    uplink: network?.kind === 'routed' ? uplink : undefined,
    addresses: addresses.map(({ address }) => address),
  });
}

/**
 * Reads the counters of a guest's ways every second and prints how they grew and where packets stop, until the given
 * number of readings or a signal.
 * @param context the call
 * @param facts what is so on the host
 * @param started the ways and their first readings
 * @param options how often, and whether as JSON: one object in a line for each way and second
 * @returns 0; 1 where packets stop on a way, counted from the first reading to the last
 * @throws HostError where the guest has no device here
 */
export async function watch(
  context: Context,
  facts: DoctorFacts,
  started: readonly StartedWay[],
  { count = Number.POSITIVE_INFINITY, json, guest = '' }: WatchOptions,
): Promise<number> {
  const { system, print } = context;
  if (started.length === 0)
    throw new HostError(`${guest} has no device on this host whose packets could be counted.`, {
      exitCode: COULD_NOT_LOOK,
    });
  let latest = started;
  for (let at = 1; at <= count; at++) {
    await system.sleep(EVERY_MS);
    if (context.interrupted()) break;
    const now = started.map((each) => ({ ...each, reading: readWay(system, facts, each.way) }));
    for (const [i, each] of now.entries()) {
      const grown = grownBetween(latest[i] ?? each, each);
      const stop = whereItStops(each.way.card.guest, grown, each.reading.connections);
      print(json ? lineOf(facts.host, at, each, grown, stop) : textOf(at, grown, stop));
    }
    latest = now;
  }
  const ends = started.map((each, i) => ({ each, last: latest[i] ?? each }));
  const stops = ends.map(({ each, last }) =>
    whereItStops(each.way.card.guest, grownBetween(each, last), last.reading.connections),
  );
  return stops.some(({ at }) => at !== undefined) ? 1 : 0;
}

/** The options of --watch. */
interface WatchOptions {
  readonly count?: number | undefined;
  readonly json: boolean;
  readonly guest?: string | undefined;
}

function grownBetween(before: StartedWay, after: StartedWay): WatchedHop[] {
  return after.hops
    .filter(({ counter }) => counter !== undefined)
    .map((hop) => ({
      hop,
      counts: difference(countsOf(hop, before.way, before.reading), countsOf(hop, after.way, after.reading)),
    }));
}

function textOf(second: number, grown: readonly WatchedHop[], { sentence }: Stop): string {
  const cell = (count: number | undefined) => (count === undefined ? '' : `+${count}`);
  const rows = grown.map(({ hop: { name, what }, counts: { from, to, dropped } }) => [
    name,
    what,
    ...[from, to, dropped].map(cell),
  ]);
  return `${table([[`${second} s`, 'IS', 'FROM GUEST', 'TO GUEST', 'DROPPED'], ...rows])}${sentence}\n\n`;
}

function lineOf(
  host: string,
  second: number,
  { way, reading }: StartedWay,
  grown: readonly WatchedHop[],
  { at, sentence }: Stop,
): string {
  const hops = grown.map(({ hop: { name, what }, counts }) => ({ name, what, ...counts }));
  const { connections } = reading;
  const device = way.port;
  return `${JSON.stringify({ version: JSON_VERSION, host, second, device, hops, connections, stopsAt: at, sentence })}\n`;
}
