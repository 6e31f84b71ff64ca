import { afterAll, beforeAll } from 'vitest';
import { type FaultScenario, testFaults } from '../../support/faults/fault-loops.ts';
import { HookHost } from '../../support/hosts/hook-host.ts';

const values = { ip: '192.0.2.5/24' };

const SCENARIOS: readonly FaultScenario[] = [
  { what: 'a vif', values, type: 'vif', whole: true },
  {
    what: 'a tap beside its vif',
    values,
    type: 'tap',
    before: (host) => void host.call('online', 1),
    whole: false,
  },
];

let nat: HookHost;

beforeAll(async () => {
  nat = await HookHost.create('vif-nat');
  nat.host.ok('sh', '-c', 'rm -f /etc/dhcp/dhcpd.conf; iptables -A FORWARD -s 203.0.113.0/24 -j DROP');
});

afterAll(() => nat.host.close());

for (const scenario of SCENARIOS) testFaults(() => nat, scenario);
