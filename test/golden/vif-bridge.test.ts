import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NO_RULES } from '../../lib/filter/forward.ts';
import { planLeave } from '../../lib/plan/vif/bridge.ts';
import { CASES, state } from '../support/cases/vif-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

function golden(name: string): string {
  return join(import.meta.dirname, 'vif-bridge', `${name}.txt`);
}

describe.each(Object.entries(CASES))('vif-bridge: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});

describe('vif-bridge: offline-nothing', () => {
  const plan = planLeave(state(undefined), 'vif1.0', NO_RULES, '/run/xen-network/vif/vif1.0');

  test('the plan', () => {
    expect(planText(plan)).toMatchInlineSnapshot(`""`);
  });

  test('what its children are fed', async () => {
    expect(await childrenText(plan)).toMatchInlineSnapshot(`""`);
  });
});
