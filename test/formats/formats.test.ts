import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { NetHost } from '../support/hosts/net-host.ts';

// What a released build leaves on a host, frozen: made by that build, and never changed. In the folder of each version are
// what it had in /run/xen-network, its rules, its tables, its entries in xenstore, and its devices as lines for ip(8).
const VERSIONS = readdirSync(import.meta.dirname).filter((name) => /^\d/.test(name));
const SCRIPTS = ['vif-bridge', 'vif-bridge', 'vif-nat', 'vif-route'];
const RUN = '/run/xen-network';
let net: NetHost;

afterEach(() => net.host.close());

/** A host as that build left it: network-nat, two bridged guests, one of them strict, one behind NAT and a routed one. */
async function thaw(version: string): Promise<void> {
  const folder = join(import.meta.dirname, version);
  const text = (name: string) => readFileSync(join(folder, name), 'utf8');
  net = await NetHost.create();
  const { host } = net;
  const entries = [...text('xenstore').matchAll(/backend\/vif\/(\d)\/0\/(\S+) = "(.*)"$/gm)];
  for (const domid of SCRIPTS.keys()) {
    const own = entries.filter(([, id]) => Number(id) === domid + 1);
    net.card(domid + 1, Object.fromEntries(own.map(([, , key = '', value = '']) => [key, value])));
  }
  host.ip(...text('links').trimEnd().split('\n'));
  host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  for (const [tool, rules] of [
    ['iptables-restore', 'iptables'],
    ['ip6tables-restore', 'ip6tables'],
    ['nft', 'bridge.nft'],
  ])
    restore(tool ?? '', text(rules ?? ''));
  for (const name of readdirSync(join(folder, 'run'), { recursive: true, encoding: 'utf8' }))
    if (statSync(join(folder, 'run', name)).isFile()) host.write(`${RUN}/${name}`, text(`run/${name}`));
  host.ok('chmod', '-R', 'go-w', RUN);
}

function restore(tool: string, rules: string): void {
  const words = tool === 'nft' ? ['-f', '-'] : [];
  expect(net.host.run([tool, ...words], { input: rules })).toMatchObject({ status: 0, stderr: '' });
}

function rules(): string {
  return ['iptables', 'ip6tables'].map((tool) => net.host.ok(tool, '-S', 'FORWARD')).join('');
}

function endAll(): void {
  for (const [i, script] of SCRIPTS.entries()) {
    const ended = net.call(script, 'offline', i + 1, script === 'vif-nat' ? ['dhcp=no'] : []);
    expect({ script, ...ended }).toEqual({ script, status: 0, stdout: '', stderr: '' });
  }
  net.ok('network-nat', 'stop');
}

/** What is left of guests and networks on the host; the strict tables themselves stay, empty. */
function leftovers(): string {
  const { host } = net;
  const script = `find ${RUN} -type f -path '*/vif/*' -o -type f -path '*/strict/*' -o -type f -path '*/nat/*' -o -name '*.damaged'
    for tool in iptables ip6tables; do for table in filter nat; do $tool -t $table -S | grep -v '^-P'; done; done
    nft list ruleset | grep -E '"(web|vif[0-9.]*)"'
    cat /proc/sys/net/ipv4/ip_forward
    ip address show dev vif3.0 | grep 'inet '; ip route | grep vif; bridge link | grep master`;
  return host.run(['sh', '-c', script]).stdout;
}

describe.each(VERSIONS)('what version %s left on a host', (version) => {
  test('is ended without a leftover', async () => {
    await thaw(version);
    endAll();
    expect(leftovers()).toBe('0\n');
  });

  test('is listed, and put back after a firewall was flushed', async () => {
    await thaw(version);
    const before = rules();
    expect(net.host.hook('xen-network', ['vif']).stdout).toMatch(/^web +vif2\.0 +locked /m);
    net.host.ok('sh', '-c', 'iptables -F FORWARD; ip6tables -F FORWARD; nft delete table bridge xen_network');
    expect(net.host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    expect(rules().split('\n').sort()).toEqual(before.split('\n').sort());
    expect(net.host.ok('nft', 'list', 'set', 'bridge', 'xen_network', 'own4')).toContain('192.0.2.52');
    endAll();
    expect(leftovers()).toBe('0\n');
  });
});
