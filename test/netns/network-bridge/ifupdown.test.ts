import { afterEach, describe, expect, test } from 'vitest';
import { Host } from '../../support/hosts/host.ts';
import { createPluggedHost, differences, lookFor, settled } from '../../support/models/bridge-state.ts';

// As the real ones do it: they keep account in /run/network/ifstate and stumble over addresses that are there.
const IFUP = `#!/bin/sh
echo "ifup $1" >> /run/calls
grep -qx "$1=$1" /run/network/ifstate && exit 0
ip link set dev "$1" up && ip address add 192.0.2.10/24 broadcast + dev "$1" &&
  ip route add default via 192.0.2.1 dev "$1" || exit 1
echo "$1=$1" >> /run/network/ifstate
`;
const IFDOWN = `#!/bin/sh
force=; [ "$1" = --force ] && force=1 && shift
echo "ifdown $1" >> /run/calls
[ -n "$force" ] || grep -qx "$1=$1" /run/network/ifstate || exit 0
sed -i "/^$1=/d" /run/network/ifstate
ip -4 address flush dev "$1"
ip link set dev "$1" down
`;

let host: Host;

afterEach(() => host.close());

async function plugged(): Promise<void> {
  host = await createPluggedHost();
  // Those of the machine itself, if it has any, are out of the way.
  host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
  host.write('/usr/local/sbin/ifup', IFUP, '755');
  host.write('/usr/local/sbin/ifdown', IFDOWN, '755');
  host.write('/run/network/ifstate', 'lo=lo\neth0=eth0\n');
  host.write('/run/calls', '');
}

function bridge(...words: string[]) {
  return host.hook('network-bridge', words);
}

function calls(): string[] {
  return host.ok('cat', '/run/calls').split('\n').filter(Boolean);
}

describe('ifupdown', () => {
  test.each(['classic', 'rename'])('%s: ifdown and ifup are used, and nothing is lost', async (topology) => {
    await plugged();
    const before = await settled(host);
    expect(bridge('start', `topology=${topology}`)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(calls()).toEqual(['ifdown eth0', 'ifup eth0']);
    const addresses = host.ok('ip', '-o', 'address', 'show', 'dev', 'eth0');
    for (const address of ['192.0.2.10/24', '192.0.2.11/24', '2001:db8::10/64'])
      expect(addresses).toContain(address);
    expect(host.run(['ping', '-c1', '-W2', '192.0.2.1']).status).toBe(0);
    expect(bridge('stop')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(calls()).toEqual(['ifdown eth0', 'ifup eth0', 'ifdown eth0', 'ifup eth0']);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('plain: ifup does not know the bridge and is left alone', async () => {
    await plugged();
    expect(bridge('start', 'topology=plain').status).toBe(0);
    expect(calls()).toEqual([]);
  });

  test('an ifup that fails has all undone', async () => {
    await plugged();
    const before = await settled(host);
    host.write(
      '/usr/local/sbin/ifup',
      `${IFUP}[ -e /sys/class/net/peth0 ] && echo "no lease" >&2 && exit 1\n`,
      '755',
    );
    const ran = bridge('start');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('Could not let ifupdown bring up eth0: "ifup eth0" failed (no lease).');
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('an ifup that fails half-way at stop: what it left is taken back, and a second stop has nothing in its way', async () => {
    await plugged();
    const before = await settled(host);
    expect(bridge('start').status).toBe(0);
    const bridged = await settled(host);
    const half = IFUP.replace('|| exit 1', '|| exit 1\n[ ! -e /run/fail ] || exit 1');
    host.write('/usr/local/sbin/ifup', half, '755');
    host.write('/run/fail', '');
    const ran = bridge('stop');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('Everything was undone, except for this: "ifup eth0" failed');
    expect(ran.stderr).not.toContain('Everything was put back');
    expect(differences(bridged, await lookFor(host, bridged))).toEqual([]);
    host.ok('rm', '/run/fail');
    expect(bridge('stop')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('an inet6 stanza finds IPv6 switched on, at start and at stop', async () => {
    await plugged();
    const inet6 = IFUP.replace(
      '|| exit 1',
      '|| exit 1\nip address add 2001:db8::10/64 dev "$1" nodad || exit 1',
    );
    host.write('/usr/local/sbin/ifup', inet6, '755');
    host.ok('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
    const before = await settled(host);
    expect(bridge('start')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(bridge('stop')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });
});

describe('somebody else believes to own the card', () => {
  test('NetworkManager and systemd-networkd are named, with the setting that makes them let go', async () => {
    host = await createPluggedHost();
    const index = host.ok('cat', '/sys/class/net/eth0/ifindex').trim();
    host.write(`/run/NetworkManager/devices/${index}`, '[device]\nmanaged=true\n');
    host.write(`/run/systemd/netif/links/${index}`, 'ADMIN_STATE=configured\n');
    const ran = bridge('start');
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/NetworkManager manages eth0 and may undo this; set "unmanaged-devices=/);
    expect(ran.stderr).toMatch(/systemd-networkd manages eth0 and may undo this; set "Unmanaged=yes"/);
  });

  test('a DHCP client that does not follow is warned about', async () => {
    host = await Host.create();
    host.nic('eth0', { address: '192.0.2.10/24', gateway: '192.0.2.1' });
    host.ip('address change 192.0.2.10/24 dev eth0 valid_lft 900 preferred_lft 900');
    expect(bridge('start').stderr).toMatch(/192\.0\.2\.10 on eth0 was given by DHCP for another \d+ s/);
  });
});
