import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { waitUntil } from '../../support/wait.ts';

let host: StrictHost;
let stopServer: () => void;

const LEASES = ['192.0.2.1', '192.0.2.2'];

// Addresses by DHCP, DHCPv6 and router advertisements, for an outside that is a router.
const SERVER = `
user=root
no-daemon
port=0
interface=eth0
bind-interfaces
leasefile-ro
enable-ra
ra-param=eth0,4,30
dhcp-authoritative
dhcp-range=192.0.2.100,192.0.2.110
dhcp-range=2001:db8::1:0,2001:db8::1:ff,slaac,64
dhcp-host=${guestMac(1)},${LEASES[0]},[2001:db8::1:1]
dhcp-host=${guestMac(2)},${LEASES[1]},[2001:db8::1:2]
`;

// What Debian's script does beyond this needs a whole system.
const SCRIPT = `#!/bin/sh
case "$reason" in
  BOUND|RENEW|REBIND) ip address replace "$new_ip_address/24" dev "$interface" ;;
  BOUND6|RENEW6|REBIND6) ip address replace "$new_ip6_address/128" dev "$interface" nodad ;;
esac
exit 0
`;

beforeAll(async () => {
  host = await StrictHost.create({ dad: true });
  const { vif } = host;
  vif.host.write('/run/dnsmasq.conf', SERVER);
  vif.host.write('/run/dhclient-script', SCRIPT, '755');
  host.outside.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
  stopServer = host.serve('dnsmasq', '-C', '/run/dnsmasq.conf');
  for (const domid of [1, 2, 3]) enableDad(host.vif.host.netns(`guest${domid}`));
  // It is configured to have one address, so it is not to make itself another.
  guest(2).ok('sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/default/autoconf');
  for (const domid of [1, 3])
    guest(domid).ok('sh', '-c', 'echo 2 >/proc/sys/net/ipv6/conf/default/use_tempaddr');
  host.guest(3);
  host.guest(1, { ip: `${LEASES[0]} 2001:db8::1:1 2001:db8::/64` });
  host.guest(2, { ip: `${LEASES[1]} 2001:db8::1:2` });
});

afterAll(async () => {
  stopServer();
  await host.vif.host.close();
});

function enableDad(guest: Namespace): void {
  guest.ok('sh', '-c', 'for dev in all default; do echo 1 >/proc/sys/net/ipv6/conf/$dev/accept_dad; done');
}

const guest = (domid: number): Namespace => host.vif.host.netns(`guest${domid}`);
const addresses = (domid: number): string => guest(domid).ok('ip', '-o', 'address', 'show', 'dev', 'eth0');
const lease = (domid: number, ...words: string[]): string =>
  guest(domid).ok(
    ...['timeout', '280', 'dhclient', '-1', '-v', '-sf', '/run/dhclient-script', '-cf', '/dev/null'],
    ...['-lf', `/run/leases${domid}${words.join('')}`, '-pf', `/run/dhclient${domid}${words.join('')}.pid`],
    ...[...words, 'eth0'],
  );

