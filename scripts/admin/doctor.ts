import type { Complaint } from '../../lib/desk/doctor/complaint.ts';
import { diagnose, isMeant } from '../../lib/desk/doctor/doctor.ts';
import type { DoctorFacts } from '../../lib/desk/doctor/facts.ts';
import { hostMap } from '../../lib/desk/map/map.ts';
import { countsOf, type HopCounts } from '../../lib/desk/way/counts.ts';
import { type Hop, hopsOf } from '../../lib/desk/way/path.ts';
import { type Way, waysOf } from '../../lib/desk/way/ways.ts';
import { HostError, RequestError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import type { GuestCard } from '../../lib/observe/desk/facts.ts';
import type { Reading } from '../../lib/observe/desk/path.ts';
import { quote, visible } from '../../lib/text.ts';
import { readDoctorFacts } from './desk/doctor-facts.ts';
import { readWay, readWayFacts, watch } from './desk/doctor-way.ts';
import { table } from './table.ts';

/** The arguments of "xen-network doctor". */
export interface DoctorOptions {
  /** A guest's name or domain, or one of its devices; undefined for the whole host. */
  readonly guest: string | undefined;
  /** Whether to read the counts at each hop again and again. */
  readonly watch: boolean;
  /** How often; undefined without end. */
  readonly count: number | undefined;
  readonly json: boolean;
}

/** A guest's way with its hops, and what was counted on it. */
interface LookedWay {
  readonly way: Way;
  readonly hops: readonly Hop[];
  readonly reading: Reading;
}

const COULD_NOT_LOOK = 2;
/** The version of the form of --json's output. */
const JSON_VERSION = 1;

/**
 * Looks for what is wrong with the host's networks and guests, and says what to do; of one guest also the way of its
 * packets, hop by hop. Nothing on the host is changed, and no packet is sent.
 * @param context the call
 * @param options the arguments
 * @returns 0; 1 where something was found
 * @throws RequestError where --watch or --count does not fit
 * @throws HostError where there is no such guest, or the host cannot be looked at
 */
export async function doctor(context: Context, options: DoctorOptions): Promise<number> {
  const { guest, json } = options;
  mustFit(options);
  const facts = await factsOf(context);
  const map = hostMap(facts);
  const all = diagnose(facts, map);
  const cards = guest === undefined ? [] : cardsOf(facts, guest);
  const ways = await Promise.all(
    waysOf(facts, map, cards).map(async (way): Promise<LookedWay> => {
      const own = await readWayFacts(context, facts, way);
      return { way, hops: hopsOf(facts, way, own), reading: readWay(context.system, facts, way) };
    }),
  );
  if (options.watch) return watch(context, facts, ways, options);
  const found = guest === undefined ? all : [...ofWays(ways), ...ofGuest(all, cards)];
  if (json)
    context.print(
      `${JSON.stringify(jsonOf(facts, found, guest === undefined ? undefined : ways), null, 2)}\n`,
    );
  else context.print(visible(textOf(found, ways)));
  return found.some(({ level }) => level !== 'note') ? 1 : 0;
}

/** Who cannot look says so, and nothing of what may be right. */
async function factsOf(context: Context): Promise<DoctorFacts> {
  try {
    return await readDoctorFacts(context);
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    throw new HostError(thrown.message, { cause: thrown, exitCode: COULD_NOT_LOOK });
  }
}

function mustFit({ guest, watch: isWatched, count }: DoctorOptions): void {
  if (isWatched && guest === undefined)
    throw new RequestError('--watch follows the packets of one guest; name it.', {
      exitCode: COULD_NOT_LOOK,
    });
  if (count === undefined) return;
  if (!isWatched)
    throw new RequestError('--count says how often --watch looks; without --watch it means nothing.', {
      exitCode: COULD_NOT_LOOK,
    });
  if (!Number.isInteger(count) || count < 1)
    throw new RequestError('--count takes a whole number from 1 on.', { exitCode: COULD_NOT_LOOK });
}

function cardsOf({ guests }: DoctorFacts, word: string): GuestCard[] {
  const cards = guests.filter((card) => isMeant(card, word));
  if (cards.length > 0) return cards;
  throw new HostError(
    `There is no guest ${quote(word)} with a network card, and no guest has a device of that name. "xl list" shows the guests that run.`,
    { exitCode: COULD_NOT_LOOK },
  );
}

/** What is wrong on the ways themselves. */
function ofWays(ways: readonly LookedWay[]): Complaint[] {
  return ways.flatMap(({ hops, way }) =>
    hops.flatMap(({ fault, name }): Complaint[] =>
      fault === undefined ? [] : [{ topic: name, level: 'error', text: fault, guest: way.card.guest }],
    ),
  );
}

/** What concerns the guest: the host's own faults do, and other guests' do not. */
function ofGuest(all: readonly Complaint[], cards: readonly GuestCard[]): Complaint[] {
  const names = cards.map((card) => card.guest);
  return all.filter((one) => one.guest === undefined || names.includes(one.guest));
}

function textOf(found: readonly Complaint[], ways: readonly LookedWay[]): string {
  const shown = ways.map((way) => `${wayText(way)}\n`).join('');
  if (found.length === 0) return `${shown}Nothing was found that is wrong.\n`;
  const of = (level: Complaint['level']) => found.filter((one) => one.level === level).length;
  const lines = found.map(({ level, topic, text }) => `${level} (${topic}): ${text}\n`);
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const notes = of('note') === 0 ? '' : `, ${count(of('note'), 'note')}`;
  return `${shown}${lines.join('')}${count(of('error'), 'error')}, ${count(of('warning'), 'warning')}${notes}.\n`;
}

function wayText({ way, hops, reading }: LookedWay): string {
  const rows = hops.map((hop) => {
    const { from, to, dropped } = countsOf(hop, way, reading);
    return [hop.name, hop.what, ...[from, to, dropped].map(cell), hop.state];
  });
  return table([['HOP', 'IS', 'FROM GUEST', 'TO GUEST', 'DROPPED', 'STATE'], ...rows]);
}

function cell(count: number | undefined): string {
  return count === undefined ? '' : `${count}`;
}

function jsonOf({ host }: DoctorFacts, found: readonly Complaint[], ways: readonly LookedWay[] | undefined) {
  const shown = ways?.map(({ way, hops, reading }) => ({
    guest: way.card.guest,
    device: way.port,
    connections: reading.connections,
    hops: hops.map((hop) => ({ ...withoutCounter(hop), ...countsOf(hop, way, reading) })),
  }));
  return { version: JSON_VERSION, host, found, ways: shown };
}

function withoutCounter({ name, what, state, fault }: Hop): Omit<Hop, 'counter'> & Partial<HopCounts> {
  return { name, what, state, fault };
}
