import type { HookTable } from '../desk/completion.ts';
import { DESCRIBED_HOOKS } from '../request/described/hooks.ts';
import { assignmentForm, type Described } from '../request/described/variable.ts';

/**
 * The commands, options and variables of all hooks, for the completion of words.
 * @returns a table for each hook, by its name
 */
export function hookTables(): ReadonlyMap<string, HookTable> {
  return new Map(
    Object.entries(DESCRIBED_HOOKS).map(([hook, { purpose, commands, variables }]) => [
      hook,
      { purpose, commands, variables: lines(variables) },
    ]),
  );
}

/** NAME=VALUES and what that means, of each variable that people set. */
function lines(variables: readonly Described[]): [form: string, meaning: string][] {
  const shown = variables.filter(({ isSetByToolstack }) => isSetByToolstack !== true);
  return shown.map((variable) => [assignmentForm(variable), meaning(variable)]);
}

/**
 * The text of `HOOK --help`.
 * @param hook a hook's name
 */
export function helpText(hook: string): string {
  const help = DESCRIBED_HOOKS[hook];
  if (help === undefined) return '';
  const shown = lines(help.variables);
  const width = Math.max(...shown.map(([form]) => form.length));
  return [
    `${hook}: ${help.purpose}.`,
    '',
    `Usage: ${hook} {${help.commands.join('|')}} ${help.words} [--dry-run] [--json] [--help] [--version]`,
    '',
    'Variables:',
    ...shown.map(([form, meaning]) => `  ${form.padEnd(width)}  ${meaning}`),
    '',
    '--dry-run, -n or XEN_NETWORK_DRY_RUN=1 prints the commands and changes nothing.',
    '',
  ].join('\n');
}

function meaning({ means, unless }: Described): string {
  return unless === undefined ? means : `${means}; unless told: ${unless}`;
}
