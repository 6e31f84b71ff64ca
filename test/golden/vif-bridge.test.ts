import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { batches, execute } from '../../lib/apply/execute.ts';
import { commandText, type Plan } from '../../lib/plan/step.ts';
import { openSystem, type System } from '../../lib/system/system.ts';
import { CASES } from '../support/vif-cases.ts';

/** A plan as people read it: each command with its reason and what takes it back. */
function planText(plan: Plan): string {
  const steps = plan.steps.flatMap((step) => [
    `# ${step.why}`,
    commandText(step.do),
    ...step.undo.map((command) => `    undo: ${commandText(command)}`),
  ]);
  return [...plan.warnings.map((warning) => `# ${warning}`), ...steps, ''].join('\n');
}

/** What the children get: each one's command line and standard input. */
function childrenText(plan: Plan): string {
  const children: string[] = [];
  const system: System = {
    ...openSystem(),
    run(argv, options) {
      children.push(`$ ${argv.join(' ')}\n${options?.input ?? ''}`);
      return { status: 0, stdout: '', stderr: '' };
    },
    replaceFile: (path, text) => void children.push(`> ${path}\n${text}\n`),
    remove: (path) => void children.push(`> ${path} removed\n`),
  };
  for (const batch of batches(plan.steps, (step) => step.do)) {
    execute(
      system,
      batch.tool,
      batch.items.map((step) => step.do),
    );
  }
  return children.join('\n');
}

function golden(name: string): string {
  return join(import.meta.dirname, 'vif-bridge', `${name}.txt`);
}

describe.each(Object.entries(CASES))('vif-bridge: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});
