import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const status = (words: readonly string[] = [], env: Record<string, string> = {}) =>
  net.host.hook('xen-network', ['status', ...words], env);

/** With what differs from run to run put aside. */
const plain = (text: string) => text.replace(/00:16:3e:[0-9a-f:]{8}/g, '00:16:3e:XX:XX:XX').split('\n');

describe('xen-network status', () => {
  test('shows bridges, guests by name, filters, and what is not ours, as a tree', () => {
    net.ok('network-bridge', 'start', 'netdev=eth0', 'antispoof=strict');
    net.host.ip('link add virbr0 type bridge', 'link set virbr0 up');
    net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.11 2001:db8::11' });
    net.guest('vif-bridge', 2, { bridge: 'virbr0' });
    net.store.write({ '/local/domain/1/name': 'web' });
    const ran = status([], { LC_ALL: 'C.UTF-8' });
    expect(ran.stderr).toBe('');
    expect(ran.status).toBe(0);
    expect(plain(ran.stdout)).toEqual([
      'xenbr0  bridge by network-bridge, antispoof=strict, MTU 1500',
      '├─ peth0  card (veth)',
      '├─ vif0.0  dom0 as eth0: 192.0.2.2/24 2001:db8::2/64',
      '├─ GUEST    DEVICE  MAC                ADDRESSES                MTU   FILTER         DROPPED  STATE',
      '└─ web (1)  vif1.0  00:16:3e:XX:XX:XX  192.0.2.11 2001:db8::11  1500  strict locked  0        connected',
      '',
      'virbr0  bridge, not started by this program, MTU 1500',
      '├─ GUEST    DEVICE  MAC                ADDRESSES                MTU   FILTER         DROPPED  STATE',
      '└─ 2        vif2.0  00:16:3e:XX:XX:XX                           1500  rules                   connected',
      '',
    ]);
  });

  test('a guest that is routed to, one off its network, and one that failed', () => {
    net.guest('vif-route', 1, { ip: '192.0.2.11' });
    net.host.ip('link add br9 type bridge', 'link set br9 up');
    net.guest('vif-bridge', 2, { bridge: 'br9' });
    net.host.ip('link set vif2.0 nomaster');
    net.card(3, { bridge: 'nowhere' });
    expect(net.call('vif-bridge', 'online', 3).status).toBe(1);
    const ran = status();
    expect(ran.status).toBe(1);
    const lines = ran.stdout.split('\n');
    expect(lines).toContainEqual(
      expect.stringMatching(/^routed {2}guests that are routed to by vif-route, vif-nat/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^`- 1 +vif1\.0 /));
    expect(lines).toContainEqual('On no network');
    expect(lines).toContainEqual(expect.stringMatching(/^\|- 2 +vif2\.0 .* connected$/));
    expect(lines).toContainEqual(expect.stringMatching(/^! vif3\.0 of 3: vif-bridge online.*nowhere/));
  });

  test('as JSON it has a version, and the same', () => {
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'stp=yes');
    net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
    const map = JSON.parse(status(['--json']).stdout);
    expect(map).toMatchObject({
      version: 1,
      host: net.host.ok('cat', '/proc/sys/kernel/hostname').trim(),
      networks: [
        {
          kind: 'bridge',
          name: 'vmnet1',
          startedBy: 'network-virtual',
          hasSpanningTree: true,
          dom0: { device: 'vmnet1', addresses: ['10.1.1.1/24'] },
          guests: [{ guest: '1', device: 'vif1.0', hotplug: 'connected', filter: 'rules' }],
        },
      ],
      loose: [],
      warnings: [],
    });
  });

  test('nothing there is said, and without xenstore what can be seen is shown', () => {
    expect(status().stdout).toContain('There is no bridge, no switch and no guest.');
    const away = status([], { XENSTORED_PATH: '/run/nothing' });
    expect(away.status).toBe(1);
    expect(away.stdout).toMatch(/! No guest is shown: xenstore cannot be reached/);
  });

  test("a guest's name writes nothing to the terminal but text", () => {
    net.host.ip('link add br9 type bridge', 'link set br9 up');
    net.guest('vif-bridge', 1, { bridge: 'br9' });
    net.store.write({ '/local/domain/1/name': 'a\u001b[2Jb' });
    expect(status().stdout).not.toContain('\u001b');
    expect(status().stdout).toContain('\\u001b[2Jb');
  });
});
