import type { RuleSet } from '../../../filter/forward.ts';
import { isLimited, listPortTables } from '../../../observe/filter/port-tables.ts';
import { strictDamage } from '../../../observe/filter/strict-health.ts';
import { readVifRecord } from '../../../observe/records.ts';
import { sameRules } from '../../../plan/filter/recorded-rules.ts';
import { remembering } from '../../../system/remembering.ts';
import type { System } from '../../../system/system.ts';
import { strictUsers } from '../strict-table.ts';
import { listAllRules, rulesIn } from './records.ts';

/** A listing may lack an element that is there, while others change rules or the kernel makes a set larger. */
const LOOKS = 3;

/**
 * The final check of a refilter: rules, elements and modes. What seems to be missing is looked for again.
 * @param system the way to the filters
 * @param wanted the rules that devices must have, by the kernel's names of the devices
 * @returns a sentence for everything that is missing
 */
export async function missingFilters(
  system: System,
  wanted: ReadonlyMap<string, RuleSet>,
): Promise<string[]> {
  let missing = await missingNow(system, wanted);
  for (let looks = 1; missing.length > 0 && looks < LOOKS; looks++)
    missing = await missingNow(system, wanted);
  return missing;
}

async function missingNow(host: System, wanted: ReadonlyMap<string, RuleSet>): Promise<string[]> {
  const system = remembering(host);
  const rules = listAllRules(system);
  const tables = listPortTables(system);
  const damage = await strictDamage(system, strictUsers(system));
  const unfiltered = [...wanted].filter(([device, wish]) => {
    // The device's own hook may have changed or removed the rules since its lock was released.
    const record = readVifRecord(system, device);
    if (record === undefined || !sameRules(record.rules, wish)) return false;
    return !sameRules(rulesIn(rules, device), wish) || !isLimited(tables, record);
  });
  return [
    ...(damage === undefined ? [] : [damage]),
    ...unfiltered.map(
      ([device]) =>
        `The rules of ${device} are not in place after all steps: something else changes the firewall at the same time.`,
    ),
  ];
}
