import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  net.host.ok('sh', '-c', 'rm -f /etc/xen/*.cfg /etc/xen/xlexample*');
});

afterEach(() => net.host.close());

function mac(...words: string[]): Ran {
  return net.host.hook('xen-network', ['mac', ...words]);
}

function guest(name: string, ...cards: string[]): string {
  const path = `/etc/xen/${name}.cfg`;
  const list = cards.map((card) => `  '${card}',\n`).join('');
  net.host.write(path, `name = "${name}"\nvif = [\n${list}]\n`);
  return path;
}

describe('xen-network mac', () => {
  test('gives a free address of Xen, another each time', () => {
    const given = Array.from({ length: 5 }, () => mac());
    for (const ran of given) expect(ran).toMatchObject({ status: 0, stderr: '' });
    for (const { stdout } of given)
      expect(stdout).toMatch(/^00:16:3e:[0-7][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}\n$/);
    expect(new Set(given.map(({ stdout }) => stdout)).size).toBeGreaterThan(1);
  });

  test('gives the one that an address makes, and tells who has it already', () => {
    expect(mac('192.0.2.17')).toEqual({ status: 0, stdout: '02:00:c0:00:02:11\n', stderr: '' });
    expect(mac('192.0.2.17', '--prefix', 'AA:01').stdout).toBe('aa:01:c0:00:02:11\n');
    const path = guest('web', 'mac=02:00:C0:00:02:11,bridge=xenbr0');
    expect(mac('192.0.2.17')).toMatchObject({
      status: 1,
      stdout: '02:00:c0:00:02:11\n',
      stderr: expect.stringMatching(
        `^xen-network: 02:00:c0:00:02:11 is in use already, by the guest web \\(${path}, line 3, column 4 on \\S+\\)\\.\n$`,
      ),
    });
    const found = JSON.parse(mac('192.0.2.17', '--json').stdout);
    expect(found).toMatchObject({
      version: 1,
      mac: '02:00:c0:00:02:11',
      address: '192.0.2.17',
      taken: { guest: 'web' },
    });
  });

  test.each([
    [
      ['192.0.2'],
      '"192.0.2" is no IPv4 address, of which four bytes of a MAC address could be made; say one such as 192.0.2.17.',
    ],
    [
      ['192.0.2.1', '--prefix', '00:16'],
      '--prefix is "00:16"; say two bytes whose second digit is 2, 6, A or E, such as 02:00.',
    ],
    [['--prefix', '02:00'], '--prefix goes before an IPv4 address; say that as well.'],
    [['192.0.2.1', '192.0.2.2'], 'Say one IPv4 address, or --check and files.'],
    [['--check', '/no/such'], '/no/such is not there, or lies where you may not look.'],
    [['--check', '/dev/zero'], '/dev/zero is a device, a pipe or a socket; name a file.'],
    [['--check', '/bin/sh'], '/bin/sh is no text: it has bytes that are 0.'],
    [['--chek'], 'Unknown argument: chek. "xen-network --help" shows what there is.'],
  ])('%j cannot be done', (words, said) => {
    expect(mac(...words)).toEqual({ status: 2, stdout: '', stderr: `xen-network: ${said}\n` });
  });
});

describe('xen-network mac --check', () => {
  test('finds nothing on a host where a guest runs and is in its file', async () => {
    guest('web', 'mac=00:16:3e:00:00:11', '');
    net.store.vif(1, 0, { mac: '00:16:3e:00:00:11' });
    net.store.write({ '/local/domain/1/name': 'web' });
    const { status, stdout, stderr } = mac('--check');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^MAC +GUEST +RUNS +HOST +WHERE\n/);
    expect(stdout).toMatch(/^00:16:3e:00:00:11 +web +yes +\S+ +vif1\.0$/m);
    expect(stdout).toMatch(/^00:16:3e:00:00:11 +web +no +\S+ +\/etc\/xen\/web\.cfg, line 3, column 4$/m);
    expect(stdout).toMatch(
      /Were 1 addresses drawn at random among the 8388608 of 00:16:3e, .* probability of 0 %\.\n$/,
    );
  });

  test('finds an address of two guests, one of which runs, and of another host by its JSON', () => {
    guest('web', 'mac=00:16:3e:00:00:11');
    net.store.vif(1, 0, { mac: '00:16:3E:00:00:11' });
    net.store.write({ '/local/domain/1/name': 'mail' });
    const here = mac('--check');
    expect(here.status).toBe(1);
    expect(here.stdout).toMatch(
      /^error: 00:16:3e:00:00:11 is in use more than once: by the running guest mail .* and the guest web /m,
    );
    const list = mac('--check', '--json');
    expect(list.status).toBe(1);
    net.store.forget(1, 0);
    net.host.write('/run/other.json', list.stdout.replaceAll(JSON.parse(list.stdout).host, 'other'));
    const { status, stdout } = mac('--check', '/run/other.json');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^error: 00:16:3e:00:00:11 .*mail \(vif1\.0 on other\)/m);
  });

  test('goes through a folder, and says what it cannot read', () => {
    net.host.write('/run/guests/a.cfg', 'vif = ["mac=00:16:3e:00:00:01"]\n');
    net.host.write('/run/guests/b', 'name = "b"\nvif = ["mac=00:16:3e:00:00:01"]\n');
    net.host.write('/run/guests/notes', 'mac=00:16:3e:00:00:01\n');
    net.host.write('/run/guests/zero.cfg', 'a\0b');
    net.host.ok('ln', '-s', 'a.cfg', '/run/guests/same.cfg');
    const { status, stdout, stderr } = mac('--check', '/run/guests');
    expect(status).toBe(1);
    expect(stdout.match(/\/run\/guests\/\S+, line/g)).toHaveLength(2 + 2);
    expect(stderr).toBe('xen-network: /run/guests/zero.cfg is no text: it has bytes that are 0.\n');
  });

  test.each(['{}', '{"version":2,"addresses":[]}', '{"version":1,"addresses":[{"mac":1}]}', '{'])(
    'refuses %j as the list of another host',
    (text) => {
      net.host.write('/run/other.json', text);
      expect(mac('--check', '/run/other.json')).toMatchObject({ status: 2, stdout: '' });
    },
  );
});
