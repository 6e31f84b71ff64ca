import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CASES } from '../support/cases/vif-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

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
