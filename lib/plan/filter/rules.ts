import { type RuleSet, tableOf } from '../../filter/forward.ts';
import type { Family } from '../../request/addresses.ts';
import type { Command, Step } from '../step.ts';

const FAMILIES: readonly Family[] = [4, 6];

/**
 * The steps that replace a port's rules, in one restore for each family. New rules go to the top, before anything that
 * the administrator drops, as the hooks' rules always have (docs/contract.md, "Filter rules").
 * @param port the port's name, for the reasons
 * @param old the present rules
 * @param fresh the wanted rules, in the order in which they are to be listed; no step where they are the present ones
 */
export function replaceForwardRules(port: string, old: RuleSet, fresh: RuleSet): Step[] {
  return FAMILIES.filter((family) => old[family].join('\n') !== fresh[family].join('\n')).flatMap(
    (family) => [
      ...old[family].map(
        (rule): Step => ({
          do: line(family, '-D', rule),
          undo: [line(family, '-I', rule)],
          why: `take the rule of ${port} out of ${chainOf(rule)}`,
        }),
      ),
      ...[...fresh[family]].reverse().map(
        (rule): Step => ({
          do: line(family, '-I', rule),
          undo: [line(family, '-D', rule)],
          why:
            tableOf(rule) === 'raw'
              ? `keep packets of ${port} out of connection tracking`
              : `let packets of ${port} pass ${chainOf(rule)}`,
        }),
      ),
    ],
  );
}

function line(family: Family, verb: '-I' | '-D', rule: string): Command {
  return { tool: family === 4 ? 'iptables' : 'ip6tables', table: tableOf(rule), line: `${verb} ${rule}` };
}

function chainOf(rule: string): string {
  return rule.slice(0, rule.indexOf(' '));
}
