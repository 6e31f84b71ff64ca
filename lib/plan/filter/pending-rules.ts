import type { RuleLine } from '../../observe/filter/rules.ts';
import type { Command } from '../step.ts';

/**
 * Those of an undo's firewall lines that change something. Whether a killed run had come as far as its restore is not
 * known, and a restore is all or nothing: a rule that is gone must not keep the others from being put back, and one
 * that was never taken out must not be put in twice.
 * @param commands an undo's commands of one tool, in order
 * @param isInPlace whether the rule of a line is there now
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
  // All of it is as it was: taking rules out and in again would only change their order.
  const same = [...before].every(([rule, there]) => now.get(rule) === there);
  return same ? commands.filter((command) => !isRuleLine(command)) : pending;
}

function isRuleLine(command: Command): command is RuleLine {
  return (command.tool === 'iptables' || command.tool === 'ip6tables') && /^-[AID] /.test(command.line);
}

function ruleOf(line: RuleLine): string {
  return `${line.table} ${line.line.slice('-I '.length)}`;
}
