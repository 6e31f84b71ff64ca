import { type GuestPort, guestPort } from '../../filter/limited.ts';
import { portElements, portLine, type TableSetting, wrappedDrops } from '../../filter/wrapped.ts';
import type { VifRecord } from '../../observe/records.ts';
import { guestPorts, tableOfBridge } from '../../observe/vif/guest-ports.ts';
import { type Command, lastingStep, type Plan, type Step } from '../../plan/step.ts';
import type { System } from '../../system/system.ts';

const nft = (line: string): Command => ({ tool: 'nft', line });

/** A guest's device on a bridge, and its rules in FORWARD. */
export type LimitedPort = Pick<VifRecord, 'name' | 'bridge' | 'rules'>;

/**
 * The steps that give a guest's port exactly its elements in the table of a bridge under antispoof=yes, before the guest
 * can send. There are none on any other bridge.
 * @param system the way to the shared settings
 * @param fresh the port as it is to be
 * @param before the record of an earlier online
 */
export function limitSteps(system: System, fresh: LimitedPort, before: LimitedPort | undefined): Step[] {
  const table = tableOfBridge(system, fresh.bridge);
  const isElsewhere = before !== undefined && before.bridge !== fresh.bridge;
  const wanted = table === undefined ? [] : portElements(table, guestPort(fresh.name, fresh.rules));
  const had =
    table === undefined || before === undefined || isElsewhere
      ? []
      : portElements(table, guestPort(before.name, before.rules));
  return [
    ...(isElsewhere ? unlimitSteps(system, before) : []),
    ...(table === undefined ? [] : elementSteps(table, fresh.name, had, wanted)),
  ];
}

/**
 * The steps that remove a guest's port from the table of its bridge.
 * @param system the way to the shared settings
 * @param port the port, as it was
 */
export function unlimitSteps(system: System, port: LimitedPort): Step[] {
  const table = tableOfBridge(system, port.bridge);
  if (table === undefined) return [];
  return removals(table, port.name, portElements(table, guestPort(port.name, port.rules)));
}

/**
 * The steps from the elements that a port has to those that it must have.
 * @param table the table of its bridge
 * @param port the port's name
 * @param had its present elements; somebody may have removed them
 * @param wanted its elements from now on
 */
export function elementSteps(
  table: TableSetting,
  port: string,
  had: readonly string[],
  wanted: readonly string[],
): Step[] {
  const line = (verb: 'add' | 'delete', element: string) => nft(portLine(verb, table.bridge, element));
  const why = `drop forged and wrapped packets of ${port}`;
  const stale = had.filter((element) => !wanted.includes(element));
  return [
    // nft refuses to delete an element that does not exist, but not to add one that does.
    ...stale.map((element): Step => ({ do: line('add', element), undo: [], why })),
    ...removals(table, port, stale),
    ...wanted.map(
      (element): Step => ({
        do: line('add', element),
        undo: had.includes(element) ? [] : [line('delete', element)],
        why,
      }),
    ),
  ];
}

function removals({ bridge }: TableSetting, port: string, elements: readonly string[]): Step[] {
  return elements.map((element) => ({
    do: nft(portLine('delete', bridge, element)),
    undo: [nft(portLine('add', bridge, element))],
    why: `no longer drop forged and wrapped packets of ${port}`,
  }));
}

/**
 * The plan that completes the table of a bridge under antispoof=yes, which somebody removed or an earlier version made,
 * with all guests whose records name it. The lock of the shared settings must be held, so that no stop removes the table
 * meanwhile. The steps are never undone.
 * @param system the way to the shared settings and the records
 * @param bridge the bridge's name
 */
export function completeTable(system: System, bridge: string): Plan {
  const table = tableOfBridge(system, bridge);
  const guests: readonly GuestPort[] = table === undefined ? [] : guestPorts(system, bridge);
  const why = `drop forged and wrapped packets of the guests of ${bridge}`;
  const steps = table === undefined ? [] : [lastingStep(nft(wrappedDrops(table, guests)), why)];
  return { steps, warnings: [] };
}
