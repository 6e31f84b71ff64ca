import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findBun } from '../../support/bun.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

const BOTH = join(import.meta.dirname, '../../support/overlap/both-looks.ts');

test('a look of the driver of overlaps sees the same as any other', async () => {
  const net = await NetHost.create();
  try {
    net.dhcpd();
    net.ok('network-nat', 'start', 'ipv6=yes', 'antispoof=strict', 'dhcp=yes');
    net.guest('vif-nat', 1, { ip: '10.0.1.7' });
    net.host.write('/run/xen-network/filters-due', '');
    await net.host.settled();
    const [usual, ours] = JSON.parse(net.host.ok(findBun(), BOTH));
    expect(usual['servers'].join()).toContain('dhcpd');
    expect(usual['files'].length).toBeGreaterThan(3);
    expect(usual['sysctl'].length).toBeGreaterThan(20);
    expect(usual['strict'].length).toBeGreaterThan(3);
    expect(ours).toEqual(usual);
  } finally {
    await net.host.close();
  }
});
