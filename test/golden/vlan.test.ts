import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VLAN_CASES } from '../support/cases/routed-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const golden = (name: string) => join(import.meta.dirname, 'vlan', `${name}.txt`);

describe.each(Object.entries(VLAN_CASES))('vlan: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});
