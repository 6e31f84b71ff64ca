import { strictBase, strictExtras } from '../../filter/strict.ts';
import { elementLine, isDeviceChain, isKept, placeOf, withoutRanged } from '../../filter/strict-elements.ts';
import { ROUTED_GROUP, ROUTED_TABLE } from '../../filter/strict-hooks.ts';
import { INGRESS_TABLE, STRICT_TABLE } from '../../filter/strict-rules.ts';
import type { StrictRecord } from '../../observe/filter/strict.ts';
import type { Drops } from '../../observe/filter/strict-listing.ts';
import { type Command, ip, lastingStep, record, type Step } from '../step.ts';

/** The group of a device that is in none. */
const NO_GROUP = '0';

/** The port filter of one port: its present and its new elements in the strict table. */
export interface StrictChange {
  /** The port's name. */
  readonly port: string;
  readonly recordPath: string;
  /** The present record. */
  readonly old: StrictRecord | undefined;
  /** The new record; undefined where the port leaves the strict filter. */
  readonly fresh: StrictRecord | undefined;
  /** Somebody may have removed elements, as a flush does, so a missing element must not make the step fail. */
  readonly flushed: boolean;
  /** Elements that other ports' records contain too, such as the MAC address of a guest with two cards. */
  readonly shared: readonly string[];
  /** The counter of the guest's dropped packets under the port's earlier name; the new element continues it. */
  readonly drops?: Drops | undefined;
  /** Whether a device has the port's name; it has unless told. */
  readonly isHere?: boolean;
}

/**
 * The steps that replace a port's elements in one transaction, so that its packets are never unfiltered.
 * @param change the port's record, before and after
 */
export function planStrict(change: StrictChange): Step[] {
  const { port, recordPath, old, fresh, flushed, shared, drops, isHere = true } = change;
  if (old === undefined && fresh === undefined) return [];
  const [had, wanted] = [old?.elements ?? [], fresh?.elements ?? []];
  const stale = had.filter((element) => !wanted.includes(element) && !shared.includes(element));
  const hold = `set the port filter of ${port}`;
  const text = (content: StrictRecord | undefined) =>
    content === undefined
      ? undefined
      : JSON.stringify({ ...content, elements: withoutRanged(content.elements) });
  return [
    ...strictExtras(wanted).map((line): Step => ({ do: { tool: 'nft', line }, undo: [], why: hold })),
    ...stale.flatMap((element) =>
      removal(element, `remove old elements of ${port}`, flushed, counted(element, had, drops)),
    ),
    // Elements that exist are added again: somebody may have flushed them.
    ...wanted.map(
      (element): Step => ({
        do: line('add', counted(element, wanted, drops)),
        undo: had.includes(element) || shared.includes(element) ? [] : [line('delete', element)],
        why: hold,
      }),
    ),
    ...(isHere ? groupSteps(port, isKept(had), isKept(wanted)) : []),
    {
      do: record(recordPath, text(fresh)),
      undo: [record(recordPath, text(old))],
      why: `record the elements of ${port}`,
    },
  ];
}

/** A device is in the group only while its name is in the set, without which its packets are dropped. */
function groupSteps(port: string, was: boolean, is: boolean): Step[] {
  const group = (number: string) => ip('link', 'set', 'dev', port, 'group', number);
  const [join, leave] = [group(ROUTED_GROUP), group(NO_GROUP)];
  const why = `hold ${port} under every name`;
  if (is) return [{ do: join, undo: was ? [] : [leave], why }];
  return was ? [{ do: leave, undo: [join], why: `take ${port} out of the group of held devices` }] : [];
}

/**
 * The steps that remove elements that are in no record, in nft's notation.
 * @param elements such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`
 */
export function planStrays(elements: readonly string[]): Step[] {
  const why = 'remove elements of no known guest';
  return elements.map((element) => ({ do: line('delete', element), undo: [], why }));
}

/**
 * Whether an element counts a port's dropped packets.
 * @param element an element of either table
 */
export function isCounter(element: string): boolean {
  return /^(netdev )?refused /.test(element);
}

/** The first of a port's counters goes on from where the one under the port's earlier name was. */
function counted(element: string, all: readonly string[], drops: Drops | undefined): string {
  if (drops === undefined || element !== all.find(isCounter)) return element;
  return element.replace(/ }$/, ` counter packets ${drops.packets} bytes ${drops.bytes} }`);
}

/** nft refuses to delete an element that does not exist, but not to add one that does. A chain is removed either way. */
function removal(element: string, why: string, flushed: boolean, again: string): Step[] {
  const gone: Step = { do: line('delete', element), undo: [line('add', again)], why };
  return flushed && !isDeviceChain(element) ? [{ do: line('add', element), undo: [], why }, gone] : [gone];
}

/**
 * The steps that make the strict table and add the elements of all guests in the same transaction: for the first guest,
 * and after somebody flushed the whole ruleset. They stay when the run is undone: another guest may need the table by
 * then, and without guests it changes nothing.
 * @param guests the elements of all known guests
 * @param former sets of a version before, which no rule asks any more
 */
export function planStrictTable(guests: readonly string[], former: readonly string[] = []): Step[] {
  const removals = former.map((set) => {
    const [table, prefix] = placeOf(set);
    return `delete set ${table} ${set.slice(prefix.length)}`;
  });
  return [
    ...[...strictBase(), ...removals, ...strictExtras(guests)].map((text) =>
      lastingStep({ tool: 'nft', line: text }, 'make the table of the strict filter'),
    ),
    ...guests.map((element) => lastingStep(line('add', element), 'set the port filters of the other guests')),
  ];
}

/**
 * The steps that make the strict table where it does not exist, for a bridge whose guests it will filter.
 * @returns steps that an undo takes back
 */
export function planStrictStart(): Step[] {
  const why = 'make the table of the strict filter';
  const [first = '', ...rest] = strictBase();
  return [
    { do: { tool: 'nft', line: first }, undo: [REMOVAL], why },
    ...rest.map((text): Step => ({ do: { tool: 'nft', line: text }, undo: [], why })),
  ];
}

/** The step that removes the strict table, for a host on which no guest needs it. */
export function planStrictStop(): Step {
  const undo = strictBase().map((text): Command => ({ tool: 'nft', line: text }));
  return { do: REMOVAL, undo, why: 'remove the table of the strict filter' };
}

/** One of them may be missing. */
const REMOVAL = {
  tool: 'nft',
  line: [STRICT_TABLE, INGRESS_TABLE, ROUTED_TABLE]
    .map((table) => `add table ${table}; delete table ${table}`)
    .join('; '),
} as const;

/**
 * Whether a command removes the strict table with all its content.
 * @param command any command
 */
export function removesStrictTable(command: Command): boolean {
  return command.tool === 'nft' && command.line === REMOVAL.line;
}

function line(verb: 'add' | 'delete', element: string): Command {
  return { tool: 'nft', line: elementLine(verb, element) };
}
