import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

/** An address that each guest uses and has no right to. Nobody else has it, or the answer would go nowhere. */
const forged = (domid: number): string => `192.0.2.9${domid}`;

function forgedReaches(guest: Namespace, domid: number, target: string): boolean {
  return guest.run(['ping', '-n', '-q', '-c', '1', '-W', '1', '-I', forged(domid), target]).status === 0;
}

test.each(['plain', 'classic', 'rename'])(
  'under antispoof=yes (%s) a forged packet reaches no other guest, whatever the guests’ devices are called',
  (topology) => {
    net.ok('network-bridge', 'start', 'antispoof=yes', `topology=${topology}`);
    const bridge = topology === 'rename' ? 'eth0' : 'xenbr0';
    const values = [{ vifname: 'web' }, {}, { vifname: 'mail' }, { antispoof: 'strict' }];
    const guests = values.map((more, i) => {
      const guest = net.guest('vif-bridge', i + 1, { bridge, ip: `192.0.2.1${i + 1}`, ...more });
      guest.ip(`address add 192.0.2.1${i + 1}/24 dev eth0`, `address add ${forged(i + 1)}/24 dev eth0`);
      return { domid: i + 1, guest };
    });
    const passing = guests.flatMap(({ domid, guest }) => {
      const others = guests
        .filter((other) => other.domid !== domid)
        .map((other) => `192.0.2.1${other.domid}`);
      const targets = domid === 1 ? ['192.0.2.1', ...others] : ['192.0.2.1', '192.0.2.11'];
      return targets.map((target) => {
        expect({ domid, target, reaches: guest.reaches(target) }).toEqual({ domid, target, reaches: true });
        return forgedReaches(guest, domid, target) ? `${forged(domid)} → ${target}` : '';
      });
    });
    expect(passing.filter((text) => text !== '')).toEqual([]);
    expect(net.outside.reaches('192.0.2.12')).toBe(true);
    expect(net.outside.reaches('192.0.2.14')).toBe(true);
    expect(net.rules().join('\n')).toMatch(/--physdev-in p?eth0 --physdev-out web --physdev-is-bridged/);
  },
);

test('nor does one of a routed guest, or of one behind NAT', () => {
  net.ok('network-nat', 'start', 'dhcp=no', 'antispoof=yes');
  const guests = [1, 2].map((domid) => {
    const guest = net.guest('vif-nat', domid, domid === 1 ? { vifname: 'web' } : {}, ['dhcp=no']);
    guest.ip(`address add 10.0.${domid}.1/16 dev eth0`, `route add default via 10.0.${domid}.128`);
    guest.ip(
      `route add 10.0.${3 - domid}.1 via 10.0.${domid}.128`,
      `address add ${forged(domid)}/32 dev eth0`,
    );
    return guest;
  });
  for (const [i, guest] of guests.entries()) {
    const target = `10.0.${2 - i}.1`;
    expect(guest.reaches(target)).toBe(true);
    expect(guest.reaches('192.0.2.1')).toBe(true);
    // The answer must have a way back, or nothing would show that the packet came.
    guests[1 - i]?.ip(`route replace ${forged(i + 1)} via 10.0.${2 - i}.128`);
    net.host.ip(`route replace ${forged(i + 1)} dev ${i === 0 ? 'web' : 'vif2.0'}`);
    expect({ target, reached: forgedReaches(guest, i + 1, target) }).toEqual({ target, reached: false });
  }
});

// Found by `npm run soak -- --seed 2005 --acts 15`.
test.each([{}, { antispoof: 'strict' }])(
  'a guest that somebody renames by hand is held under its new name by a refilter, and under the old one again, with %o',
  (more) => {
    net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain');
    const values = { bridge: 'xenbr0', ip: '192.0.2.11', vifname: 'web', ...more };
    const guest = net.guest('vif-bridge', 1, values);
    guest.ip('address add 192.0.2.11/24 dev eth0', `address add ${forged(1)}/24 dev eth0`);
    const before = net.host.snapshot();
    const tables = () => net.host.ok('nft', 'list', 'tables', 'bridge');
    const had = tables();
    const isHeld = (from: string, to: string) => {
      net.host.ip(`link set dev ${from} name ${to}`);
      expect(net.host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
      expect(net.rules().join('\n')).not.toContain(`--physdev-in ${from} `);
      expect(guest.reaches('192.0.2.1')).toBe(true);
      expect(forgedReaches(guest, 1, '192.0.2.1')).toBe(false);
    };
    isHeld('web', 'lost');
    isHeld('lost', 'web');
    expect(net.host.snapshot()['files']).toEqual(before['files']);
    expect(tables()).toBe(had);
  },
);

// Found by `npm run soak -- --seed 983976082 --acts 57`.
test('a guest that somebody renames by hand is no way to another one from outside', () => {
  net.ok('network-nat', 'start', 'dhcp=no', 'antispoof=yes');
  net.guest('vif-nat', 1, { script: '/etc/xen/scripts/vif-nat' }, ['dhcp=no']);
  net.guest('vif-nat', 2, { vifname: 'web' }, ['dhcp=no']);
  const toFirst = () => net.rules().filter((rule) => rule.includes('-o vif1.0 '));
  const before = toFirst();
  expect(before).not.toEqual([]);
  for (const [from, to] of [
    ['web', 'lost'],
    ['lost', 'web'],
  ]) {
    net.host.ip(`link set dev ${from} name ${to}`);
    expect(net.host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    expect(toFirst()).toEqual(before);
  }
});
