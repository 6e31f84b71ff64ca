import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const CONFIG = '/etc/xen/xend-config.sxp';

function boot(command: string, ...words: string[]): Ran {
  return net.host.hook('xen-network', [command, ...words]);
}

function configure(...lines: string[]): void {
  net.host.write(CONFIG, `${lines.join('\n')}\n`);
}

describe('xen-network start and stop', () => {
  test('run the hook of xend-config.sxp, and give the card back with its MAC address', async () => {
    const { host } = net;
    configure(
      '# as xend read it',
      "(network-script 'network-bridge  bridge=xenbr7')",
      '(vif-script vif-bridge)',
    );
    const before = await host.settled();
    expect(boot('start')).toMatchObject({ status: 0, stderr: '' });
    expect(host.ok('ip', '-br', 'link', 'show', 'master', 'xenbr7')).toContain('peth0');
    expect(net.outside.run(['ping', '-c1', '-W5', '192.0.2.2']).status).toBe(0);
    expect(boot('restart')).toMatchObject({ status: 0, stderr: '' });
    expect(host.ok('ip', '-br', 'link', 'show', 'master', 'xenbr7')).toContain('peth0');
    expect(boot('stop')).toMatchObject({ status: 0, stderr: '' });
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('run a script of the administrator with start as its second word, and tell its status', () => {
    net.host.write('/etc/xen/scripts/my-net', '#!/bin/sh\nprintf "<%s>" "$0" "$@"\nexit $END\n', '755');
    configure("(network-script 'my-net eth0  b')");
    expect(net.host.hook('xen-network', ['start'], { END: '0' })).toEqual({
      status: 0,
      stderr: '',
      stdout: '</etc/xen/scripts/my-net><start><eth0><b>',
    });
    expect(net.host.hook('xen-network', ['stop'], { END: '3' })).toEqual({
      status: 1,
      stdout: '</etc/xen/scripts/my-net><stop><eth0><b>',
      stderr: 'xen-network: /etc/xen/scripts/my-net stop eth0 b ended with status 3.\n',
    });
  });

  test('change nothing with --dry-run', async () => {
    const before = await net.host.settled();
    configure('(network-script network-bridge)');
    const shown = boot('start', '--dry-run');
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain('ip link add name xenbr0 ');
    net.host.write('/etc/xen/scripts/my-net', '#!/bin/sh\ntouch /run/ran\n', '755');
    configure('(network-script my-net)');
    expect(boot('start', '-n').stdout).toBe(
      `# ${CONFIG}, line 1, column 17 names this script, which is not ours\n/etc/xen/scripts/my-net start\n`,
    );
    expect(net.host.run(['test', '-e', '/run/ran']).status).toBe(1);
    expect(net.host.snapshot()).toEqual(before);
  });

  test.each([
    ['no such line', '(vif-script vif-bridge)', 'has no (network-script …)'],
    ['network-dummy', '(network-script network-dummy)', 'names network-dummy, which does nothing'],
  ])('do nothing for %s, and say so', (_, line, said) => {
    configure(line);
    expect(boot('start')).toEqual({
      status: 0,
      stderr: '',
      stdout: `${CONFIG} ${said}, so there is nothing to start.\n`,
    });
  });

  test('say what to write where there is no file', () => {
    net.host.ok('rm', '-f', CONFIG);
    const { status, stderr } = boot('start');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^xen-network: \/etc\/xen\/xend-config\.sxp is not there/);
    expect(stderr).toMatch(/\n# .*\n\(network-script 'network-bridge'\)\n\(vif-script vif-bridge\)\n$/);
  });

  test.each([
    [['--config', '/etc'], '/etc is a folder; name a file.'],
    [['--config', '/dev/null'], '/dev/null is a device, a pipe or a socket; name a file.'],
    [['--config', '/bin/sh'], '/bin/sh is no text: it has bytes that are 0.'],
    [['--config'], 'Not enough arguments following: config. "xen-network --help" shows what there is.'],
    [['now'], 'Unknown argument: now. "xen-network --help" shows what there is.'],
  ])('refuse %j', (words, said) => {
    configure('(network-script network-bridge)');
    expect(boot('start', ...words)).toEqual({ status: 2, stdout: '', stderr: `xen-network: ${said}\n` });
  });

  test.each([
    [
      "(network-script 'network-bridge",
      `line 1, column 17: The quote ' here is not closed before the end of the file. Nothing was run.`,
    ],
    [
      '\n(network-script vif-bridge)',
      "line 2, column 17: vif-bridge is a hook for guests' cards, and starts no network. Name a network hook.",
    ],
    [
      '(network-script lost)',
      'line 1, column 17: the script "/etc/xen/scripts/lost" cannot be run (No such file or directory). Name a hook or a file in /etc/xen/scripts, and make it executable.',
    ],
  ])('tell the place of what cannot be done in %j', (text, said) => {
    configure(text);
    expect(boot('start')).toEqual({ status: 2, stdout: '', stderr: `xen-network: ${CONFIG}, ${said}\n` });
  });
});

describe('another owner of the network', () => {
  beforeEach(() => configure("(network-script 'network-bridge bridge=xenbr0')"));

  test('a xend that runs keeps it', async () => {
    net.host.ok('mkdir', '/run/bin');
    net.host.ok('cp', '/bin/sleep', '/run/bin/xend');
    const before = await net.host.settled();
    net.host.ok('sh', '-c', 'exec /run/bin/xend 600 >/dev/null 2>&1 </dev/null & echo $! >/run/xend.pid');
    for (const command of ['start', 'stop', 'restart']) {
      const { status, stderr } = boot(command);
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /^xen-network: xend runs on this host \(process \d+\) and starts and stops the network itself\./,
      );
    }
    expect(net.host.snapshot()).toEqual(before);
    net.host.ok('sh', '-c', 'kill "$(cat /run/xend.pid)"');
    expect(boot('start').status).toBe(0);
  });

  test.each([
    [
      'networkd',
      {
        '/run/systemd/netif/state': '',
        '/etc/systemd/network/br.netdev': '[NetDev]\nName = xenbr0\nKind=bridge\n',
      },
      'systemd-networkd makes the bridge xenbr0 by /etc/systemd/network/br.netdev. Remove that file, or name another bridge=.',
    ],
    [
      'NetworkManager',
      {
        '/run/NetworkManager/x': '',
        '/etc/NetworkManager/system-connections/br.nmconnection':
          '[connection]\ntype=bridge\ninterface-name=xenbr0\n',
      },
      'NetworkManager makes the bridge xenbr0 by /etc/NetworkManager/system-connections/br.nmconnection. Delete that connection (nmcli connection delete), or name another bridge=.',
    ],
    [
      'libvirt',
      {
        '/etc/libvirt/qemu/networks/autostart/lan.xml':
          "<network><forward mode='nat'/><bridge name='xenbr0' stp='on'/></network>",
      },
      'libvirt makes the bridge xenbr0 for its network lan. Give that up (virsh net-destroy lan; virsh net-autostart --disable lan), or name another bridge=.',
    ],
  ])('%s keeps a bridge that it makes', (_, files, said) => {
    for (const [path, text] of Object.entries(files)) net.host.write(path, text);
    expect(boot('start')).toEqual({
      status: 1,
      stdout: '',
      stderr: `xen-network: The bridge xenbr0 that network-bridge is to make belongs to somebody else. ${said}\n`,
    });
    configure("(network-script 'network-bridge bridge=xenbr1')");
    expect(boot('start').status).toBe(0);
  });

  test('what a manager that does not run was told, and a network of libvirt that joins a bridge, do not count', () => {
    net.host.write('/etc/systemd/network/br.netdev', '[NetDev]\nName=xenbr0\nKind=bridge\n');
    net.host.write(
      '/etc/libvirt/qemu/networks/autostart/lan.xml',
      '<network><forward mode="bridge"/><bridge name="xenbr0"/></network>',
    );
    expect(boot('start')).toMatchObject({ status: 0, stderr: '' });
  });

  test('a list of network-multi-bridge is looked through as well', () => {
    net.host.write('/run/systemd/netif/state', '');
    net.host.write('/etc/systemd/network/br.netdev', '[NetDev]\nName=vmnet1\nKind=bridge\n');
    net.host.write('/etc/xen/network-multi-bridge.conf', 'network-bridge\nnetwork-virtual bridge=vmnet1\n');
    configure('(network-script network-multi-bridge)');
    expect(boot('start').stderr).toContain(
      'The bridge vmnet1 that network-multi-bridge is to make belongs to somebody else.',
    );
  });
});

describe('the vif-script', () => {
  const said = (script: string) =>
    `xen-network: Guests of xl get vif-bridge, and not the ${script} of (vif-script …): xl reads /etc/xen/xl.conf alone. ` +
    `Write this line there: vif.default.script="${script}"\n`;

  test('is compared with the one that xl gives its guests', () => {
    configure("(network-script 'network-nat dhcp=no')", '(vif-script vif-nat)');
    net.host.write('/etc/xen/xl.conf', '#vif.default.script="vif-nat"\n');
    expect(boot('start')).toMatchObject({ status: 0, stderr: said('vif-nat') });
    net.host.write('/etc/xen/xl.conf', 'vif.default.script="/etc/xen/scripts/vif-nat"\n');
    expect(boot('restart')).toMatchObject({ status: 0, stderr: '' });
  });
});