describe('an honest guest', () => {
  test('has its link-local address after duplicate address detection', async () => {
    for (const domid of [1, 2]) {
      const has = () => /inet6 fe80::/.test(addresses(domid)) && !addresses(domid).includes('tentative');
      await waitUntil('the link-local address', has);
      expect(addresses(domid)).not.toContain('dadfailed');
    }
  });

  test('gets its address by DHCP, and renews it', () => {
    for (const domid of [1, 2]) {
      lease(domid, '-4');
      expect(addresses(domid)).toContain(`inet ${LEASES[domid - 1]}/24`);
    }
    guest(1).ok('sh', '-c', 'kill $(cat /run/dhclient1-4.pid)');
    lease(1, '-4');
    expect(addresses(1)).toContain('inet 192.0.2.1/24');
  });

  test('gets its address by DHCPv6', () => {
    lease(2, '-6');
    expect(addresses(2)).toContain('inet6 2001:db8::1:2/128');
  });

  test('makes itself an address of a range that it is given, when a router advertises it', async () => {
    await waitUntil('an address of its own', () =>
      /inet6 2001:db8::216:3eff:\S+ scope global/.test(addresses(1)),
    );
    await waitUntil('the end of duplicate address detection', () => !addresses(1).includes('tentative'));
    expect(addresses(1)).not.toContain('dadfailed');
  });

  test.each([
    [1, 'a range that it is given'],
    [3, 'the network, where it is given none'],
  ])('guest %d makes itself a privacy address of %s, and is answered', async (domid) => {
    const temporary = () =>
      /inet6 (2001:db8::\S+)\/64 scope global temporary dynamic/.exec(addresses(domid))?.[1];
    const address = await waitUntil('a privacy address', temporary);
    await waitUntil('the end of duplicate address detection', () => !addresses(domid).includes('tentative'));
    expect(addresses(domid)).not.toContain('dadfailed');
    expect(address).not.toContain(':216:3eff:');
    expect(guest(domid).reaches('2001:db8::250', '-I', address)).toBe(true);
    expect(host.outside.reaches(address)).toBe(true);
  });

  test('without an address in xenstore it may use whichever DHCP gives it', () => {
    lease(3, '-4');
    expect(addresses(3)).toMatch(/inet 192\.0\.2\.1\d\d\/24/);
    expect(guest(3).reaches('192.0.2.250')).toBe(true);
  });

  test('pings, and is pinged by, the outside and another guest, in both families and any size', () => {
    for (const [from, to] of [
      [guest(1), '192.0.2.250'],
      [guest(1), '192.0.2.2'],
      [guest(2), '192.0.2.1'],
      [host.outside, '192.0.2.1'],
      [guest(1), '2001:db8::250'],
      [guest(2), '2001:db8::250'],
    ] as const) {
      expect(from.reaches(to)).toBe(true);
      expect(from.reaches(to, '-s', '6000')).toBe(true);
    }
    const local = /inet6 (fe80::\S+)\/64/.exec(addresses(1))?.[1] ?? '';
    expect(guest(2).reaches(`${local}%eth0`)).toBe(true);
    expect(host.outside.reaches(/inet6 (2001:db8::216:\S+)\/64/.exec(addresses(1))?.[1] ?? '')).toBe(true);
  });

  test('may ask whether its own address is taken, announce it, and join groups', () => {
    guest(1).run(['arping', '-c', '1', '-D', '-I', 'eth0', '192.0.2.1']);
    guest(1).run(['arping', '-c', '1', '-U', '-I', 'eth0', '192.0.2.1']);
    guest(1).ip('maddress add 01:00:5e:01:02:03 dev eth0');
    const join = `use Socket; socket(S, AF_INET, SOCK_DGRAM, 0); setsockopt(S, 0, 35, inet_aton("239.1.2.3") . inet_aton("192.0.2.1")) or die`;
    guest(1).ok('perl', '-e', join);
    // To everybody, and to all of a group.
    guest(1).run(['ping', '-c', '1', '-W', '1', '-b', '192.0.2.255']);
    guest(1).run(['ping', '-c', '1', '-W', '1', '224.0.0.1']);
    expect(guest(1).reaches('ff02::1%eth0')).toBe(true);
  });

  test('is heard when it joins groups, where somebody looks who listens to what', async () => {
    const groups = () => host.vif.host.ok('bridge', 'mdb', 'show', 'dev', 'xenbr0');
    host.vif.host.ip('link set xenbr0 type bridge mcast_snooping 1 mcast_querier 1');
    const listen = `use Socket qw(:all); my $dev = (split ":", qx(ip -o link show eth0))[0];
      socket(S, AF_INET, SOCK_DGRAM, 0); socket(T, AF_INET6, SOCK_DGRAM, 0);
      setsockopt(S, 0, 35, inet_aton("239.4.5.6") . inet_aton("192.0.2.1")) or die;
      setsockopt(T, 41, 20, inet_pton(AF_INET6, "ff05::1:3") . pack("I", $dev)) or die; sleep 600`;
    const stop = host.serveIn('guest1', 'perl', '-e', listen);
    try {
      for (const group of ['239.4.5.6', 'ff05::1:3'])
        await waitUntil(group, () => groups().includes(`port vif1.0 grp ${group} `));
    } finally {
      stop();
      host.vif.host.ip('link set xenbr0 type bridge mcast_snooping 0 mcast_querier 0');
    }
  });

  test('loses not one frame of all this', () => {
    expect([1, 2, 3].map((domid) => host.drops(`vif${domid}.0`))).toEqual([0, 0, 0]);
  });
});

describe('a guest that takes an address that is not its own', () => {
  test('reaches nobody with it, and keeps its own', () => {
    guest(2).ip('address add 192.0.2.77/24 dev eth0', 'address add 2001:db8::77/64 dev eth0 nodad');
    expect(guest(2).reaches('192.0.2.250', '-I', '192.0.2.77')).toBe(false);
    expect(guest(2).reaches('2001:db8::250', '-I', '2001:db8::77')).toBe(false);
    expect(host.outside.reaches('192.0.2.77')).toBe(false);
    expect(host.outside.reaches('2001:db8::77')).toBe(false);
    expect(host.drops('vif2.0')).toBeGreaterThan(0);
    expect(guest(2).reaches('192.0.2.250', '-I', '192.0.2.2')).toBe(true);
  });

  test('is not heard when it takes the address of the router', () => {
    guest(2).ip('address add 192.0.2.250/24 dev eth0');
    guest(1).ip('neigh flush dev eth0');
    expect(guest(1).reaches('192.0.2.250')).toBe(true);
    expect(guest(1).ok('ip', 'neigh', 'show', '192.0.2.250', 'dev', 'eth0')).toContain('02:00:00:00:00:fa');
  });

  test('is not listened to as a DHCP server', async () => {
    const common = 'user=root\nno-daemon\nport=0\ninterface=eth0\nbind-interfaces\nleasefile-ro\n';
    host.vif.host.write(
      '/run/rogue.conf',
      `${common}no-ping\ndhcp-authoritative\ndhcp-range=192.0.2.200,192.0.2.210\n`,
    );
    guest(2).ip('address del 192.0.2.250/24 dev eth0');
    const before = host.drops('vif2.0');
    const stop = host.serveIn('guest2', 'dnsmasq', '-C', '/run/rogue.conf');
    try {
      await waitUntil('the rogue server', () => guest(2).ok('ss', '-lun').includes(':67 '));
      guest(1).ip('address flush dev eth0 scope global');
      guest(1).run(['sh', '-c', 'kill $(cat /run/dhclient1-4.pid); rm /run/leases1-4']);
      lease(1, '-4');
      expect(addresses(1)).toContain('inet 192.0.2.1/24');
      expect(addresses(1)).not.toMatch(/inet 192\.0\.2\.2\d\d/);
      await waitUntil("the rogue's answer to be dropped", () => host.drops('vif2.0') > before);
    } finally {
      stop();
    }
  });
});
