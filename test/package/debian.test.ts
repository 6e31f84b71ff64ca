import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freshSeed, pick, randomNumbers } from '../support/random.ts';
import { RootHost, startPings } from './root-host.ts';

const DIST = join(import.meta.dirname, '../../dist');
const OURS = '/usr/sbin/xen-network';

/** What an administrator does, as shell in the root; its packages are in /run/packages. */
const ACTS = {
  install: 'dpkg --force-downgrade -i /run/packages/ours.deb',
  upgrade: 'dpkg -i /run/packages/ours-newer.deb',
  enable: `[ ! -x ${OURS} ] || ${OURS} hooks enable`,
  disable: `[ ! -x ${OURS} ] || ${OURS} hooks disable`,
  remove: 'dpkg --remove xen-network',
  purge: 'dpkg --purge xen-network',
  'upgrade Xen': 'dpkg -i /run/packages/xen-newer.deb',
  'downgrade Xen': 'dpkg --force-downgrade -i /run/packages/xen.deb',
} as const;
type Act = keyof typeof ACTS;

// The next version of each package, whose files all differ.
const PACKAGES = `
mkdir -p /run/packages /run/newer
cp /srv/xen-utils-common_*.deb /run/packages/xen.deb
dpkg-deb -R /run/packages/ours.deb /run/newer/ours
dpkg-deb -R /run/packages/xen.deb /run/newer/xen
sed -i 's/^Version: .*/Version: 9999-1/' /run/newer/*/DEBIAN/control
printf '\\0' >>/run/newer/ours/usr/lib/xen-network/xen-network
for file in /run/newer/xen/etc/xen/scripts/vif-*; do echo '# newer' >>"$file"; done
for name in ours xen; do dpkg-deb -Znone --root-owner-group -b /run/newer/$name /run/packages/$name-newer.deb; done
rm -r /run/newer
`;

let root: RootHost;

afterEach(() => root.net.host.close());

async function makeHost(suite: string): Promise<void> {
  root = await RootHost.create(suite);
  const deb = readdirSync(DIST).find((name) => /^xen-network_.*_amd64\.deb$/.test(name));
  if (deb === undefined) throw new Error('There is no package in dist; run "npm run package" first.');
  root.net.host.ok(
    'sh',
    '-c',
    'mkdir -p /run/packages && cp "$1" /run/packages/ours.deb',
    'sh',
    join(DIST, deb),
  );
  root.ok(PACKAGES);
}

/** Does it, and looks that no hook was missing, the first guest is reached, and another comes and goes. */
function act(name: Act): void {
  expect({ name, gaps: root.watched(ACTS[name]) }).toEqual({ name, gaps: [] });
  expect({ name, reached: root.guest(2).reaches('192.0.2.1') }).toEqual({ name, reached: true });
  root.end(2);
}

const isOurs = (): boolean =>
  root.ok('readlink -f /etc/xen/scripts/vif-bridge').includes('/usr/lib/xen-network/');

describe.each(['bookworm', 'trixie'])('on %s beside the real xen-utils-common', (suite) => {
  test('guests run through install, upgrades, removal, purge and reinstall', async () => {
    await makeHost(suite);
    const first = root.guest(1);
    const pings = startPings(first);
    const acts: readonly Act[] = [
      'install',
      'enable',
      'upgrade Xen',
      'upgrade',
      'downgrade Xen',
      'remove',
      'upgrade Xen',
      'install',
      'enable',
      'purge',
      'downgrade Xen',
      'upgrade',
      'enable',
      'install',
      'disable',
      'enable',
    ];
    for (const name of acts) {
      act(name);
      if (name === 'enable') expect(isOurs()).toBe(true);
      if (name === 'remove' || name === 'purge' || name === 'disable') {
        expect(isOurs()).toBe(false);
        expect(root.run(['dpkg', '--verify', 'xen-utils-common'])).toMatchObject({ status: 0, stdout: '' });
      }
    }
    expect(await pings.lost()).toBe(0);
    root.end(1);
    expect(root.ok('iptables -S FORWARD; find /run/xen-network -type f ! -path "*/lock/*"')).toBe(
      '-P FORWARD ACCEPT\n',
    );
  });

  test('and in any other order', async () => {
    await makeHost(suite);
    const random = randomNumbers(freshSeed(`packages on ${suite}`));
    const pings = startPings(root.guest(1));
    const names = Object.keys(ACTS) as [Act, ...Act[]];
    const done: Act[] = [];
    for (let count = 0; count < 20; count++) {
      done.push(pick(random, names));
      try {
        act(done.at(-1) ?? 'install');
      } catch (thrown) {
        throw new Error(`after ${done.join(', ')}`, { cause: thrown });
      }
    }
    expect(await pings.lost()).toBe(0);
    act('install');
    act('enable');
    root.end(1);
    act('purge');
    expect(root.run(['dpkg', '--verify', 'xen-utils-common'])).toMatchObject({ status: 0, stdout: '' });
    expect(root.ok('ls -A /etc/xen/scripts')).not.toContain('.xen-network');
  });
});
