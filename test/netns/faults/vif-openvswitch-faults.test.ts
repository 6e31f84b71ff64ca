import { afterAll, beforeAll } from 'vitest';
import { type FaultScenario, testFaults } from '../../support/faults/fault-loops.ts';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { startOpenVswitch, switchPorts } from '../../support/openvswitch.ts';

const BRIDGE = '/local/domain/0/backend/vif/1/0/bridge';

let ovs: HookHost;

beforeAll(async () => {
  ovs = await HookHost.create('vif-openvswitch');
  startOpenVswitch(ovs.host, 'ovsbr0', 'ovsbr1');
});

afterAll(() => ovs.host.close());

const SCENARIOS: readonly FaultScenario[] = [
  {
    what: 'a vif with a vifname and VLANs',
    values: { bridge: 'ovsbr0.10:20', vifname: 'web', mtu: '1400' },
    type: 'vif',
    whole: true,
    more: ({ host: where }) => switchPorts(where),
  },
  {
    what: 'a vif that is a port already, with another tag',
    values: { bridge: 'ovsbr0.10' },
    type: 'vif',
    before(where) {
      where.call('online', 1);
      where.store.write({ [BRIDGE]: 'ovsbr0.20' });
    },
    whole: false,
    more: ({ host: where }) => switchPorts(where),
  },
];

for (const scenario of SCENARIOS) testFaults(() => ovs, scenario);
