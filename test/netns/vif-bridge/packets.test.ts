import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import type { Namespace } from '../../support/hosts/namespace.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';
import { waitUntil } from '../../support/wait.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
});

afterEach(() => vif.host.close());

/** A guest's card with its addresses set inside the guest. */
function guest(domid: number, ...addresses: string[]): Namespace {
  const inside = vif.host.vif(domid);
  inside.ip('link set eth0 up', ...addresses.map((address) => `address add ${address} dev eth0`));
  return inside;
}

function pings(from: Namespace, to: string, ...own: string[]): boolean {
  return from.reaches(to, ...own.flatMap((address) => ['-I', address]));
}

/** A bridge learns of a new port's carrier up to a second late. */
function reaches(from: Namespace, to: string): Promise<boolean> {
  return waitUntil(`an answer from ${to}`, () => pings(from, to));
}

/** The network outside: what is behind the bridge's own card. */
function outside(...addresses: string[]): Namespace {
  const gateway = vif.host.nic('eth0');
  vif.host.ip('link set eth0 master xenbr0');
  gateway.ip(...addresses.map((address) => `address add ${address} dev eth0`));
  return gateway;
}

describe('packets', () => {
  const families = [
    {
      family: 'IPv4',
      iptables: 'iptables',
      one: '192.0.2.1',
      two: '192.0.2.2',
      other: '192.0.2.3',
      out: '192.0.2.9',
      length: 24,
    },
    {
      family: 'IPv6',
      iptables: 'ip6tables',
      one: '2001:db8::1',
      two: '2001:db8::2',
      other: '2001:db8::3',
      out: '2001:db8::9',
      length: 64,
    },
  ];

  test.each(families)(
    '$family passes between guests and to the outside',
    async ({ iptables, one, two, out, length }) => {
      const gateway = outside(`${out}/${length}`);
      const first = guest(1, `${one}/${length}`);
      const second = guest(2, `${two}/${length}`);
      vif.store.vif(1, 0, { ip: one });
      vif.store.vif(2, 0, { ip: two });
      vif.host.ok(iptables, '-P', 'FORWARD', 'DROP');
      expect(pings(first, two)).toBe(false);
      expect([vif.online(1).status, vif.online(2).status]).toEqual([0, 0]);
      await reaches(first, two);
      await reaches(gateway, two);
      await reaches(second, one);
      await reaches(first, out);
      expect(vif.offline(2).status).toBe(0);
      expect(pings(first, two)).toBe(false);
      expect(await reaches(first, out)).toBe(true);
    },
  );

  test.each(families)(
    '$family stops on its way out where a guest takes an address that is not its own',
    async ({ iptables, one, other, out, length }) => {
      outside(`${out}/${length}`);
      const first = guest(1, `${one}/${length}`);
      vif.store.vif(1, 0, { ip: one });
      vif.host.ok(iptables, '-P', 'FORWARD', 'DROP');
      expect(vif.online(1).status).toBe(0);
      await reaches(first, out);
      first.ip(`address add ${other}/${length} dev eth0`);
      await waitUntil('the address to count', () => first.ok('ip', 'address', 'show', 'tentative') === '');
      expect(pings(first, out, other)).toBe(false);
      expect(pings(first, out, one)).toBe(true);
    },
  );

  test('a guest without addresses passes where the policy drops', async () => {
    outside('192.0.2.9/24');
    const first = guest(1, '192.0.2.1/24');
    vif.store.vif(1, 0, {});
    vif.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    expect(vif.online(1).status).toBe(0);
    expect(await reaches(first, '192.0.2.9')).toBe(true);
  });

  test('a DHCP request passes from any address, and nothing else does', async () => {
    const server = outside('192.0.2.9/24');
    const first = guest(1, '192.0.2.77/24');
    vif.store.vif(1, 0, { ip: '192.0.2.1' });
    vif.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    expect(vif.online(1).status).toBe(0);
    server.ok('iptables', '-A', 'INPUT', '-p', 'udp', '-s', '192.0.2.77');
    const send = (from: number, to: number) =>
      first.ok('perl', '-MIO::Socket::INET', '-e', SEND, `${from}`, '192.0.2.9', `${to}`);
    const arrived = () =>
      Number(server.ok('iptables', '-nvxL', 'INPUT').split('\n')[2]?.trim().split(/\s+/)[0]);
    await waitUntil('a DHCP request to arrive', () => send(68, 67) !== undefined && arrived() > 0);
    const before = arrived();
    send(1068, 67);
    send(68, 1067);
    send(68, 67);
    expect(arrived()).toBe(before + 1);
  });
});

