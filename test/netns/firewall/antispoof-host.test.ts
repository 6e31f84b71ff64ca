import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

// What docs/antispoof.md says of packets to the host itself (antispoof=yes and the host itself).
test.each([
  ['no', 'plain', true],
  ['yes', 'plain', false],
  ['yes', 'rename', false],
  ['yes', 'classic', false],
  ['strict', 'plain', false],
  ['strict', 'rename', false],
  ['strict', 'classic', false],
] as const)(
  'antispoof=%s, %s: a forged packet reaches the host itself, and other guests: %s',
  (antispoof, topology, arrives) => {
    const words = antispoof === 'no' ? [] : [`antispoof=${antispoof}`];
    net.ok('network-bridge', 'start', ...words, `topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    const guest = net.guest('vif-bridge', 1, { bridge, ip: '192.0.2.11 2001:db8::11' });
    guest.ip(
      'address add 192.0.2.11/24 dev eth0',
      'address add 192.0.2.99/24 dev eth0',
      'address add 2001:db8::11/64 dev eth0 nodad',
      'address add 2001:db8::99/64 dev eth0 nodad',
    );
    expect(guest.reaches('192.0.2.2', '-I', '192.0.2.11')).toBe(true);
    expect(guest.reaches('192.0.2.2', '-I', '192.0.2.99')).toBe(arrives);
    expect(guest.reaches('2001:db8::2', '-I', '2001:db8::11')).toBe(true);
    expect(guest.reaches('2001:db8::2', '-I', '2001:db8::99')).toBe(arrives);
    const other = net.guest('vif-bridge', 2, { bridge, ip: '192.0.2.12' });
    other.ip('address add 192.0.2.12/24 dev eth0');
    expect(guest.reaches('192.0.2.12', '-I', '192.0.2.11')).toBe(true);
    expect(guest.reaches('192.0.2.12', '-I', '192.0.2.99')).toBe(arrives);
  },
);
