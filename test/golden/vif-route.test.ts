import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROUTE_CASES, unrouted } from '../support/cases/routed-cases.ts';
import { port } from '../support/cases/vif-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const golden = (name: string) => join(import.meta.dirname, 'vif-route', `${name}.txt`);

describe.each(Object.entries(ROUTE_CASES))('vif-route: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});

describe('vif-route: offline-no-record', () => {
  const plan = unrouted(port('vif1.0', { up: true }), undefined);

  test('the plan', () => {
    expect(planText(plan)).toMatchInlineSnapshot(`
      "# take all addresses from vif1.0
      ip address flush dev vif1.0
      # take down vif1.0
      ip link set dev vif1.0 down
          undo: ip link set dev vif1.0 up
      "
    `);
  });

  test('what its children are fed', async () => {
    expect(await childrenText(plan)).toMatchInlineSnapshot(`
      "$ ip -batch -
      address flush dev vif1.0
      link set dev vif1.0 down
      "
    `);
  });
});
