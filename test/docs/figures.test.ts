import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { NetHost } from '../support/hosts/net-host.ts';

// The documents' figures, drawn by the program itself. After a change of how the map looks: run this file with
// --update, and look at each figure in a browser.

const DOCS = join(import.meta.dirname, '..', '..', 'docs');

let net: NetHost;

afterEach(() => net.host.close());

/** What is started and who is attached, by the figure's name. */
const FIGURES: Readonly<Record<string, () => void>> = {
  classic() {
    net.ok('network-bridge', 'start', 'netdev=eth0');
    guest('vif-bridge', 1, 'web', { bridge: 'xenbr0', ip: '192.0.2.11' });
    guest('vif-bridge', 2, 'mail', { bridge: 'xenbr0', ip: '192.0.2.12 2001:db8::12' });
  },
  rename() {
    net.ok('network-bridge', 'start', 'netdev=eth0', 'topology=rename');
    guest('vif-bridge', 1, 'web', { bridge: 'eth0', ip: '192.0.2.11' });
  },
  plain() {
    net.ok('network-bridge', 'start', 'netdev=eth0', 'topology=plain', 'antispoof=strict');
    guest('vif-bridge', 1, 'web', { bridge: 'xenbr0', ip: '192.0.2.11' });
  },
  nat() {
    net.ok('network-nat', 'start');
    guest('vif-nat', 1, 'web', { ip: '10.0.0.11' });
    guest('vif-nat', 2, 'mail', { ip: '10.0.0.12' });
  },
  route() {
    net.ok('network-route', 'start');
    guest('vif-route', 1, 'web', { ip: '192.0.2.11' });
  },
  virtual() {
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24');
    guest('vif-bridge', 1, 'web', { bridge: 'vmnet1', ip: '10.1.1.2' });
    guest('vif-bridge', 2, 'mail', { bridge: 'vmnet1', ip: '10.1.1.3' });
  },
  multi() {
    net.host.nic('eth1', { address: '198.51.100.2/24' });
    const first = ['network-bridge', 'vifnum=0', 'netdev=eth0'];
    net.ok('network-multi-bridge', 'start', ...first, 'network-bridge', 'vifnum=1', 'netdev=eth1');
    guest('vif-bridge', 1, 'web', { bridge: 'xenbr0', ip: '192.0.2.11' });
    guest('vif-bridge', 2, 'mail', { bridge: 'xenbr1', ip: '198.51.100.12' });
  },
};

/** Its own end stays down: a guest that sends nothing has the same counters each time. */
function guest(hook: string, domid: number, name: string, values: Readonly<Record<string, string>>): void {
  net.store.write({ [`/local/domain/${domid}/name`]: name });
  net.card(domid, { mac: `00:16:3e:00:00:${10 + domid}`, ...values });
  expect(net.call(hook, 'online', domid)).toMatchObject({ status: 0, stderr: '' });
}

test.each(Object.keys(FIGURES))('the figure %s shows what the hooks make', async (name) => {
  net = await NetHost.create();
  FIGURES[name]?.();
  const drawn = net.host.hook('xen-network', ['status', '--svg']);
  expect(drawn).toMatchObject({ status: 0, stderr: '' });
  await expect(drawn.stdout).toMatchFileSnapshot(join(DOCS, 'figures', `${name}.svg`));
  expect(readFileSync(join(DOCS, 'guide.md'), 'utf8')).toContain(`(figures/${name}.svg)`);
});
