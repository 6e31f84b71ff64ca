import { afterEach, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

afterEach(() => net.host.close());

/** Who answers a broadcast question for the host's address, by MAC address. */
function answers(): string[] {
  const { stdout } = net.outside.run(['arping', '-b', '-c', '3', '-w', '5', '-I', 'eth0', '192.0.2.2']);
  const found = [...stdout.matchAll(/reply from 192\.0\.2\.2 \[(\S+)\]/g)].map(([, mac = '']) => mac);
  return [...new Set(found.map((mac) => mac.toLowerCase()))];
}

test.each(['classic', 'rename', 'plain'])(
  '%s: by ARP the host answers with one MAC address, and it stays',
  async (kind) => {
    net = await NetHost.create();
    // A kernel that takes any packet by any device, as Debian's without systemd: it answers for all addresses on each.
    net.host.ok('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0');
    const [mac = ''] = answers();
    net.ok('network-bridge', 'start', `topology=${kind}`);
    expect(answers()).toEqual([mac]);
    net.ok('network-bridge', 'stop');
    expect(answers()).toEqual([mac]);
  },
);

// Some kernels have no dummy devices; those of ifb are made without ARP as well, but do not take the MAC address that a
// classic start gives them: the golden plan start-dummy shows that one.
test.each(['rename', 'plain'])('%s: on a device that is made without ARP the host answers', async (kind) => {
  net = await NetHost.create();
  const { host } = net;
  const guest = host.netns('guest1');
  const words = ['vifnum=1', 'netdev=dummy0', `topology=${kind}`];
  host.ip('link add dummy0 type ifb', 'address add 10.8.0.1/24 dev dummy0', 'link set dummy0 up');
  expect(host.ok('ip', '-o', 'link', 'show', 'dummy0')).toContain('NOARP');
  net.ok('network-bridge', 'start', ...words);
  const bridge = kind === 'rename' ? 'dummy0' : 'xenbr1';
  host.ip('link add vif1.0 type veth peer name eth0 netns guest1', `link set vif1.0 master ${bridge} up`);
  guest.ip('address add 10.8.0.11/24 dev eth0', 'link set eth0 up');
  expect(guest.ok('ping', '-c', '1', '-w', '20', '10.8.0.1')).toContain('1 received');
  host.ip('link del vif1.0');
  net.ok('network-bridge', 'stop', ...words);
  expect(host.ok('ip', '-o', 'link', 'show', 'dummy0')).toContain('NOARP');
});
