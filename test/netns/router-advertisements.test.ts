import { afterEach, beforeEach, expect, test } from 'vitest';
import { flood } from '../support/frames.ts';
import { NetHost } from '../support/net-host.ts';
import { ether, icmp6, ip6, ipv6, lladdr, NDP, num, PROTO6, TYPE } from '../support/packets.ts';
import { sleep, waitUntil } from '../support/wait.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  // A device hears advertisements as the kernel's default has it, and the host forwards no IPv6.
  net.host.ok('sysctl', '-qw', 'net.ipv6.conf.default.accept_ra=1', 'net.ipv6.conf.default.autoconf=1');
});

afterEach(() => net.host.close());

/** A router's advertisement of a default route and of a prefix to take an address from (RFC 4861, 4.2 and 4.6.2). */
function advertisement(prefix: string): string {
  const head = { from: 'fe80::bad', to: 'ff02::1', next: PROTO6.icmp6 };
  const option = `0304${num(64, 1)}c0${num(3600, 4)}${num(1800, 4)}${num(0, 4)}${ip6(prefix)}`;
  const body = `${num(64, 1)}00${num(1800, 2)}${num(0, 8)}${option}${lladdr(1, '02:00:00:00:00:99')}`;
  const packet = ipv6(head, icmp6(NDP.advertRouter, body, head));
  return ether('02:00:00:00:00:99', TYPE.ip6, packet, { to: '33:33:00:00:00:01' });
}

function learned(): string[] {
  const { host } = net;
  const all = `${host.ok('ip', '-6', 'route', 'show')}${host.ok('ip', '-6', '-o', 'address', 'show')}`;
  return all.split('\n').filter((line) => /2001:db8:bad|proto ra/.test(line));
}

test("a guest's router advertisement gives dom0 neither a route nor an address", async () => {
  const { host } = net;
  host.ip('link add plain0 type veth peer name plain1', 'link set plain0 up');
  const control = host.netns('control');
  host.ip('link set plain1 netns control');
  control.ip('link set plain1 up');
  net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24');
  net.guest('vif-bridge', 1, { bridge: 'vmnet1' });
  net.guest('vif-nat', 2, {}, ['dhcp=no']);
  net.guest('vif-route', 3, { ip: '192.0.2.77', vifname: 'web' });
  const senders = [1, 2, 3].map((domid) => ({ netns: `guest${domid}`, device: 'eth0' }));
  const ends = senders.map((sender, i) => flood(host, sender, [advertisement(`2001:db8:bad${i}::`)]));
  await sleep(500);
  ends.push(flood(host, { netns: 'control', device: 'plain1' }, [advertisement('2001:db8:bad9::')]));
  await waitUntil('what the other device hears', () => learned().some((line) => line.includes('bad9')));
  for (const end of ends) end();
  expect(learned().filter((line) => !line.includes('plain0'))).toEqual([]);
});
