import type { HookHost } from '../support/hosts/hook-host.ts';
import { add, offline, online, remove, type Scenario, testComparison } from './compare.ts';
import { NAT_DIFFERENCES } from './differences-routed.ts';

const tap = ({ host }: HookHost) => host.tap(1);

const SCENARIOS: readonly Scenario[] = [
  { what: 'no address', calls: [online, offline] },
  { what: 'an address', values: { ip: '192.0.2.5' }, calls: [online, offline] },
  { what: 'an address with a length', values: { ip: '192.0.2.5/24' }, calls: [online, offline] },
  { what: 'an address over .127', values: { ip: '192.0.2.200/24' }, calls: [online] },
  { what: 'offline of a vif that never was online', calls: [offline] },
  { what: 'online twice', calls: [online, online] },
  { what: 'a vifname', values: { vifname: 'web' }, calls: [online, offline] },
  { what: 'a vif and its tap', prepare: tap, calls: [online, add, remove] },
  {
    what: 'the vif gone before offline',
    calls: [online, { ...offline, before: ({ host }) => host.ip('link del vif1.0') }],
  },
  {
    what: 'the address of another guest',
    prepare: ({ host }) => {
      host.vif(2);
      host.ip('link set vif2.0 up', 'route add 10.0.1.1 dev vif2.0');
    },
    calls: [online],
  },
];

testComparison({
  hook: 'vif-nat',
  scenarios: SCENARIOS,
  differences: NAT_DIFFERENCES,
  // Without a DHCP server: what is done with one is tested where ours is.
  make: ({ host }) => void host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf'),
});
