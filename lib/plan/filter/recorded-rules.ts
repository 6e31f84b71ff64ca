import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import type { VifRecord } from '../../observe/records.ts';
import type { Family } from '../../request/addresses.ts';
import type { Step } from '../step.ts';
import { recordStep } from '../vif/device.ts';
import { replaceForwardRules } from './rules.ts';

/**
 * Whether two sets have the same rules in the same order.
 * @param one the one
 * @param other the other
 */
export function sameRules(one: RuleSet, other: RuleSet): boolean {
  return ([4, 6] as const).every((family) => one[family].join('\n') === other[family].join('\n'));
}

/**
 * The steps that replace the rules of a recorded device. At any moment its record has all rules that may be there: an offline
 * removes what it tells.
 * @param path the record's path
 * @param record the present record
 * @param saved the device's record but for the rules
 * @param rules the present and the wanted rules; `limited` steps that set the device's elements by the same rules, in the table
 * of a bridge under antispoof=yes
 */
export function replaceRecordedRules(
  path: string,
  record: VifRecord | undefined,
  saved: Omit<VifRecord, 'rules'>,
  {
    present,
    wanted,
    limited = [],
  }: { readonly present: RuleSet; readonly wanted: RuleSet; readonly limited?: readonly Step[] },
): Step[] {
  const had = record?.rules ?? NO_RULES;
  const all = bothRules(wanted, present);
  const isCovered = sameRules(bothRules(had, all), had);
  const between = isCovered ? record : { ...saved, rules: all };
  return [
    ...(isCovered ? [] : [recordStep(path, record, { ...saved, rules: all })]),
    ...limited,
    ...replaceForwardRules(saved.name, present, wanted),
    ...(between?.name === saved.name && sameRules(between.rules, wanted)
      ? []
      : [recordStep(path, between, { ...saved, rules: wanted })]),
  ];
}

/** The first ones, and those of the second that are not among them. */
function bothRules(first: RuleSet, second: RuleSet): RuleSet {
  const both = (family: Family) => [
    ...first[family],
    ...second[family].filter((rule) => !first[family].includes(rule)),
  ];
  return { 4: both(4), 6: both(6) };
}
