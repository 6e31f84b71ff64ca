import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

// What docs/antispoof.md says of packets to the host itself (antispoof=yes and the host itself).
test.each([
  ['yes', 'plain', true],
  ['yes', 'rename', true],
  ['yes', 'classic', false],
  ['strict', 'plain', false],
  ['strict', 'rename', false],
  ['strict', 'classic', false],
] as const)(
  'antispoof=%s, %s: a forged packet reaches the host itself, and whom it routes to: %s',
  (antispoof, topology, arrives) => {
    net.ok('network-bridge', 'start', `antispoof=${antispoof}`, `topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    const guest = net.guest('vif-bridge', 1, { bridge, ip: '192.0.2.11' });
    guest.ip('address add 192.0.2.11/24 dev eth0', 'address add 192.0.2.99/24 dev eth0');
    expect(guest.reaches('192.0.2.2', '-I', '192.0.2.11')).toBe(true);
    expect(guest.reaches('192.0.2.2', '-I', '192.0.2.99')).toBe(arrives);
    // No other guest of the bridge gets one in any case.
    const other = net.guest('vif-bridge', 2, { bridge, ip: '192.0.2.12' });
    other.ip('address add 192.0.2.12/24 dev eth0');
    expect(guest.reaches('192.0.2.12', '-I', '192.0.2.11')).toBe(true);
    expect(guest.reaches('192.0.2.12', '-I', '192.0.2.99')).toBe(false);
    const uplink = topology === 'plain' ? 'xenbr0' : 'eth0';
    net.ok('network-route', 'start', `netdev=${uplink}`);
    const routed = net.guest('vif-route', 3, { ip: '198.51.100.7' }, [`netdev=${uplink}`]);
    routed.ip(
      'address add 198.51.100.7/32 dev eth0',
      'route add 192.0.2.2 dev eth0',
      'route add default via 192.0.2.2',
    );
    guest.ip('route add 198.51.100.7 via 192.0.2.2');
    expect(guest.reaches('198.51.100.7', '-I', '192.0.2.11')).toBe(true);
    expect(guest.reaches('198.51.100.7', '-I', '192.0.2.99')).toBe(arrives);
  },
);
