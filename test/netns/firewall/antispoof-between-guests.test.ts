import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const FORGED = '192.0.2.99';

function forgedReaches(guest: Namespace, target: string): boolean {
  return guest.run(['ping', '-n', '-q', '-c', '1', '-W', '1', '-I', FORGED, target]).status === 0;
}

test.each(['plain', 'classic', 'rename'])(
  'under antispoof=yes (%s) a forged packet reaches no other guest, whatever the guests’ devices are called',
  (topology) => {
    net.ok('network-bridge', 'start', 'antispoof=yes', `topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    const [one, two, three] = [
      net.guest('vif-bridge', 1, { bridge, ip: '192.0.2.11', vifname: 'web' }),
      net.guest('vif-bridge', 2, { bridge, ip: '192.0.2.12' }),
      net.guest('vif-bridge', 3, { bridge, ip: '192.0.2.13', vifname: 'mail' }),
    ];
    for (const [i, guest] of [one, two, three].entries())
      guest.ip(`address add 192.0.2.1${i + 1}/24 dev eth0`, `address add ${FORGED}/24 dev eth0`);
    for (const guest of [one, two, three]) {
      expect(guest.reaches('192.0.2.1')).toBe(true);
      expect(forgedReaches(guest, '192.0.2.1')).toBe(false);
    }
    for (const [guest, target] of [
      [one, '192.0.2.12'],
      [one, '192.0.2.13'],
      [two, '192.0.2.11'],
      [three, '192.0.2.11'],
    ] as const) {
      expect(guest.reaches(target)).toBe(true);
      expect({ target, reached: forgedReaches(guest, target) }).toEqual({ target, reached: false });
    }
    expect(net.outside.reaches('192.0.2.12')).toBe(true);
    expect(net.rules().join('\n')).toMatch(/--physdev-in p?eth0 --physdev-out web --physdev-is-bridged/);
  },
);

test('nor does one of a routed guest, or of one behind NAT', () => {
  net.ok('network-nat', 'start', 'dhcp=no', 'antispoof=yes');
  const guests = [1, 2].map((domid) => {
    const guest = net.guest('vif-nat', domid, domid === 1 ? { vifname: 'web' } : {}, ['dhcp=no']);
    guest.ip(`address add 10.0.${domid}.1/16 dev eth0`, `route add default via 10.0.${domid}.128`);
    guest.ip(`route add 10.0.${3 - domid}.1 via 10.0.${domid}.128`, `address add ${FORGED}/32 dev eth0`);
    return guest;
  });
  for (const [i, guest] of guests.entries()) {
    const target = `10.0.${2 - i}.1`;
    expect(guest.reaches(target)).toBe(true);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    // The answer must have a way back, or nothing would show that the packet came.
    guests[1 - i]?.ip(`route replace ${FORGED} via 10.0.${2 - i}.128`);
    net.host.ip(`route replace ${FORGED} dev ${i === 0 ? 'web' : 'vif2.0'}`);
    expect({ target, reached: forgedReaches(guest, target) }).toEqual({ target, reached: false });
  }
});
