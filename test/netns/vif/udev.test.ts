import { afterEach, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

const ASSIGNED = '/sys/class/net/probe/addr_assign_type';
/** What a bridge's port has, and a bridge that is not the host's own card. */
const PORT = 'fe:ff:ff:ff:ff:ff';

let net: NetHost;

afterEach(() => net.host.close());

/** A host where a real udev has its way with each new device: it gives those a MAC address that have a made-up one. */
async function withUdev(): Promise<void> {
  net = await NetHost.create();
  const { host } = net;
  host.ok('sh', '-c', '/lib/systemd/systemd-udevd >/run/udevd.log 2>&1 &');
  await waitUntil('udev', () => host.run(['test', '-e', '/run/udev/control']).status === 0);
  host.ok('sh', '-c', 'ip -o monitor link >/run/monitor 2>&1 &');
  host.ip('link add probe type bridge');
  // Only an address that somebody has set stays with it from then on (kernel's sysfs-class-net, addr_assign_type).
  await waitUntil('udev to set an address', () => host.ok('cat', ASSIGNED).trim() === '3');
  host.ip('link del probe');
}

/** All MAC addresses that each device has ever had, by its index, for the devices that came since `before`. */
function addressesOfNew(before: ReadonlySet<string>): string[][] {
  net.host.ok('udevadm', 'settle', '--timeout=300');
  const found = new Map<string, Set<string>>();
  for (const line of net.host.ok('cat', '/run/monitor').split('\n')) {
    const [, index = '', mac = ''] = /^(?:Deleted )?(\d+): .* link\/ether (\S+)/.exec(line) ?? [];
    if (mac === '' || before.has(index) || line.includes(': probe')) continue;
    found.set(index, new Set([...(found.get(index) ?? []), mac]));
  }
  return [...found.values()].map((macs) => [...macs]).sort();
}

function indexes(): Set<string> {
  return new Set(net.host.ok('ip', '-o', 'link').match(/^\d+/gm));
}

function macOf(name: string): string {
  return net.host.ok('cat', `/sys/class/net/${name}/address`).trim();
}

test.each([
  { topology: 'classic', top: 'eth0', ports: [PORT, PORT] },
  { topology: 'rename', top: 'eth0', ports: [] },
  { topology: 'plain', top: 'xenbr0', ports: [] },
])(
  '$topology: what start makes has its MAC address from the first moment, so udev gives it none',
  async ({ topology, top, ports }) => {
    await withUdev();
    const before = indexes();
    const mac = macOf('eth0');
    net.ok('network-bridge', 'start', `topology=${topology}`);
    expect(addressesOfNew(before)).toEqual([mac, ...ports].map((only) => [only]).sort());
    expect(macOf(top)).toBe(mac);
    net.ok('network-bridge', 'stop');
    expect(macOf('eth0')).toBe(mac);
  },
);

test('network-virtual: the bridge keeps the MAC address that is always its own', async () => {
  await withUdev();
  const before = indexes();
  net.ok('network-virtual', 'start', 'bridge=virbr7', 'bridgeip=10.7.0.1/24');
  const mac = macOf('virbr7');
  expect(addressesOfNew(before)).toEqual([[mac]]);
});
