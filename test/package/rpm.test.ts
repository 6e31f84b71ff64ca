import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ROOT, RootHost, startPings } from './root-host.ts';

const DIST = join(import.meta.dirname, '../../dist');
const VIF_BRIDGE = '/etc/xen/scripts/vif-bridge';
let root: RootHost;

afterEach(() => root.net.host.close());

/** Calls rpm(8) for the root, in which its scripts run. */
function rpm(...words: string[]): void {
  const made = readdirSync(DIST).find((name) => name.endsWith('.x86_64.rpm')) ?? '';
  const all = words.map((word) => (word === 'FILE' ? join(DIST, made) : word));
  const ran = root.net.host.run(['rpm', '--root', ROOT, '--dbpath', '/var/lib/rpm', '--nodeps', ...all]);
  if (ran.status !== 0) throw new Error(`rpm ${words.join(' ')}: ${ran.stdout}${ran.stderr}`);
}

/** What stands behind a hook, and that guests come and go by it. */
function behind(): string {
  expect(root.guest(2).reaches('192.0.2.1')).toBe(true);
  root.end(2);
  return root.ok(`readlink -f ${VIF_BRIDGE}`).trim();
}

test('guests run through install, upgrade, removal and reinstall of the RPM package', async () => {
  root = await RootHost.create('bookworm');
  // No Debian any more, so that hooks are moved and not diverted; Xen's scripts are nobody's.
  root.ok('rm -rf /usr/bin/dpkg* /var/lib/dpkg');
  const pings = startPings(root.guest(1));
  rpm('-i', 'FILE');
  expect(behind()).toBe(VIF_BRIDGE);
  root.ok('xen-network hooks enable');
  expect(behind()).toBe('/usr/lib/xen-network/xen-network');
  // Of the same version, with the scripts of an upgrade.
  rpm('-U', '--replacepkgs', 'FILE');
  expect(behind()).toBe('/usr/lib/xen-network/xen-network');
  rpm('-e', 'xen-network');
  expect(behind()).toBe(VIF_BRIDGE);
  expect(root.run(['ls', '/usr/lib/xen-network']).status).not.toBe(0);
  expect(root.ok('ls -A /etc/xen/scripts')).not.toContain('.xen-network');
  rpm('-i', 'FILE');
  root.ok('xen-network hooks enable');
  expect(await pings.lost()).toBe(0);
  root.end(1);
  expect(root.ok('iptables -S FORWARD')).toBe('-P FORWARD ACCEPT\n');
});
