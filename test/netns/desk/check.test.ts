import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  net.host.ok('sh', '-c', 'rm -rf /etc/xen/*.cfg /etc/xen/xl* /etc/xen/auto');
});

afterEach(() => net.host.close());

function check(...words: string[]): Ran {
  return net.host.hook('xen-network', ['check', ...words]);
}

const fine = (files: string) => ({ status: 0, stdout: `${files}: 0 errors, 0 warnings.\n`, stderr: '' });

describe('xen-network check', () => {
  test('is silent on a healthy host', () => {
    net.ok('network-bridge', 'start');
    net.host.write(
      '/etc/xen/web.cfg',
      "name='web'\nvif=['mac=00:16:3e:00:00:01,bridge=xenbr0,ip=192.0.2.51 2001:db8::51']\n",
    );
    net.host.write('/etc/xen/vm/mail', "name='mail'\nmemory=512\nvif=['mac=00:16:3e:00:00:02']\n");
    net.host.ok('mkdir', '/etc/xen/auto');
    net.host.ok('ln', '-s', '../web.cfg', '/etc/xen/auto/web.cfg');
    net.host.write('/etc/xen/xl.conf', '# nothing\n');
    net.host.write('/etc/xen/xend-config.sxp', '(network-script network-bridge)\n(vif-script vif-bridge)\n');
    net.host.write('/etc/xen/network-multi-bridge.conf', 'network-bridge\n');
    net.host.write('/etc/xen/notes', 'memory is dear\n');
    expect(check()).toEqual(fine('5 files'));
    expect(check('/etc/xen/web.cfg')).toEqual(fine('1 file'));
  });

  test('compares a file with the host: bridges, scripts, addresses, VLANs, antispoof', () => {
    net.ok('network-bridge', 'start', 'antispoof=yes');
    net.host.write(
      '/etc/xen/web.cfg',
      `vif = [ 'bridge=xenbr7', 'ip=192.0.2.2', 'ip=192.0.2.1',
        'ip=203.0.113.5', 'vlan=10,ip=192.0.2.9', 'script=vif-lost', '' ]\n`,
    );
    const { status, stdout } = check('/etc/xen/web.cfg');
    expect(status).toBe(1);
    const place = '/etc/xen/web.cfg:';
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringContaining(
          `${place}1:10: error: The bridge xenbr7 does not exist. The bridges of this host are xenbr0.`,
        ),
        expect.stringContaining("error: ip holds 192.0.2.2, and 192.0.2.2 is the host's own, of eth0."),
        expect.stringContaining(
          'error: ip holds 192.0.2.1, and 192.0.2.1 is the gateway that the host sends by.',
        ),
        expect.stringContaining(
          'warning: ip holds 203.0.113.5, which is in none of the networks that the host has on this bridge (192.0.2.0/24).',
        ),
        expect.stringContaining('error: The bridge xenbr0 does not filter VLANs, so vlan= is refused.'),
        expect.stringContaining('error: The script "vif-lost" is not there (/etc/xen/scripts/vif-lost).'),
        expect.stringContaining(
          'warning: The bridge xenbr0 was started with antispoof=yes, and this card has no ip=',
        ),
        '1 file: 5 errors, 2 warnings.',
      ]),
    );
  });

  test('finds what a guest in another file, or a running one, has already', () => {
    net.ok('network-bridge', 'start');
    net.host.write('/etc/xen/web.cfg', "name='web'\nvif=['mac=00:16:3e:00:00:01','mac=00:16:3e:00:00:05']\n");
    net.host.write('/run/new.cfg', "name='new'\nvif=['mac=00:16:3e:00:00:01','mac=00:16:3e:00:00:03']\n");
    net.store.vif(7, 0, { mac: '00:16:3e:00:00:03' });
    net.store.write({ '/local/domain/7/name': 'db' });
    expect(check('/run/new.cfg')).toEqual({
      status: 1,
      stderr: '',
      stdout:
        '/run/new.cfg:2:7: error: The MAC address 00:16:3e:00:00:01 is that of the guest web (/etc/xen/web.cfg, line 2, column 7) too.\n' +
        '/run/new.cfg:2:31: error: The MAC address 00:16:3e:00:00:03 is that of the running guest db (vif7.0) too.\n' +
        '1 file: 2 errors, 0 warnings.\n',
    });
  });

  test('prints JSON with its version and the name of the host', () => {
    net.host.write('/etc/xen/xl.conf', 'vif.default.scirpt="vif-bridge"\n');
    const { status, stdout } = check('--json');
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      version: 1,
      host: net.host.ok('hostname').trim(),
      files: [{ path: '/etc/xen/xl.conf', kind: 'xl-conf' }],
      findings: [
        {
          path: '/etc/xen/xl.conf',
          line: 1,
          column: 1,
          severity: 'error',
          text: 'xl knows no vif.default.scirpt; did you mean vif.default.script?',
        },
      ],
      unread: [],
    });
  });

  test.each([
    ['a file that is not there', '/no/such', '/no/such is not there, or lies where you may not look.'],
    [
      'a link that leads nowhere',
      '/run/link',
      '/run/link is a link that leads nowhere, or not to where you may look.',
    ],
    ['a program', '/bin/sh', '/bin/sh is no text: it has bytes that are 0.'],
    ['a device', '/dev/zero', '/dev/zero is a device, a pipe or a socket; name a file.'],
    ['a huge file', '/run/huge', '/run/huge is larger than 4 MB, which no file of settings is.'],
  ])('cannot look at %s', (_, path, said) => {
    net.host.ok('ln', '-s', '/no/where', '/run/link');
    net.host.ok('sh', '-c', 'yes "a = 1" | head -c 5000000 >/run/huge');
    expect(check(path)).toEqual({
      status: 2,
      stderr: `xen-network: ${said}\n`,
      stdout: '0 files: 0 errors, 0 warnings.\n',
    });
  });

  test('looks at each of several files, and names each that it cannot look at', () => {
    net.host.write('/run/a.cfg', "vif='x'\n");
    const { status, stdout, stderr } = check('/no/a', '/run/a.cfg', '/no/b');
    expect({ status, stdout }).toEqual({
      status: 2,
      stdout:
        "/run/a.cfg:1:5: error: A card is a text in the list of vif: vif = [ 'bridge=xenbr0' ].\n1 file: 1 error, 0 warnings.\n",
    });
    expect(stderr.match(/\/no\/[ab] is not there/g)).toHaveLength(2);
  });

  test('takes an empty file, a file of one line and a folder without files', () => {
    net.host.write('/run/empty.cfg', '');
    net.host.ok('mkdir', '/run/folder');
    expect(check('/run/empty.cfg')).toEqual(fine('1 file'));
    expect(check('/run/folder')).toEqual(fine('0 files'));
  });

  test('says what a user may not read', () => {
    net.host.write('/etc/xen/secret.cfg', "name='x'\n", '600');
    net.host.ok('chmod', '755', '/etc/xen');
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const { status, stderr } = net.host.run([
      ...asNobody,
      net.host.ok('readlink', '-f', '/etc/xen/scripts/xen-network').trim(),
      'check',
    ]);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: 'xen-network: /etc/xen/secret.cfg cannot be read; try it as root.\n',
    });
  });

  test("xl's own reader has the last word on syntax", () => {
    net.ok('network-bridge', 'start');
    const xl = (script: string) => net.host.write('/run/bin/xl', `#!/bin/sh\n${script}\n`, '755');
    xl('');
    net.host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
    net.host.ok('ln', '-s', '/run/bin/xl', '/usr/local/sbin/xl');
    net.host.write('/etc/xen/web.cfg', 'name = web\n');
    expect(check()).toEqual(fine('1 file'));
    xl(
      'echo "Parsing config from $3" >&2; echo "$3:1: config parsing error near \\`web: no such thing" >&2; exit 1',
    );
    expect(check().stdout).toContain(
      '/etc/xen/web.cfg:1:8: error: Here "web" stands, where xl takes a value',
    );
    net.host.write('/etc/xen/web.cfg', 'name = "web"\n');
    expect(check()).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(
        '/etc/xen/web.cfg:1:1: error: xl does not read this: near `web: no such thing.',
      ),
    });
    xl('echo "no hypervisor" >&2; exit 1');
    expect(check()).toEqual(fine('1 file'));
  });

  test('looks through a thousand guests', () => {
    net.ok('network-bridge', 'start');
    const make =
      "mkdir /run/many; i=0; while [ $i -lt 1000 ]; do printf \"name='g$i'\nvif=['mac=02:00:00:00:%02x:%02x,ip=10.0.%d.%d']\n\" $((i / 256)) $((i % 256)) $((i / 256)) $((i % 256)) >/run/many/g$i.cfg; i=$((i + 1)); done";
    net.host.ok('sh', '-c', make);
    expect(check('/run/many').stdout).toMatch(/\n1000 files: 0 errors, 1000 warnings\.\n$/);
  });
});
