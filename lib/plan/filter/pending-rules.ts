import type { RuleLine } from '../../observe/filter/rules.ts';
import type { Command } from '../step.ts';

/**
 * Filters the firewall lines of an undo: only those that change something stay. It is unknown whether a killed run got
 * as far as its restore, and a restore is all or nothing. So a rule that is gone must not prevent the others from being
 * restored, and a rule that was never deleted must not be added twice.
 * @param commands the undo's commands of one tool, in order
 * @param isInPlace whether the rule of a line exists now
 */
export function pendingRules(
  commands: readonly Command[],
  isInPlace: (line: RuleLine) => boolean,
): readonly Command[] {
  const now = new Map<string, boolean>();
  const before = new Map<string, boolean>();
  const pending = commands.filter((command) => {
    if (!isRuleLine(command)) return true;
    const rule = ruleOf(command);
    const there = now.get(rule) ?? isInPlace(command);
    if (!before.has(rule)) before.set(rule, there);
    const wanted = !command.line.startsWith('-D ');
    now.set(rule, wanted);
    return there !== wanted;
  });
  // Every rule is in its old state: to delete and add rules would only change their order.
  const same = [...before].every(([rule, there]) => now.get(rule) === there);
  return same ? commands.filter((command) => !isRuleLine(command)) : pending;
}

function isRuleLine(command: Command): command is RuleLine {
  return (command.tool === 'iptables' || command.tool === 'ip6tables') && /^-[AID] /.test(command.line);
}

function ruleOf(line: RuleLine): string {
  return `${line.table} ${line.line.slice('-I '.length)}`;
}
