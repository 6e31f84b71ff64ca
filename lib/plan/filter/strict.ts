import { strictBase, strictExtras } from '../../filter/strict.ts';
import { STRICT_TABLE } from '../../filter/strict-rules.ts';
import type { StrictRecord } from '../../observe/filter/strict.ts';
import type { Drops } from '../../observe/filter/strict-listing.ts';
import { type Command, lastingStep, record, type Step } from '../step.ts';

/** What the strict filter holds for a port, and is to hold. */
export interface StrictChange {
  /** The port's name. */
  readonly port: string;
  readonly recordPath: string;
  /** What it was given. */
  readonly old: StrictRecord | undefined;
  /** What it is to have; undefined where the port leaves the filter. */
  readonly fresh: StrictRecord | undefined;
  /** Somebody may have taken elements out, as a flush does: what is not there is no reason to fail. */
  readonly flushed: boolean;
  /** Elements that other ports' records tell of as well, such as a MAC address that two guests have. */
  readonly shared: readonly string[];
  /** What was dropped of the guest under the name that its port had: it is counted on. */
  readonly drops?: Drops | undefined;
}

/**
 * Replaces what the strict filter lets a port be, in one transaction, so that it is never unguarded.
 * @param change the port's record, before and after
 */
export function planStrict(change: StrictChange): Step[] {
  const { port, recordPath, old, fresh, flushed, shared, drops } = change;
  if (old === undefined && fresh === undefined) return [];
  const [had, wanted] = [old?.elements ?? [], fresh?.elements ?? []];
  const stale = had.filter((element) => !wanted.includes(element) && !shared.includes(element));
  const hold = `hold ${port} to what it may be`;
  const text = (content: StrictRecord | undefined) =>
    content === undefined ? undefined : `${JSON.stringify(content)}\n`;
  return [
    ...strictExtras(wanted).map((line): Step => ({ do: { tool: 'nft', line }, undo: [], why: hold })),
    ...stale.flatMap((element) => removal(element, `forget what ${port} might be`, flushed, drops)),
    // Elements that are there already are given again: somebody may have flushed them, and then they count.
    ...wanted.map(
      (element): Step => ({
        do: line('add', counted(element, drops)),
        undo: had.includes(element) || shared.includes(element) ? [] : [line('delete', element)],
        why: hold,
      }),
    ),
    {
      do: record(recordPath, text(fresh)),
      undo: [record(recordPath, text(old))],
      why: `remember what ${port} may be`,
    },
  ];
}

/**
 * Takes elements out that no record tells of, as nft lists them.
 * @param elements such as `macs { "vif1.0" . 00:16:3e:00:00:01 }`
 */
export function planStrays(elements: readonly string[]): Step[] {
  const why = 'take out what nobody is known to need';
  return elements.map((element) => ({ do: line('delete', element), undo: [], why }));
}

function counted(element: string, drops: Drops | undefined): string {
  if (drops === undefined || !element.startsWith('refused ')) return element;
  return element.replace(/ }$/, ` counter packets ${drops.packets} bytes ${drops.bytes} }`);
}

/** nft refuses to delete what is not there, but not to add what is. */
function removal(element: string, why: string, flushed: boolean, drops: Drops | undefined): Step[] {
  const gone: Step = { do: line('delete', element), undo: [line('add', counted(element, drops))], why };
  return flushed ? [{ do: line('add', element), undo: [], why }, gone] : [gone];
}

/**
 * Makes the strict filter's table and gives every guest its place in it again, in the same transaction: for the first
 * guest, and after somebody flushed the whole ruleset. It is not undone with the run that needed it: another guest may
 * rely on it by then, and with no guest in it it changes nothing.
 * @param guests the elements of all guests that are known
 */
export function planStrictTable(guests: readonly string[]): Step[] {
  return [
    ...[...strictBase(), ...strictExtras(guests)].map((text) =>
      lastingStep({ tool: 'nft', line: text }, 'make the table of the strict filter'),
    ),
    ...guests.map((element) =>
      lastingStep(line('add', element), 'hold the other guests to what they may be'),
    ),
  ];
}

/**
 * Makes the strict filter's table where it is not there, for a bridge whose guests will be held by it.
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

/** Takes the strict filter's table away; for a host on which no guest needs it any more. */
export function planStrictStop(): Step {
  const undo = strictBase().map((text): Command => ({ tool: 'nft', line: text }));
  return { do: REMOVAL, undo, why: 'take the table of the strict filter away' };
}

const REMOVAL = { tool: 'nft', line: `delete table ${STRICT_TABLE}` } as const;

/**
 * Whether a command takes the strict filter's table away, with all that is in it.
 * @param command any command
 */
export function removesStrictTable(command: Command): boolean {
  return command.tool === 'nft' && command.line === REMOVAL.line;
}

function line(verb: 'add' | 'delete', element: string): Command {
  return { tool: 'nft', line: `${verb} element ${STRICT_TABLE} ${element}` };
}
