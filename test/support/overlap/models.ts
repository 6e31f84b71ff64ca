import { existsSync } from 'node:fs';
import { differences } from '../models/bridge-state.ts';
import type { Snapshot } from '../models/snapshot.ts';
import { nameOf } from './commands.ts';
import { look } from './look.ts';
import type { Act, Overlap } from './overlap.ts';
import { hasFailed, here, runAway } from './play.ts';

/** What comes by itself a little later is waited for so long. */
const CALM_MS = 10_000;

/**
 * A run that fails for another reason than in turn gives that one in xenstore: the model is that the reason is what the run
 * itself said.
 */
function withoutReasons(state: Snapshot, said: readonly string[]): Snapshot {
  const all = said.join('\n');
  const store = (state['store'] ?? []).map((line) => {
    const [, path, reason] = /^(.*\/hotplug-error) = "(?:\S+ \w+ \S+: )?(.+)"$/.exec(line) ?? [];
    return reason !== undefined && all.includes(reason) ? `${path} is what was said` : line;
  });
  return { ...state, store };
}

/**
 * Looks until the host is as one of the expected.
 * @param expected how it may be
 * @param said what both runs said
 * @returns how it differs from the one that is nearest; nothing where it is one of them
 */
export function wrongAfter(expected: readonly Snapshot[], said: readonly string[] = []): string[] {
  const texts = expected.map((each) => JSON.stringify(each));
  for (const end = performance.now() + CALM_MS; ; Bun.sleepSync(20)) {
    const now = withoutReasons(look(here, existsSync('/run/openvswitch/db.sock')), said);
    if (texts.includes(JSON.stringify(now))) return [];
    if (performance.now() < end) continue;
    const all = expected.map((each) => differences(each, now));
    return all.sort((a, b) => a.length - b.length)[0] ?? [];
  }
}

/** Looks once the host has come to rest. */
export function settled(): Snapshot {
  let before = '';
  for (let tries = 0; ; tries++) {
    const now = look(here, existsSync('/run/openvswitch/db.sock'));
    const text = JSON.stringify(now);
    if ((text === before && !text.includes('tentative')) || tries > 50) return now;
    before = text;
    Bun.sleepSync(100);
  }
}

/** What came of acts in turn, by all that was done: many pairs of a host have turns in common. */
const turns = new Map<string, Turn>();

/** What came of acts in turn. */
interface Turn {
  readonly state: Snapshot;
  /** What was left when all was taken away. */
  readonly wrong: readonly string[];
  readonly said: readonly string[];
  readonly failed: readonly boolean[];
}

/** Does acts one after the other, as the model of what may come of both. */
function inTurn(overlap: Overlap, acts: readonly Act[], stage: Snapshot): Turn {
  const said: string[] = [];
  const play = (act: Act): boolean => {
    const answer = runAway(act);
    said.push(`${nameOf(act)}: ${answer}`);
    return hasFailed(answer);
  };
  overlap.before.forEach(play);
  const failed = acts.map(play);
  overlap.after.forEach(play);
  const state = withoutReasons(settled(), said);
  for (const act of overlap.end) runAway(act);
  const wrong = wrongAfter([stage]);
  const faults = wrong.length === 0 ? [] : ['left at the end:', ...wrong, 'of:', ...said];
  return { state, wrong: faults, said, failed };
}

/** Whether the first and the second said that they failed; a killed one says nothing. */
export type Failed = readonly [boolean, boolean];

/**
 * What may come of both: one after the other, or, where one of them says that it failed, the other alone. The second may also
 * fail since it finds what the first did, and the first be taken back then: nothing comes of both but the second's word.
 * Each is played when it is asked for.
 */
export class Models {
  readonly #overlap: Overlap;
  readonly #stage: Snapshot;
  /** What is wrong already when they come in turn. */
  readonly wrong: string[] = [];

  /**
   * @param overlap the pair
   * @param stage what they begin on, and what has to be left
   */
  constructor(overlap: Overlap, stage: Snapshot) {
    this.#overlap = overlap;
    this.#stage = stage;
    const { first, second } = overlap;
    this.play([overlap.how === 'killed', false]);
    const [one, other] = [this.#turn([first, second]), this.#turn([second, first])];
    if (!overlap.anyOrder || this.wrong.length > 0) return;
    const [{ files: _ours, ...state }, { files: _either, ...reversed }] = [one.state, other.state];
    const orders = differences(state, reversed);
    if (orders.length === 0) return;
    const said = [...one.said, 'the other order:', ...other.said];
    this.wrong.push('the other order comes to something else:', ...orders, 'of:', ...said);
  }

  /**
   * Plays what may come of both when they ended so, on the stage.
   * @param failed which of them said that it failed
   */
  play(failed: Failed): void {
    for (const acts of this.#casesOf(failed)) this.#turn(acts);
  }

  /** @returns what may come of both when they ended so; undefined unless that has been played */
  statesAfter(failed: Failed): Snapshot[] | undefined {
    const cases = this.#casesOf(failed);
    if (!cases.every((acts) => turns.has(this.#keyOf(acts)))) return undefined;
    const { first, second } = this.#overlap;
    const word = storeOf(second.guest, this.#turn([first, second]).state);
    return cases.map((acts) => (acts.length > 0 ? this.#turn(acts).state : word(this.#turn([]).state)));
  }

  #casesOf(failed: Failed): Act[][] {
    const { first, second } = this.#overlap;
    return [
      [first, second],
      [second, first],
      ...(failed[0] ? [[second]] : []),
      ...(failed[1] ? [[first]] : []),
      ...(failed[0] && failed[1] && this.#turn([first, second]).failed[1] === true ? [[]] : []),
    ];
  }

  #turn(acts: readonly Act[]): Turn {
    const key = this.#keyOf(acts);
    const turn = turns.get(key) ?? inTurn(this.#overlap, acts, this.#stage);
    if (!turns.has(key)) this.wrong.push(...turn.wrong);
    turns.set(key, turn);
    return turn;
  }

  #keyOf(acts: readonly Act[]): string {
    const { beside, before, after, end } = this.#overlap;
    return JSON.stringify([beside, before, acts, after, end]);
  }
}

/** A state in which xenstore says of a guest what it says in another. */
function storeOf(guest: number | undefined, of: Snapshot): (others: Snapshot) => Snapshot {
  const isHis = (line: string) => line.startsWith(`/local/domain/0/backend/vif/${guest}/`);
  return (others) => {
    const [its = [], rest = []] = [of['store'], others['store']];
    return { ...others, store: [...its.filter(isHis), ...rest.filter((line) => !isHis(line))].sort() };
  };
}
