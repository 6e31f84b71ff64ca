import { batches, execute } from '../../../lib/apply/execute.ts';
import { runPrograms } from '../../../lib/apply/programs.ts';
import { commandText, type Plan } from '../../../lib/plan/step.ts';
import { unseal } from '../../../lib/record/sealed.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

/**
 * A plan as people read it: each command with its reason and what takes it back.
 * @param plan any plan
 */
export function planText(plan: Plan): string {
  const steps = plan.steps.flatMap((step) => [
    `# ${step.why}`,
    commandText(step.do),
    ...step.undo.map((command) => `    undo: ${commandText(command)}`),
    ...(step.ports ?? []).flatMap(({ name, join, settings }) =>
      [join, ...settings].map(
        (command) => `    undo while ${name} is as it was left: ${commandText(command)}`,
      ),
    ),
  ]);
  return [...plan.warnings.map((warning) => `# ${warning}`), ...steps, ''].join('\n');
}

/** What a record says, without its seal. */
function contentOf(text: string): string {
  const line = text.replace(/\n$/, '');
  const found = unseal(line);
  return typeof found === 'object' && found.text !== line ? found.text : text;
}

/**
 * What the children get: each one's command line and standard input, and the files that are written.
 * @param plan any plan
 */
export async function childrenText(plan: Plan): Promise<string> {
  const children: string[] = [];
  const system: System = {
    ...openSystem(nodeNative),
    rtnetlink: () => undefined,
    run(argv, options) {
      children.push(`$ ${argv.join(' ')}\n${options?.input ?? ''}`);
      return { status: 0, stdout: '', stderr: '' };
    },
    writeText: (path, text) => void children.push(`> ${path}\n${text}\n`),
    replaceFile: (path, text) => void children.push(`> ${path}\n${contentOf(text)}\n`),
    remove: (path) => void children.push(`> ${path} removed\n`),
  };
  for (const batch of batches(plan.steps, (step) => step.do)) {
    const commands = batch.items.map((step) => step.do);
    if (batch.tool === 'run') await runPrograms(system, commands);
    else execute(system, batch.tool, commands);
  }
  return children.join('\n');
}
