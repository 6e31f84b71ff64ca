import { afterAll, beforeAll, expect } from 'vitest';
import { type FaultScenario, testFaults } from '../../support/faults/fault-loops.ts';
import { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { guestMac, strictElementsIn } from '../../support/hosts/strict-host.ts';
import { waitUntil } from '../../support/wait.ts';

const PATH = '/local/domain/0/backend/vif/1/0';

/** Another guest whom the filter holds, so that its table is there. */
function withOther(host: HookHost): void {
  host.card(2, { mac: guestMac(2), ip: '192.0.2.2', antispoof: 'strict' });
  expect(host.call('online', 2).status).toBe(0);
}

const more = ({ host, store }: HookHost): string =>
  [
    ...strictElementsIn(host),
    ...store.list(PATH).filter((line) => line.startsWith(`${PATH}/xen-network = `)),
    `learns less: ${host.ok('cat', '/sys/class/net/xenbr0/bridge/no_linklocal_learn')}`,
  ].join('\n');

const strict = { antispoof: 'strict', mac: guestMac(1) };

const SCENARIOS: readonly FaultScenario[] = [
  {
    what: 'a vif under the strict filter, with a vifname',
    values: { ...strict, ip: '192.0.2.1 2001:db8::1 198.51.100.0/24', vifname: 'webserver-number-one' },
    type: 'vif',
    before: withOther,
    whole: true,
    more,
  },
  {
    what: 'the first vif under the strict filter',
    values: { ...strict, ip: '192.0.2.1' },
    type: 'vif',
    before(host) {
      host.call('offline', 2);
      host.unplug(2);
      host.host.run(['nft', 'delete', 'table', 'bridge', 'xen_network']);
    },
    whole: false,
    more,
  },
  {
    what: 'a vif whose addresses and mode change',
    values: { ...strict, ip: '192.0.2.1' },
    type: 'vif',
    before(host) {
      withOther(host);
      expect(host.call('online', 1).status).toBe(0);
      host.store.write({ [`${PATH}/ip`]: '192.0.2.9 2001:db8:9::/64', [`${PATH}/notrack`]: 'yes' });
    },
    whole: false,
    more,
  },
];

let host: HookHost;

beforeAll(async () => {
  host = await HookHost.create('vif-bridge');
  const { host: dom0 } = host;
  dom0.ip(
    'link add xenbr0 address 02:00:00:00:00:01 type bridge',
    'link set xenbr0 addrgenmode none up',
    'link add up0 type veth peer name wire0',
    'link set wire0 up',
    'link set up0 master xenbr0 up',
  );
  dom0.ok('sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done');
  // A bridge that runs has a route for groups, which stays. Without a card it would run for that moment in which the
  // kernel has not seen yet that a new port's other end is down: now and then, that is.
  await waitUntil('the bridge to run', () => routesOf(dom0).includes('ff00::/8'));
});

const routesOf = (dom0: Host): string =>
  dom0.ok('ip', '-6', 'route', 'show', 'table', 'local', 'dev', 'xenbr0');

afterAll(() => host.host.close());

for (const scenario of SCENARIOS) testFaults(() => host, scenario);
