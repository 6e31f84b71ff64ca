import { afterAll, beforeAll, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { HookHost } from '../../support/hosts/hook-host.ts';
import type { Host } from '../../support/hosts/host.ts';
import { FINE, type Namespace } from '../../support/hosts/namespace.ts';

const BACKEND = '/local/domain/0/backend/vif';

let vif: HookHost;
let host: Host;
/** Whether this kernel's bridges can keep VLANs apart (CONFIG_BRIDGE_VLAN_FILTERING). */
let filters: boolean;

beforeAll(async () => {
  vif = await HookHost.create('vif-bridge');
  host = vif.host;
  host.ip('link add xenbr0 address 02:00:00:00:00:01 type bridge', 'link set xenbr0 up');
  filters = host.run(['test', '-e', '/sys/class/net/xenbr0/bridge/vlan_filtering']).status === 0;
});

afterAll(() => host.close());

beforeEach(() => {
  for (const domid of [1, 2, 3, 4]) {
    vif.call('offline', domid);
    vif.unplug(domid);
  }
  host.ok('rm', '-rf', '/run/xen-network');
});

/** Turns VLAN filtering on, or skips the test and says why. */
function filterVlans({ skip }: TestContext): void {
  if (!filters) skip('this kernel has no VLAN filtering on bridges');
  host.ip('link set dev xenbr0 type bridge vlan_filtering 1');
}

describe('on a bridge that does not filter VLANs', () => {
  test.each(['10', '10p/20/30-39'])('vlan=%s is an error that says how to turn it on', async (vlan) => {
    vif.card(1, { vlan });
    const before = await host.settled();
    expect(vif.call('online', 1).status).toBe(1);
    const { status, error } = vif.store.told(1);
    expect(status).toBe('error');
    expect(error).toContain(
      filters
        ? 'Turn it on with "ip link set dev xenbr0 type bridge vlan_filtering 1"'
        : 'this kernel has no VLAN filtering for the bridge xenbr0',
    );
    expect(await host.snapshotLike(before)).toEqual(before);
    expect(vif.call('offline', 1)).toEqual(FINE);
  });

  test.each(['0', '10/20', '10p/20;reboot', '$(touch /run/owned)'])(
    'vlan=%s is an error of its own',
    (vlan) => {
      vif.card(1, { vlan });
      expect(vif.call('online', 1).status).toBe(1);
      expect(vif.store.told(1).error).toContain(`vlan is ${JSON.stringify(vlan)}`);
      expect(host.run(['ls', '/run/owned']).status).not.toBe(0);
      expect(vif.call('offline', 1)).toEqual(FINE);
    },
  );

  test('without vlan= nothing changes', () => {
    vif.card(1);
    expect(vif.call('online', 1)).toEqual(FINE);
    expect(vif.lines('link', 'show', 'dev', 'vif1.0').join(' ')).toContain('master xenbr0');
  });
});

describe('on a bridge that filters VLANs', () => {
  const vlans = (device: string) =>
    host
      .ok('bridge', 'vlan', 'show', 'dev', device)
      .split('\n')
      .slice(1)
      .map((line) => line.replace(device, '').trim())
      .filter(Boolean);

  test('a port has exactly its VLANs, and others the next time', (context) => {
    filterVlans(context);
    vif.card(1, { vlan: '10p/20/30-31/40u' });
    expect(vif.call('online', 1)).toEqual(FINE);
    const first = ['10 PVID Egress Untagged', '20', '30', '31', '40 Egress Untagged'];
    expect(vlans('vif1.0')).toEqual(first);
    expect(vif.call('online', 1)).toEqual(FINE);
    expect(vlans('vif1.0')).toEqual(first);
    vif.store.write({ [`${BACKEND}/1/0/vlan`]: '1/20p' });
    expect(vif.call('online', 1)).toEqual(FINE);
    expect(vlans('vif1.0')).toEqual(['1', '20 PVID Egress Untagged']);
    vif.store.write({ [`${BACKEND}/1/0/vlan`]: '' });
    expect(vif.call('online', 1)).toEqual(FINE);
    expect(vlans('vif1.0')).toEqual(['1 PVID Egress Untagged']);
    expect(vif.call('offline', 1)).toEqual(FINE);
  });

  test('packets pass within a VLAN, tagged on a trunk, and nowhere else', (context) => {
    filterVlans(context);
    const cards: readonly (readonly [domid: number, vlan: string])[] = [
      [1, '10'],
      [2, '10'],
      [3, '20'],
      [4, '1p/10/20'],
    ];
    const guests = new Map(cards.map(([domid, vlan]) => [domid, vif.card(domid, { vlan })] as const));
    const guest = (domid: number): Namespace => {
      const found = guests.get(domid);
      if (found === undefined) throw new Error(`There is no guest ${domid}.`);
      return found;
    };
    for (const [domid] of cards) expect(vif.call('online', domid)).toEqual(FINE);
    for (const domid of [1, 2, 3])
      guest(domid).ip('link set eth0 up', `address add 192.0.2.${domid}/24 dev eth0`);
    guest(4).ip(
      'link set eth0 up',
      ...[10, 20].flatMap((id) => [
        `link add link eth0 name eth0.${id} type vlan id ${id}`,
        `link set eth0.${id} up`,
      ]),
      'address add 192.0.2.4/24 dev eth0.10',
    );
    const reaches = (domid: number, to: number) => guest(domid).reaches(`192.0.2.${to}`);
    expect([reaches(1, 2), reaches(1, 3), reaches(4, 1), reaches(4, 3)]).toEqual([true, false, true, false]);
    guest(4).ip('address del 192.0.2.4/24 dev eth0.10', 'address add 192.0.2.4/24 dev eth0.20');
    expect([reaches(4, 3), reaches(4, 1)]).toEqual([true, false]);
  });
});
