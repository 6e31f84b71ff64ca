import { afterAll, beforeAll } from 'vitest';
import { type FaultScenario, testFaults } from '../../support/faults/fault-loops.ts';
import { HookHost } from '../../support/hosts/hook-host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';

const IP = '/local/domain/0/backend/vif/1/0/ip';

const STRICT = { antispoof: 'strict', mac: guestMac(1) };

/** Another guest whom the filter holds, so that its table is there. */
function withOther(host: HookHost): void {
  host.card(2, { mac: guestMac(2), ip: '192.0.2.99', antispoof: 'strict' });
  host.call('online', 2);
}

const SCENARIOS: readonly FaultScenario[] = [
  {
    what: 'a vif with a vifname that is cut, and addresses of both families',
    values: { vifname: 'webserver-number-one', ip: '192.0.2.7 10.8.0.0/16 2001:db8::7', mtu: '1400' },
    type: 'vif',
    whole: true,
  },
  {
    what: 'a vif that has other addresses',
    values: {},
    type: 'vif',
    before(host) {
      host.store.write({ [IP]: '192.0.2.7 2001:db8::7' });
      host.call('online', 1);
      host.store.write({ [IP]: '192.0.2.8 2001:db8::8' });
    },
    whole: false,
  },
  {
    what: 'a tap beside its vif, which stands back from then on',
    values: { ip: '192.0.2.7 2001:db8::7' },
    type: 'tap',
    before: (host) => void host.call('online', 1),
    whole: false,
  },
  {
    what: 'a vif under the strict filter, with a vifname',
    values: { ...STRICT, ip: '192.0.2.7 2001:db8::7 198.51.100.64/26', vifname: 'webserver-number-one' },
    type: 'vif',
    before: withOther,
    whole: false,
    more: ({ host }) => strictElementsIn(host).join('\n'),
  },
  {
    what: 'a vif under the strict filter whose addresses and mode change',
    values: { ...STRICT, ip: '192.0.2.7 2001:db8::7' },
    type: 'vif',
    before(host) {
      withOther(host);
      host.call('online', 1);
      host.store.write({ [IP]: '192.0.2.8 2001:db8::8', [IP.replace(/ip$/, 'locking')]: 'disabled' });
    },
    whole: false,
    more: ({ host }) => strictElementsIn(host).join('\n'),
  },
];

let route: HookHost;

beforeAll(async () => {
  route = await HookHost.create('vif-route');
  route.host.nic('eth0', {
    address: '198.51.100.2/24',
    gateway: '198.51.100.1',
    address6: '2001:db8::2/64',
    gateway6: '2001:db8::1',
  });
  route.host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP');
});

afterAll(() => route.host.close());

for (const scenario of SCENARIOS) testFaults(() => route, scenario);
