import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runFaulty } from '../../support/faults/faults.ts';
import { mustHaveSteps, stepCount } from '../../support/faults/step-counts.ts';
import { runTrial, stepsOf } from '../../support/faults/trials.ts';
import { Host, xlEnv } from '../../support/hosts/host.ts';

interface Scenario {
  readonly what: string;
  readonly hook: string;
  readonly variables: readonly string[];
  /** How the host is before, beyond its one card. */
  readonly before?: (host: Host) => void;
}

/** A DHCP server that no service manager knows, as a dhcpd that was started by hand. */
function startDhcpd(host: Host): void {
  host.ok('rm', '/etc/init.d/isc-dhcp-server');
  host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/var/lib/dhcp');
  host.ok('touch', '/var/lib/dhcp/dhcpd.leases');
  host.write('/etc/dhcp/dhcpd.conf', '# by hand\nsubnet 192.0.2.0 netmask 255.255.255.0 { }');
  host.ok('dhcpd', '-q', '-cf', '/etc/dhcp/dhcpd.conf', '-pf', '/run/dhcpd.pid');
}

const SCENARIOS: readonly Scenario[] = [
  {
    what: 'network-nat with both families and antispoof',
    hook: 'network-nat',
    variables: ['ipv6=yes', 'antispoof=yes', 'dhcp=no'],
    before: (host) => host.ok('iptables', '-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP'),
  },
  {
    what: 'network-nat with a running dhcpd',
    hook: 'network-nat',
    variables: ['netdev=eth0', 'dhcp=dhcpd'],
    before: startDhcpd,
  },
  {
    what: 'network-route with both families, forwarding already',
    hook: 'network-route',
    variables: ['ipv6=yes'],
    before: (host) =>
      host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.accept_redirects=1'),
  },
  {
    what: 'a host-only network-virtual with both families and the strict filter',
    hook: 'network-virtual',
    variables: ['bridgeip=10.1.1.1/24,fd00:1::1/64', 'dhcp=dnsmasq', 'antispoof=strict'],
  },
  {
    what: 'a routed network-virtual with antispoof on a bridge that is there',
    hook: 'network-virtual',
    variables: ['bridge=br9', 'bridgeip=10.1.1.1/24', 'brnet=10.9.0.0/16', 'antispoof=yes'],
    before: (host) => host.ip('link add br9 type bridge', 'address add 10.2.2.2/24 dev br9'),
  },
  {
    what: 'a network-virtual that masquerades, with dhcpd',
    hook: 'network-virtual',
    variables: ['bridge=vmnet8', 'bridgeip=10.1.1.1/24', 'masquerade=yes', 'dhcp=dhcpd'],
    before: startDhcpd,
  },
];

let host: Host;

beforeEach(async () => {
  host = await Host.create();
  host.nic('eth0', {
    address: '192.0.2.2/24',
    gateway: '192.0.2.1',
    address6: '2001:db8::2/64',
    gateway6: '2001:db8::1',
  });
  host.write('/etc/resolv.conf', 'nameserver 192.0.2.1\n');
});

afterEach(() => host.close());

describe.each(SCENARIOS)('$what', ({ what, hook, variables, before }) => {
  test.each([
    ['start', 'fail'],
    ['start', 'recover'],
    ['stop', 'fail'],
    ['stop', 'recover'],
  ] as const)('%s: at any step, %s leaves the host as it was', async (command, fault) => {
    before?.(host);
    if (command === 'stop')
      expect(host.hook(hook, ['start', ...variables])).toMatchObject({ status: 0, stderr: '' });
    const outcomes = await runTrial(host, { hook, fault, words: [command, ...variables], variables });
    const told = outcomes.map(({ wrong, ...rest }) => ({ ...rest, wrong: wrong.slice(0, 5) }));
    const status = fault === 'fail' ? 1 : 0;
    expect(told).toEqual(told.map(({ at }) => ({ at, status, said: [expect.any(String)], wrong: [] })));
    mustHaveSteps(`${command}: ${what}`, stepsOf(fault, outcomes));
  });
});

test('a guest that came after a stop was killed can pass the firewall once the stop is taken back', async () => {
  const store = await host.xenstore();
  const variables = ['ipv6=yes', 'antispoof=yes', 'dhcp=no'];
  host.hook('network-nat', ['start', ...variables]);
  const at = stepCount('stop: network-nat with both families and antispoof') ?? 0;
  runFaulty(host, { hook: 'network-nat', mode: 'kill', at, args: ['stop', ...variables] });
  expect(host.ok('iptables', '-S', 'FORWARD')).toContain('-P FORWARD ACCEPT');
  host.vif(1);
  store.vif(1, 0, { ip: '10.0.1.7', script: '/etc/xen/scripts/vif-nat' });
  expect(host.hook('vif-nat', ['online', 'dhcp=no'], xlEnv(1)).status).toBe(0);
  expect(host.hook('xen-network', ['recover']).stdout).toContain('was found and taken back');
  const forward = host.ok('iptables', '-S', 'FORWARD');
  expect(forward).toContain('-P FORWARD DROP');
  expect(forward).toMatch(/^-A FORWARD -s 10\.0\.1\.7\/32 -i vif1\.0 .*-j ACCEPT$/m);
});
