import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { RootHost, startPings } from '../package/root-host.ts';
import { xlEnv } from '../support/hosts/host.ts';

const DIST = join(import.meta.dirname, '../../dist');
const VIF_BRIDGE = '/etc/xen/scripts/vif-bridge';
let root: RootHost;

afterEach(() => root.net.host.close());

/** Calls vif-bridge as xl does; without iptables, which qemu-user does not carry, an online says so. */
function call(command: 'online' | 'offline', domid: number): void {
  const ran = root.run([VIF_BRIDGE, command, 'type_if=vif'], xlEnv(domid));
  const says =
    command === 'offline' ? '' : expect.stringMatching(/ without filter rules: .*Protocol not supported/);
  expect({ ...ran, hotplug: root.net.store.told(domid).error }).toMatchObject({ status: 0, stderr: says });
}

// Xen's own scripts, and guests with addresses, need brctl and iptables of arm64, which qemu-user does not carry.
test('a Debian of arm64 installs the package, and guests of its hooks run through a reinstall and removal', async () => {
  root = await RootHost.create('bookworm', true, 'arm64');
  const deb = readdirSync(DIST).find((name) => /^xen-network_.*_arm64\.deb$/.test(name));
  if (deb === undefined) throw new Error('There is no package in dist; run "npm run package" first.');
  root.net.host.ok('cp', join(DIST, deb), '/run/');
  expect(root.ok('dpkg --print-architecture; uname -m')).toBe('arm64\naarch64\n');
  root.ok(`apt-get -y -q install /run/${deb}; xen-network hooks enable`);
  expect(root.ok(`readlink -f ${VIF_BRIDGE}`)).toBe('/usr/lib/xen-network/xen-network\n');
  const guest = root.net.card(1, { bridge: 'xenbr0' });
  call('online', 1);
  guest.ip('link set eth0 up', 'address add 192.0.2.51/24 dev eth0');
  const pings = startPings(guest);
  expect(guest.reaches('192.0.2.1')).toBe(true);
  root.ok(`apt-get -y -q install --reinstall /run/${deb}`);
  root.net.card(2, { bridge: 'xenbr0' });
  call('online', 2);
  expect(root.net.store.told(2).status).toBe('connected');
  call('offline', 2);
  root.ok('man -w vif-bridge; apt-get -y -q purge xen-network');
  expect(root.run(['dpkg', '--verify', 'xen-utils-common'])).toMatchObject({ status: 0, stdout: '' });
  expect(root.run(['ls', '/usr/lib/xen-network']).status).not.toBe(0);
  expect(await pings.lost()).toBe(0);
});
