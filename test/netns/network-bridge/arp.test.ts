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
