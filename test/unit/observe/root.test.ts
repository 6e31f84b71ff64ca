import { describe, expect, test } from 'vitest';
import { refuseNetworkRoot } from '../../../lib/observe/bridge/root.ts';
import { defaultDevice, managedByIfupdown, rootServers } from '../../../lib/observe/bridge/uplink.ts';
import { missingAfter } from '../../../lib/observe/bridge/verify.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';
import { address, link, richCard, richHost } from '../../support/cases/bridge-cases.ts';

interface World {
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** The device that leads to each server. */
  readonly way?: Readonly<Record<string, string>>;
}

/** A system that has these files, and an ip that knows these ways. */
function world({ files = {}, links = {}, way = {} }: World): System {
  const paths = [...Object.keys(files), ...Object.keys(links)];
  return {
    ...openSystem(nodeNative),
    readText: (path) => files[path],
    exists: (path) => paths.some((other) => other === path || other.startsWith(`${path}/`)),
    linkTarget: (path) => links[path],
    list: (path) => [
      ...new Set(
        paths.flatMap((other) =>
          other.startsWith(`${path}/`) ? [other.slice(path.length + 1).split('/')[0] ?? ''] : [],
        ),
      ),
    ],
    run: (argv) => ({ status: 0, stdout: `x dev ${way[argv.at(-1) ?? '']} src y\n`, stderr: '' }),
  };
}

const NFS = {
  '/proc/mounts': 'rootfs / rootfs rw 0 0\n192.0.2.5:/srv/root / nfs4 rw,vers=4.2,addr=192.0.2.5 0 0',
};
const ISCSI = {
  files: {
    '/proc/mounts': '/dev/mapper/root / ext4 rw 0 0',
    '/sys/class/iscsi_connection/connection1:0/persistent_address': '192.0.2.6',
    '/sys/class/block/dm-0/slaves/sda': '',
  },
  links: {
    '/dev/mapper/root': '../dm-0',
    '/sys/class/block/sda': '../../devices/platform/host2/session1/target2:0:0/2:0:0:1/block/sda',
  },
};
const card = link('eth0', 2);
const state = richHost('eth0', [card, link('eth1', 3)]);

describe('a root file system that comes over the network', () => {
  test.each([
    ['NFS', { files: NFS }, ['192.0.2.5']],
    ['iSCSI, under a device mapper', ISCSI, ['192.0.2.6']],
    [
      '_netdev in fstab',
      { files: { '/proc/mounts': '/dev/sdb1 / xfs rw 0 0', '/etc/fstab': '/dev/sdb1 / xfs _netdev 0 1' } },
      [''],
    ],
    [
      'a local disk beside an iSCSI one',
      { files: { ...ISCSI.files, '/proc/mounts': '/dev/sdz / ext4 rw 0 0' } },
      [],
    ],
    ['a local disk', { files: { '/proc/mounts': '/dev/sda1 / ext4 rw 0 0' } }, []],
    ['no /proc at all', {}, []],
  ])('%s', (_what, has, servers) => {
    expect(rootServers(world(has))).toEqual(servers);
  });

  test('keeps its card from being bridged, with the reason', () => {
    const system = world({ files: NFS, way: { '192.0.2.5': 'eth0' } });
    expect(() => refuseNetworkRoot(system, state, card, true)).toThrow(
      'The root file system of this host comes over the network from 192.0.2.5 through eth0, which would be cut off ' +
        'while it is bridged. Name another card by netdev=, or bridge this one in the initial ramdisk.',
    );
  });

  test('another card serves instead where none was named, and any other may be bridged', () => {
    const files = { ...NFS, '/sys/class/net/eth1/device/uevent': '' };
    const system = world({ files, way: { '192.0.2.5': 'eth0' } });
    expect(refuseNetworkRoot(system, state, card, false).name).toBe('eth1');
    expect(() => refuseNetworkRoot(system, state, card, true)).toThrow(/Name another card/);
    expect(refuseNetworkRoot(world({ files: NFS, way: { '192.0.2.5': 'eth1' } }), state, card, true)).toBe(
      card,
    );
  });
});

describe('which card is meant', () => {
  test('the default route with the lowest metric that leads through a device', () => {
    expect(defaultDevice(richHost('enp3s0', [richCard('enp3s0')]))).toBe('enp3s0');
    expect(defaultDevice({ links: [], routes: [], rules: [], neighbours: [] })).toBe('eth0');
  });

  test('ifupdown counts only where it is installed and has the card', () => {
    const files = { '/usr/sbin/ifup': '', '/run/network/ifstate': 'lo=lo\neth0=eth0' };
    expect(managedByIfupdown(world({ files }), 'eth0')).toBe(true);
    expect(managedByIfupdown(world({ files }), 'eth1')).toBe(false);
    expect(managedByIfupdown(world({ files: { '/run/network/ifstate': 'eth0=eth0' } }), 'eth0')).toBe(false);
  });
});

test('the second look names what is missing', () => {
  const rich = richCard('eth0');
  const before = richHost('eth0', [rich]);
  const bare = link('xenbr0', 3, { addresses: [address('192.0.2.10/24')] });
  const now = { ...richHost('eth0', [bare, link('eth0', 2)]), routes: [] };
  const wrong = missingAfter(now, before, rich, 'xenbr0', [['eth0', 'xenbr0']]);
  expect(wrong).toContain('eth0 is no port of xenbr0.');
  expect(wrong).toContain('xenbr0 has lost the address 2001:db8::10/64.');
  expect(wrong).toContain('The default route does not lead through xenbr0.');
  expect(wrong.join()).not.toContain('192.0.2.10/24');
});
