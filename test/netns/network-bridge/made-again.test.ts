import { afterEach, beforeEach, expect, test } from 'vitest';
import { runFaulty } from '../../support/faults/faults.ts';
import { runTrial } from '../../support/faults/trials.ts';
import { Host } from '../../support/hosts/host.ts';
import { plugCard } from '../../support/models/bridge-state.ts';

let host: Host;

beforeEach(async () => {
  host = await Host.create();
  plugCard(host);
  host.ip('tuntap add dev tap5 mode tap', 'tuntap add dev tap6 mode tap');
});

afterEach(() => host.close());

/** Every option that can be written, at a value of its own. */
const OPTIONS: Readonly<Record<string, string>> = {
  stp_state: '1',
  forward_delay: '300',
  hello_time: '300',
  max_age: '1500',
  priority: '4096',
  ageing_time: '12300',
  group_addr: '01:80:c2:00:00:05',
  group_fwd_mask: '0x8',
  no_linklocal_learn: '1',
  nf_call_arptables: '1',
  nf_call_ip6tables: '1',
  nf_call_iptables: '1',
  hash_max: '1024',
  multicast_igmp_version: '3',
  multicast_mld_version: '2',
  multicast_last_member_count: '3',
  multicast_last_member_interval: '110',
  multicast_membership_interval: '26100',
  multicast_querier_interval: '25600',
  multicast_query_interval: '12600',
  multicast_query_response_interval: '1100',
  multicast_query_use_ifaddr: '1',
  multicast_startup_query_count: '3',
  multicast_startup_query_interval: '3200',
  multicast_stats_enabled: '1',
  multicast_router: '2',
  multicast_querier: '1',
};

const FLAGS: Readonly<Record<string, string>> = {
  bpdu_guard: '1',
  broadcast_flood: '0',
  group_fwd_mask: '0x8',
  hairpin_mode: '1',
  isolated: '1',
  learning: '0',
  multicast_fast_leave: '1',
  multicast_flood: '0',
  multicast_router: '2',
  multicast_to_unicast: '1',
  neigh_suppress: '1',
  path_cost: '77',
  priority: '5',
  root_block: '1',
  unicast_flood: '0',
};

/** What an administrator may have told a bridge and its ports. */
function dress(bridge: string, ports: readonly string[]): string[] {
  const write = (folder: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([file, value]) => `echo ${value} > /sys/class/net/${folder}/${file}`);
  return [
    ...['tap5', 'tap6'].map((tap) => `ip link set ${tap} master ${bridge} up`),
    ...write(`${bridge}/bridge`, OPTIONS),
    ...[...ports, 'tap5'].flatMap((port) => write(`${port}/brport`, FLAGS)),
    'echo tap6 > /sys/class/net/tap5/brport/backup_port',
    ...[...ports, 'tap5'].flatMap((port) =>
      ['locked', 'vlan_tunnel'].map((flag) => `bridge link set dev ${port} ${flag} on`),
    ),
    ...[...ports, 'tap6'].flatMap((port, i) => [
      `bridge fdb add 02:00:00:00:01:0${i} dev ${port} master static`,
      `bridge fdb add 02:00:00:00:02:0${i} dev ${port} master static sticky`,
      `bridge fdb add 02:00:00:00:03:0${i} dev ${port} master local`,
    ]),
    `bridge fdb add 02:00:00:00:04:00 dev ${bridge} self local`,
  ];
}

/** With them no port forwards for some seconds, for which a card's network would be waited for at each step. */
const SPANNING_TREE = /stp_state|forward_delay/;

test.each([
  ['classic', 'xenbr0', ['peth0', 'vif0.0']],
  ['rename', 'eth0', ['peth0']],
  ['plain', 'xenbr0', ['eth0']],
])(
  'a killed stop topology=%s gives bridge and ports all back that they had',
  async (topology, bridge, ports) => {
    const variables = [`topology=${topology}`, 'netdev=eth0'];
    expect(host.hook('network-bridge', ['start', ...variables])).toMatchObject({ status: 0 });
    const lines = dress(bridge, ports).filter((line) => !SPANNING_TREE.test(line));
    const outcomes = await runTrial(host, {
      fault: 'recover',
      words: ['stop', ...variables],
      variables,
      dress: lines,
    });
    expect(outcomes.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(20);
  },
);

test.each(['fail', 'recover'] as const)(
  '%s at any step of the stop of network-virtual, too',
  async (fault) => {
    const variables = ['bridgeip=10.1.1.1/24'];
    expect(host.hook('network-virtual', ['start', ...variables])).toMatchObject({ status: 0 });
    const outcomes = await runTrial(host, {
      hook: 'network-virtual',
      fault,
      words: ['stop', ...variables],
      variables,
      dress: dress('xenbr0', []),
    });
    expect(outcomes.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(2);
  },
);

test('what left a bridge after it was taken away by a killed stop does not come back to it', () => {
  host.ip('tuntap add dev tap7 mode tap', 'tuntap add dev tap8 mode tap', 'link add br9 type bridge');
  expect(host.hook('network-virtual', ['start', 'bridgeip=10.1.1.1/24'])).toMatchObject({ status: 0 });
  const taps = ['tap5', 'tap6', 'tap7', 'tap8'];
  host.ip(...taps.map((tap) => `link set ${tap} master xenbr0 up`));
  const isGone = () => host.run(['ip', 'link', 'show', 'xenbr0']).status !== 0;
  for (let at = 1; !isGone(); at++) {
    const struck = runFaulty(host, {
      hook: 'network-virtual',
      mode: 'kill',
      at,
      args: ['stop', 'bridgeip=10.1.1.1/24'],
    });
    expect(struck).toBeDefined();
    if (!isGone()) expect(host.hook('xen-network', ['recover'])).toMatchObject({ status: 0 });
  }
  host.ip(
    'link set tap5 down',
    'link set tap6 master br9',
    'link del tap7',
    'tuntap add dev tap7 mode tap',
    'link set tap7 up',
  );
  expect(host.hook('xen-network', ['recover'])).toMatchObject({ status: 0 });
  const masters = taps.map((tap) => / master (\S+)/.exec(host.ok('ip', 'link', 'show', tap))?.[1]);
  expect(masters).toEqual([undefined, 'br9', undefined, 'xenbr0']);
});
