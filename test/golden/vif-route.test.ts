import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROUTE_CASES } from '../support/cases/routed-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const golden = (name: string) => join(import.meta.dirname, 'vif-route', `${name}.txt`);

describe.each(Object.entries(ROUTE_CASES))('vif-route: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});