/** One UDP datagram: own port, address, port. */
const SEND =
  'IO::Socket::INET->new(Proto => "udp", LocalPort => shift, PeerAddr => shift, PeerPort => shift)->send("x") or die';

describe('many at once', () => {
  test('twenty guests that start together all get their rules, and all that stop together lose them', async () => {
    const domids = Array.from({ length: 20 }, (_, i) => i + 1);
    for (const domid of domids) {
      vif.host.vif(domid);
      vif.store.vif(domid, 0, { ip: `192.0.2.${domid}` });
    }
    const all = (command: string) =>
      Promise.all(domids.map((domid) => vif.host.startHook('vif-bridge', [command], xlEnv(domid))));
    const started = await all('online');
    expect(started.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      domids.map(() => ({ status: 0, stderr: '' })),
    );
    expect(domids.map((domid) => vif.store.told(domid).status)).toEqual(domids.map(() => 'connected'));
    const rules = vif.forward();
    expect(rules).toHaveLength(1 + 3 * domids.length);
    for (const domid of domids) {
      expect(rules).toContain(
        `-A FORWARD -s 192.0.2.${domid}/32 -m physdev --physdev-in vif${domid}.0 --physdev-is-bridged -j ACCEPT`,
      );
    }
    const ports = vif.host.snapshot()['links']?.filter((line) => line.endsWith('UP master xenbr0'));
    expect(ports).toHaveLength(domids.length);

    const stopped = await all('offline');
    expect(stopped.map(({ status }) => status)).toEqual(domids.map(() => 0));
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
    expect(vif.host.snapshot()['files']).toEqual([]);
  });

  test('two calls for one vif at once end as one does', async () => {
    vif.host.vif(1);
    vif.store.vif(1, 0, { ip: '192.0.2.1', vifname: 'web' });
    const call = () => vif.host.startHook('vif-bridge', ['online'], xlEnv(1));
    const ran = await Promise.all([call(), call(), call(), call()]);
    expect(ran.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      ran.map(() => ({ status: 0, stderr: '' })),
    );
    expect(vif.forward()).toHaveLength(4);
  });
});

describe('children', () => {
  test.each([
    ['an IPv4 guest', { ip: '192.0.2.1 10.0.0.0/8' }],
    ['an IPv6 guest', { ip: '2001:db8::1' }],
    ['a guest with no address and a vifname', { vifname: 'webserver-number-one' }],
  ])('%s is online with no child', (_what, values) => {
    vif.host.vif(1);
    vif.store.vif(1, 0, values);
    for (const tool of ['iptables', 'ip6tables']) vif.host.ok(tool, '-P', 'FORWARD', 'ACCEPT');
    const { ran, started } = vif.host.traced('vif-bridge', ['online'], xlEnv(1));
    expect({ status: ran.status, started }).toEqual({ status: 0, started: ['/etc/xen/scripts/vif-bridge'] });
  });

  test.each(['192.0.2.1', '2001:db8::1 192.0.2.1'])(
    'the first guest after boot needs none either: %s',
    (ip) => {
      vif.host.ok('nft', 'flush', 'ruleset');
      vif.host.vif(1);
      vif.store.vif(1, 0, { ip });
      const { ran, started } = vif.host.traced('vif-bridge', ['online'], xlEnv(1));
      expect({ status: ran.status, started }).toEqual({
        status: 0,
        started: ['/etc/xen/scripts/vif-bridge'],
      });
      expect(vif.host.ok('iptables', '-S', 'FORWARD')).toMatch(/^-P FORWARD ACCEPT\n(-A FORWARD .*\n?){3,}$/);
    },
  );

  test('find their programs and their language whatever the caller has set', () => {
    vif.host.vif(1);
    // So many rules are left to iptables-restore.
    const addresses = Array.from({ length: 70 }, (_, i) => `192.0.2.${i + 1}`);
    vif.store.vif(1, 0, { ip: addresses.join(' ') });
    vif.host.write('/run/evil/ip', '#!/bin/sh\ntouch /run/fooled\n', '755');
    vif.host.write('/run/evil/iptables-restore', '#!/bin/sh\ntouch /run/fooled\n', '755');
    const env = {
      ...xlEnv(1),
      PATH: '/run/evil',
      LC_ALL: 'de_DE.UTF-8',
      LD_PRELOAD: '/run/evil/none.so',
      IFS: 'i',
    };
    const ran = vif.host.run(['/etc/xen/scripts/vif-bridge', 'online'], { env });
    expect(ran.status).toBe(0);
    expect(vif.host.run(['test', '-e', '/run/fooled']).status).toBe(1);
    expect(vif.forward().length).toBeGreaterThan(addresses.length);
  });
});
