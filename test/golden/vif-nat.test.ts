import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NAT_CASES } from '../support/cases/routed-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const golden = (name: string) => join(import.meta.dirname, 'vif-nat', `${name}.txt`);

describe.each(Object.entries(NAT_CASES))('vif-nat: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});
