import type { HookHost } from '../support/hosts/hook-host.ts';
import { add, offline, online, remove, type Scenario, testComparison } from './compare.ts';
import { ROUTE_DIFFERENCES } from './differences-routed.ts';

const TAP = { INTERFACE: 'vif1.0-emu' };
const tap = ({ host }: HookHost) => host.tap(1);

const SCENARIOS: readonly Scenario[] = [
  { what: 'one address', values: { ip: '192.0.2.7' }, calls: [online, offline] },
  { what: 'no address', calls: [online, offline] },
  { what: 'addresses and ranges', values: { ip: '192.0.2.7 10.0.0.0/8' }, calls: [online, offline] },
  { what: 'offline of a vif that never was online', values: { ip: '192.0.2.7' }, calls: [offline] },
  { what: 'online twice', values: { ip: '192.0.2.7' }, calls: [online, online] },
  { what: 'a vifname', values: { ip: '192.0.2.7', vifname: 'web' }, calls: [online, offline] },
  {
    what: 'a vif and its tap',
    values: { ip: '192.0.2.7' },
    prepare: tap,
    calls: [{ ...online, env: TAP }, add, remove, { ...offline, env: TAP }],
  },
  {
    what: 'a netdev by environment',
    values: { ip: '192.0.2.7' },
    calls: [
      { ...online, env: { netdev: 'lan0' } },
      { ...offline, env: { netdev: 'lan0' } },
    ],
  },
  {
    what: 'a netdev that is absent',
    values: { ip: '192.0.2.7' },
    calls: [{ ...online, env: { netdev: 'lan7' } }],
  },
  {
    what: 'a netdev that is down',
    values: { ip: '192.0.2.7' },
    calls: [{ ...online, env: { netdev: 'lan8' } }],
  },
  {
    what: 'the vif gone before offline',
    values: { ip: '192.0.2.7' },
    calls: [online, { ...offline, before: ({ host }) => host.ip('link del vif1.0') }],
  },
  {
    what: 'the address of another guest',
    values: { ip: '192.0.2.7' },
    prepare: ({ host }) => {
      host.vif(2);
      host.ip('link set vif2.0 up', 'route add 192.0.2.7 dev vif2.0 metric 2');
    },
    calls: [online],
  },
];

testComparison({
  hook: 'vif-route',
  scenarios: SCENARIOS,
  differences: ROUTE_DIFFERENCES,
  make({ host }) {
    host.nic('eth0', { mac: '02:00:00:00:00:10', address: '198.51.100.2/24' });
    host.nic('lan0', { mac: '02:00:00:00:00:11', address: '203.0.113.2/24' });
    host.nic('lan8', { mac: '02:00:00:00:00:12' });
    host.ip('link set lan8 down');
  },
});
