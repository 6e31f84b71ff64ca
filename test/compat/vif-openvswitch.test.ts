import type { HookHost } from '../support/hosts/hook-host.ts';
import { clearSwitches, startOpenVswitch, switchPorts } from '../support/openvswitch.ts';
import { add, offline, online, remove, type Scenario, testComparison } from './compare.ts';
import { SWITCH_DIFFERENCES } from './differences-openvswitch.ts';

const VM = '/vm/5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11';
const named = (name: string) => (host: HookHost) =>
  host.store.write({
    '/local/domain/1/vm': VM,
    [`${VM}/name`]: name,
    [`${VM}/uuid`]: VM.slice('/vm/'.length),
  });
const prepare = named('web');

const SCENARIOS: readonly Scenario[] = [
  { what: 'a bridge', values: { bridge: 'ovsbr0' }, prepare, calls: [online, offline] },
  { what: 'a tag', values: { bridge: 'ovsbr0.10' }, prepare, calls: [online, offline] },
  { what: 'trunks', values: { bridge: 'ovsbr0:20:30' }, prepare, calls: [online, offline] },
  { what: 'a tag and trunks', values: { bridge: 'ovsbr0.10:20' }, prepare, calls: [online, offline] },
  { what: 'a bridge by environment', prepare, calls: [{ ...online, env: { bridge: 'ovsbr1' } }, offline] },
  { what: 'an address', values: { bridge: 'ovsbr0', ip: '192.0.2.7' }, prepare, calls: [online, offline] },
  { what: 'a vifname', values: { bridge: 'ovsbr0', vifname: 'web' }, prepare, calls: [online, offline] },
  { what: 'online twice', values: { bridge: 'ovsbr0' }, prepare, calls: [online, online, offline] },
  { what: 'offline of a vif that never was online', values: { bridge: 'ovsbr0' }, calls: [offline] },
  {
    what: 'a vif and its tap',
    values: { bridge: 'ovsbr0' },
    prepare(host) {
      prepare(host);
      host.host.tap(1);
    },
    calls: [online, add, remove, offline],
  },
  {
    what: 'a port that a dead guest left',
    values: { bridge: 'ovsbr0' },
    prepare(host) {
      prepare(host);
      host.host.ok('ovs-vsctl', 'add-port', 'ovsbr0', 'vif1.0');
      host.host.ip('link del vif1.0');
      host.host.vif(1);
    },
    calls: [online],
  },
  { what: 'a missing bridge', values: { bridge: 'nosuch' }, prepare, calls: [online] },
  { what: 'no bridge', prepare, calls: [online] },
  {
    what: 'a name with a blank',
    values: { bridge: 'ovsbr0' },
    prepare: named('my web server'),
    calls: [online],
  },
  { what: 'a guest that xenstore does not know', values: { bridge: 'ovsbr0' }, calls: [online] },
];

testComparison({
  hook: 'vif-openvswitch',
  scenarios: SCENARIOS,
  differences: SWITCH_DIFFERENCES,
  make: ({ host }) => startOpenVswitch(host, 'ovsbr0', 'ovsbr1'),
  clean: ({ host }) => clearSwitches(host),
  look: ({ host }) => ({ switch: switchPorts(host).split('\n') }),
});
