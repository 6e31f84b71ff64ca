import { applyTeardown } from '../../../apply/apply.ts';
import type { RuleSet } from '../../../filter/forward.ts';
import { guestPort } from '../../../filter/limited.ts';
import { portElements } from '../../../filter/wrapped.ts';
import { isLimited, type PortTables } from '../../../observe/filter/port-tables.ts';
import { deviceExists } from '../../../observe/host/port.ts';
import { readVifRecords } from '../../../observe/records.ts';
import type { Step } from '../../../plan/step.ts';
import { LOCKS } from '../../../record/paths.ts';
import { isGuestDevice } from '../../../request/names.ts';
import type { System } from '../../../system/system.ts';
import { elementSteps } from '../../vif/limited-port.ts';
import type { RunningVif } from '../running.ts';
import type { Restored } from './records.ts';

/**
 * The steps that give a running guest's device exactly its elements in the table of its bridge under antispoof=yes.
 * @param tables the tables as they are
 * @param vif the device
 * @param rules its rules in FORWARD, as they must be
 * @returns empty where it has them, or needs none
 */
export function limitedSteps(
  tables: PortTables,
  { state: { port }, bridge }: Pick<RunningVif, 'state' | 'bridge'>,
  rules: RuleSet,
): Step[] {
  const found = bridge === undefined ? undefined : tables.get(bridge.name);
  if (found === undefined) return [];
  const { table, ports } = found;
  if (isLimited(tables, { name: port.name, bridge: table.bridge, rules })) return [];
  const had = ports.get(port.name) ?? [];
  return elementSteps(table, port.name, had, portElements(table, guestPort(port.name, rules)));
}

/**
 * Removes from the tables of bridges under antispoof=yes the ports that this host has not and no record names: their
 * record was lost. Where a guest's hook is under way this is left to a later refilter, since the hook adds its port
 * before the device has that name.
 * @param system the way to the records and nft
 * @param known the system that keeps what was read of the records
 * @param tables the tables as they were
 */
export async function removeStrangers(
  system: System,
  known: System,
  tables: PortTables,
): Promise<Restored<never>> {
  if (tables.size === 0) return { failures: [] };
  const recorded = new Set([...readVifRecords(known).values()].map(({ name }) => name));
  const steps = [...tables.values()].flatMap(({ table, ports }) =>
    [...ports].flatMap(([port, elements]) =>
      recorded.has(port) || deviceExists(system, port) ? [] : elementSteps(table, port, elements, []),
    ),
  );
  if (steps.length === 0 || system.list(LOCKS).some(isGuestDevice)) return { failures: [] };
  return { failures: await applyTeardown(system, { steps, warnings: [] }) };
}
