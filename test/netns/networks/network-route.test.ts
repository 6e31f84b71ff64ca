import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

test('guests are reached from outside under their own addresses, by IPv4 and IPv6', async () => {
  const before = await net.host.settled();
  const started = await net.after('network-route', 'start', 'ipv6=yes');
  expect(await net.after('network-route', 'start', 'ipv6=yes')).toEqual(started);
  const guest = net.guest('vif-route', 1, { ip: '192.0.2.77 2001:db8::77' });
  guest.ip(
    'address add 192.0.2.77/32 dev eth0',
    'route add 192.0.2.2 dev eth0',
    'route add default via 192.0.2.2 dev eth0',
    'address add 2001:db8::77/128 dev eth0',
    'route add default via fe80::5eff:fe00:100 dev eth0',
  );
  // The outside has no route to the guest: dom0 answers for it.
  // The kernel answers for others after a delay (arp(7), proxy_delay).
  for (const address of ['192.0.2.77', '2001:db8::77'])
    await waitUntil(`an answer of ${address}`, () => net.outside.reaches(address));
  net.end('vif-route', 1);
  expect(await net.after('network-route', 'stop')).toEqual(before);
  expect(await net.after('network-route', 'stop')).toEqual(before);
});

test('what was switched on before start stays switched on', async () => {
  net.host.ok('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.eth0.proxy_arp=1');
  const before = await net.host.settled();
  net.ok('network-route', 'start');
  expect(await net.after('network-route', 'stop')).toEqual(before);
});

test('a dry run prints commands that can be typed, and changes nothing', async () => {
  const before = await net.host.settled();
  const { status, stdout } = net.host.hook('network-route', ['start', '--dry-run']);
  expect(status).toBe(0);
  expect(stdout).toContain('\necho 1 > /proc/sys/net/ipv4/ip_forward\n');
  expect(await net.host.settled()).toEqual(before);
  expect(net.host.run(['sh', '-e'], { input: stdout }).status).toBe(0);
  const typed = await net.host.settled();
  net.ok('network-route', 'stop');
  expect(await net.host.settled()).toEqual(before);
  expect(await net.after('network-route', 'start')).toEqual(typed);
});
