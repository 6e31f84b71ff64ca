import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CASES } from '../support/cases/bridge-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

function golden(name: string): string {
  return join(import.meta.dirname, 'network-bridge', `${name}.txt`);
}

describe.each(Object.entries(CASES))('network-bridge: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});
