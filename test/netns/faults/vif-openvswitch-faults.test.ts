import { afterAll, beforeAll, expect } from 'vitest';
import { type FaultScenario, testFaults } from '../../support/faults/fault-loops.ts';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';
import { standInForKernel, startOpenVswitch, switchPorts } from '../../support/openvswitch.ts';

const BRIDGE = '/local/domain/0/backend/vif/1/0/bridge';

let ovs: HookHost;
/** One whose switch is the kernel's, so that it can hold strict guests. */
let kernels: HookHost;

beforeAll(async () => {
  ovs = await HookHost.create('vif-openvswitch');
  startOpenVswitch(ovs.host, 'ovsbr0', 'ovsbr1');
  kernels = await HookHost.create('vif-openvswitch');
  kernels.host.ip(
    'link add ovs-system address 02:00:00:00:00:01 type bridge',
    'link set ovs-system addrgenmode none up',
  );
  startOpenVswitch(kernels.host);
  kernels.host.ok('ovs-vsctl', '--no-wait', 'add-br', 'ovsbr0');
  await standInForKernel(kernels.host);
});

afterAll(async () => {
  await ovs.host.close();
  await kernels.host.close();
});

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

testFaults(() => kernels, {
  what: 'a vif under the strict filter',
  values: {
    bridge: 'ovsbr0.10:20',
    vifname: 'web',
    antispoof: 'strict',
    mac: guestMac(1),
    ip: '192.0.2.1',
  },
  type: 'vif',
  before(host) {
    // So that the table of the filter is there.
    host.card(2, { bridge: 'ovsbr0', antispoof: 'strict', mac: guestMac(2) });
    expect(host.call('online', 2).status).toBe(0);
  },
  whole: false,
  more: ({ host }) => [...strictElementsIn(host), switchPorts(host)].join('\n'),
});
