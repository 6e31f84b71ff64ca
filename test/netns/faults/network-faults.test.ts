import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runTrial } from '../../support/faults/trials.ts';
import { Host } from '../../support/hosts/host.ts';

interface Scenario {
  readonly what: string;
  readonly hook: string;
  readonly variables: readonly string[];
  /** How the host is before, beyond its one card. */
  readonly before?: (host: Host) => void;
  /** The fewest steps of its start. */
  readonly least: number;
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
    least: 7,
  },
  {
    what: 'network-nat with a running dhcpd',
    hook: 'network-nat',
    variables: ['netdev=eth0', 'dhcp=dhcpd'],
    before: startDhcpd,
    least: 7,
  },
  {
    what: 'network-route with both families, forwarding already',
    hook: 'network-route',
    variables: ['ipv6=yes'],
    before: (host) =>
      host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.accept_redirects=1'),
    least: 4,
  },
  {
    what: 'a host-only network-virtual with both families and the strict filter',
    hook: 'network-virtual',
    variables: ['bridgeip=10.1.1.1/24,fd00:1::1/64', 'dhcp=dnsmasq', 'antispoof=strict'],
    least: 8,
  },
  {
    what: 'a routed network-virtual with antispoof on a bridge that is there',
    hook: 'network-virtual',
    variables: ['bridge=br9', 'bridgeip=10.1.1.1/24', 'brnet=10.9.0.0/16', 'antispoof=yes'],
    before: (host) => host.ip('link add br9 type bridge', 'address add 10.2.2.2/24 dev br9'),
    least: 8,
  },
  {
    what: 'a network-virtual that masquerades, with dhcpd',
    hook: 'network-virtual',
    variables: ['bridge=vmnet8', 'bridgeip=10.1.1.1/24', 'masquerade=yes', 'dhcp=dhcpd'],
    before: startDhcpd,
    least: 10,
  },
];

/** No stop has fewer steps. */
const LEAST_OF_STOP = 4;

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

describe.each(SCENARIOS)('$what', ({ hook, variables, before, least }) => {
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
    expect(outcomes.length).toBeGreaterThanOrEqual(command === 'start' ? least : LEAST_OF_STOP);
  });
});
