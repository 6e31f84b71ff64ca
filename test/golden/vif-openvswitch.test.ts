import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NO_RULES } from '../../lib/filter/forward.ts';
import { planSwitchLeave } from '../../lib/plan/vif/openvswitch.ts';
import { ready, recordPath, SWITCH_CASES, switched } from '../support/cases/routed-cases.ts';
import { port, state } from '../support/cases/vif-cases.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const golden = (name: string) => join(import.meta.dirname, 'vif-openvswitch', `${name}.txt`);

describe.each(Object.entries(SWITCH_CASES))('vif-openvswitch: %s', (name, makePlan) => {
  test('the plan', async () => {
    await expect(planText(makePlan())).toMatchFileSnapshot(golden(name));
  });

  test('what its children are fed', async () => {
    await expect(await childrenText(makePlan())).toMatchFileSnapshot(golden(`${name}.children`));
  });
});

describe('vif-openvswitch: offline', () => {
  const plan = planSwitchLeave(
    state(port('vif1.0', ready), switched),
    'vif1.0',
    NO_RULES,
    recordPath,
    'heard',
  );

  test('the plan', () => {
    expect(planText(plan)).toMatchInlineSnapshot(`
      "# take off its switch the device vif1.0
      ovs-vsctl --timeout=30 -- --if-exists del-port vif1.0
          undo: ovs-vsctl --timeout=30 -- --if-exists del-port ovsbr0 vif1.0 -- add-port ovsbr0 vif1.0 tag=7
      # take down vif1.0
      ip link set dev vif1.0 down
          undo: ip link set dev vif1.0 up
      # remove the record of vif1.0
      rm -f /run/xen-network/vif/vif1.0
          undo: printf %s '{"name":"vif1.0","bridge":"ovsbr0","rules":{"4":[],"6":[]},"switchPort":["--","add-port","ovsbr0","vif1.0","tag=7"]}' > /run/xen-network/vif/vif1.0
      "
    `);
  });

  test('what its children are fed', async () => {
    expect(await childrenText(plan)).toMatchInlineSnapshot(`
      "$ ovs-vsctl --timeout=30 -- --if-exists del-port vif1.0

      $ ip -batch -
      link set dev vif1.0 down

      > /run/xen-network/vif/vif1.0 removed
      "
    `);
  });
});

describe('vif-openvswitch: offline-gone', () => {
  const plan = planSwitchLeave(state(undefined, switched), 'vif1.0', NO_RULES, recordPath, 'heard');

  test('the plan', () => {
    expect(planText(plan)).toMatchInlineSnapshot(`
      "# take off its switch the device vif1.0
      ovs-vsctl --timeout=30 -- --if-exists del-port vif1.0
          undo: ovs-vsctl --timeout=30 -- --if-exists del-port ovsbr0 vif1.0 -- add-port ovsbr0 vif1.0 tag=7
      # remove the record of vif1.0
      rm -f /run/xen-network/vif/vif1.0
          undo: printf %s '{"name":"vif1.0","bridge":"ovsbr0","rules":{"4":[],"6":[]},"switchPort":["--","add-port","ovsbr0","vif1.0","tag=7"]}' > /run/xen-network/vif/vif1.0
      "
    `);
  });

  test('what its children are fed', async () => {
    expect(await childrenText(plan)).toMatchInlineSnapshot(`
      "$ ovs-vsctl --timeout=30 -- --if-exists del-port vif1.0

      > /run/xen-network/vif/vif1.0 removed
      "
    `);
  });
});

describe('vif-openvswitch: offline-taken', () => {
  const plan = planSwitchLeave(state(undefined, switched), 'vif1.0', NO_RULES, recordPath, 'none');

  test('the plan', () => {
    expect(planText(plan)).toMatchInlineSnapshot(`
      "# remove the record of vif1.0
      rm -f /run/xen-network/vif/vif1.0
          undo: printf %s '{"name":"vif1.0","bridge":"ovsbr0","rules":{"4":[],"6":[]},"switchPort":["--","add-port","ovsbr0","vif1.0","tag=7"]}' > /run/xen-network/vif/vif1.0
      "
    `);
  });

  test('what its children are fed', async () => {
    expect(await childrenText(plan)).toMatchInlineSnapshot(`
      "> /run/xen-network/vif/vif1.0 removed
      "
    `);
  });
});
