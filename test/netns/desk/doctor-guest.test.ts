import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { strictElements } from '../../../lib/filter/strict.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { doctorOf } from '../../support/hosts/doctor.ts';
import type { Namespace, Ran } from '../../support/hosts/namespace.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;
let guest: Namespace;

const doctor = (...words: string[]): Ran => doctorOf(net, ...words);
const FRONT = '/local/domain/1/device/vif/0/state';

/** The first column of the table. */
const hops = (text: string) =>
  text
    .split('\n\n')[0]
    ?.split('\n')
    .map((line) => line.split(/ {2,}/)[0]);

/** What a guest's ping is followed to. */
interface Followed {
  readonly stopsAt?: string;
  readonly sentence: string;
  readonly hops: readonly { readonly name: string; readonly from?: number; readonly to?: number }[];
}

/**
 * Follows a ping of the guest. A slow machine may send none in one second, so it is looked at again.
 * @param ping the arguments of the ping
 * @param stopsAt the hop that is expected; undefined where all is to pass
 */
async function follow(ping: readonly string[], stopsAt?: string): Promise<Followed> {
  // With a deadline (-w) it would end as soon as nobody answers for the address.
  const pinging = guest.start(['ping', '-n', '-q', '-i', '0.2', '-c', '3000', ...ping]);
  let last: Followed | undefined;
  for (let turn = 0; turn < 10 && (last === undefined || last.stopsAt !== stopsAt); turn++) {
    const words = ['doctor', 'web', '--watch', '--count', '1', '--json'];
    const ran = await net.host.start(['/etc/xen/scripts/xen-network', ...words]);
    expect(ran.stderr).toBe('');
    last = JSON.parse(ran.stdout);
    expect(ran.status).toBe(last?.stopsAt === undefined ? 0 : 1);
  }
  guest.run(['sh', '-c', 'pkill -x ping']);
  await pinging;
  return last ?? expect.unreachable('nothing was read');
}

describe('a bridged guest', () => {
  beforeAll(async () => {
    net = await NetHost.create();
    net.ok('network-bridge', 'start', 'netdev=eth0', 'antispoof=yes');
    guest = net.guest('vif-bridge', 1, {
      bridge: 'xenbr0',
      ip: '192.0.2.11',
      script: '/etc/xen/scripts/vif-bridge',
    });
    guest.ok('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1');
    guest.ip('address add 192.0.2.11/24 dev eth0');
    net.store.write({ '/local/domain/1/name': 'web', [FRONT]: '4' });
    await waitUntil('the guest to reach the gateway', () => guest.reaches('192.0.2.1'));
    net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.12' });
    net.host.ip('link set vif2.0 nomaster');
  });
  afterAll(() => net.host.close());

  test('has hops from its front end to the gateway, by name, domain or device, without what concerns others', () => {
    for (const word of ['web', '1', 'vif1.0']) {
      const { status, stdout } = doctor(word);
      expect({ word, status }).toEqual({ word, status: 0 });
      expect(hops(stdout)).toEqual([
        'HOP',
        'web',
        'vif1.0',
        'FORWARD',
        'xenbr0',
        'eth0',
        'peth0',
        '192.0.2.1',
      ]);
      expect(stdout).toMatch(/^web .* hotplug-status connected, front end connected$/m);
      expect(stdout).toMatch(/^vif1\.0 +device +\d+ +\d+ +\d+ +up, carrier, on xenbr0, MTU 1500$/m);
      expect(stdout).toMatch(/^FORWARD +iptables +[1-9]\d* +[1-9]\d* +lets its packets pass$/m);
      expect(stdout).toMatch(/^xenbr0 +bridge +up, knows \S+ by vif1\.0$/m);
      expect(stdout).toMatch(/Nothing was found that is wrong\.\n$/);
    }
    expect(doctor('2').stdout).toMatch(/vif2\.0 of 2 is on no network/);
    expect(JSON.parse(doctor('web', '--json').stdout)).toMatchObject({
      version: 1,
      found: [],
      ways: [{ guest: 'web', device: 'vif1.0', hops: expect.arrayContaining([]) }],
    });
  });

  test.each([
    [
      'a front end that its guest does not use',
      () => net.store.write({ [FRONT]: '2' }),
      /The front end of card 0 of web is waiting for its backend/,
      () => net.store.write({ [FRONT]: '4' }),
    ],
    [
      'a card that is down inside of the guest',
      () => guest.ip('link set eth0 down'),
      /vif1\.0 has no carrier: the card inside of web is down/,
      () => guest.ip('link set eth0 up'),
    ],
    [
      'a rule of FORWARD that drops its packets',
      () => net.host.ok('iptables', '-I', 'FORWARD', '-m', 'physdev', '--physdev-out', 'peth0', '-j', 'DROP'),
      /The chain ip filter FORWARD drops packets between vif1\.0 and peth0/,
      () => net.host.ok('iptables', '-D', 'FORWARD', '-m', 'physdev', '--physdev-out', 'peth0', '-j', 'DROP'),
    ],
  ] as const)('%s is said', (_, make, sentence, undo) => {
    make();
    const { status, stdout } = doctor('web');
    undo();
    expect(stdout).toMatch(sentence);
    expect(status).toBe(1);
  });

  test('its ping is followed there and back', async () => {
    const last = await follow(['192.0.2.1']);
    expect(last).toMatchObject({ sentence: expect.stringMatching(/^Packets pass both ways: \d+ from web/) });
    expect(last.hops.map(({ name }) => name)).toEqual(['vif1.0', 'FORWARD', 'eth0', 'peth0']);
    for (const { name, from = 0 } of last.hops.filter((hop) => hop.name !== 'eth0'))
      expect({ name, isCounted: from > 0 }).toEqual({ name, isCounted: true });
  });

  test('its ping stops at a rule, and where nobody outside answers', async () => {
    const drop = ['-m', 'physdev', '--physdev-in', 'vif1.0', '-j', 'DROP'];
    net.host.ok('iptables', '-I', 'FORWARD', ...drop);
    const dropped = await follow(['192.0.2.1'], 'FORWARD');
    net.host.ok('iptables', '-D', 'FORWARD', ...drop);
    expect(dropped).toMatchObject({
      stopsAt: 'FORWARD',
      sentence: expect.stringMatching(/its rules in FORWARD matched none, and none left this host/),
    });
    net.outside.ok('iptables', '-A', 'OUTPUT', '-p', 'icmp', '-j', 'DROP');
    const silent = await follow(['192.0.2.1'], 'peth0');
    net.outside.ok('iptables', '-F', 'OUTPUT');
    expect(silent).toMatchObject({
      stopsAt: 'peth0',
      sentence: expect.stringMatching(/leave by peth0, and nothing comes back to it/),
    });
  });

  test('nothing is sent: that is said, and Ctrl-C ends it', async () => {
    // Some seconds after a ping both ends ask whether the other one is still there.
    for (const end of [guest, net.outside]) end.ip('neighbour flush all');
    const { status, stdout } = doctor('web', '--watch', '--count', '1');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^1 s +IS +FROM GUEST +TO GUEST +DROPPED$/m);
    expect(stdout).toMatch(/Nothing comes from web, and nothing goes to it|web sends nothing|matched none/);
    const script = `set -m
/etc/xen/scripts/xen-network doctor web --watch >/run/watched &
until grep -q '^1 s ' /run/watched; do sleep 0.1; done
kill -INT $!
wait $!
echo "ended with $?"`;
    expect(net.host.run(['bash', '--norc', '-c', script]).stdout).toBe('ended with 1\n');
  });

  test('what cannot be meant is refused', () => {
    expect(doctor('db')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/There is no guest "db"/),
    });
    expect(doctor('--watch')).toMatchObject({ status: 2, stderr: expect.stringMatching(/name it/) });
    expect(doctor('web', '--count', '2')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/without --watch/),
    });
    expect(doctor('web', '--watch', '--count', '0')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/whole number/),
    });
  });

  test('a strict guest that pings from another address is dropped by the filter', async () => {
    const online = net.host.hook('vif-bridge', ['online', 'type_if=vif', 'antispoof=strict'], {
      vif: 'vif1.0',
      XENBUS_PATH: 'backend/vif/1/0',
      script: '/etc/xen/scripts/vif-bridge',
    });
    expect(online).toMatchObject({ status: 0, stderr: '' });
    guest.ip('address add 192.0.2.66/24 dev eth0');
    const last = await follow(['-I', '192.0.2.66', '192.0.2.1'], 'filter');
    expect(last).toMatchObject({
      stopsAt: 'filter',
      sentence: expect.stringMatching(
        /antispoof=strict dropped \d+ packets of web.*xen-network vif vif1\.0 log on/,
      ),
    });
  });
});

describe('other guests', () => {
  test('a guest behind NAT has its route, the masquerading, the card and the gateway', async () => {
    net = await NetHost.create();
    try {
      net.ok('network-nat', 'start', 'dhcp=no');
      guest = net.guest('vif-nat', 1, { script: '/etc/xen/scripts/vif-nat' }, ['dhcp=no']);
      net.store.write({ '/local/domain/1/name': 'web', [FRONT]: '4' });
      const { stdout, status } = doctor('web');
      expect(status).toBe(0);
      expect(hops(stdout)).toEqual(['HOP', 'web', 'vif1.0', 'FORWARD', 'route', 'NAT', 'eth0', '192.0.2.1']);
      expect(stdout).toMatch(/^route .* dev vif1\.0; ip_forward on$/m);
      expect(stdout).toMatch(/^NAT +masquerading +\d+ .*connections leave by eth0 with its address/m);
      net.host.run(['ip', 'neigh', 'replace', '192.0.2.1', 'dev', 'eth0', 'nud', 'failed']);
      expect(doctor('web').stdout).toMatch(/The gateway 192\.0\.2\.1 does not answer on eth0/);
    } finally {
      await net.host.close();
    }
  });

  test('of a thousand strict guests the map and the doctor tell in one look', async () => {
    net = await NetHost.create();
    try {
      const domids = Array.from({ length: 1000 }, (_, i) => i + 1);
      const hex = (number: number) => number.toString(16).padStart(2, '0');
      const mac = (domid: number) => `00:16:3e:01:${hex(domid >> 8)}:${hex(domid & 255)}`;
      const address = (domid: number) => `10.1.${domid >> 8}.${domid & 255}`;
      net.ok('network-bridge', 'start', 'netdev=eth0', 'antispoof=strict');
      net.host.netns('many');
      net.host.ip(
        ...domids.map(
          (domid) =>
            `link add vif${domid}.0 address fe:ff:ff:ff:ff:ff type veth peer name p${domid} netns many`,
        ),
        ...domids.map((domid) => `link set vif${domid}.0 master xenbr0 up`),
      );
      // What their hooks leave behind, which refilter puts in place for all at once.
      for (const domid of domids) {
        const port = `vif${domid}.0`;
        const addresses = parseAddressList(address(domid));
        const elements = strictElements({
          port,
          place: 'bridged',
          mac: mac(domid),
          addresses,
          mode: 'locked',
        });
        const text = seal(JSON.stringify({ device: port, mode: 'locked', elements }));
        mkdirSync(net.host.path('/run/xen-network/strict'), { recursive: true });
        writeFileSync(net.host.path(`/run/xen-network/strict/${port}`), `${text}\n`);
      }
      for (let from = 0; from < domids.length; from += 250) {
        const entries = domids.slice(from, from + 250).flatMap((domid) => {
          const path = `/local/domain/0/backend/vif/${domid}/0`;
          return [
            [`/local/domain/${domid}/name`, `g${domid}`],
            [`${path}/mac`, mac(domid)],
            [`${path}/ip`, address(domid)],
            [`${path}/bridge`, 'xenbr0'],
            [`${path}/script`, '/etc/xen/scripts/vif-bridge'],
            [`${path}/handle`, '0'],
            [`${path}/frontend-id`, `${domid}`],
            [`${path}/hotplug-status`, 'connected'],
          ];
        });
        net.store.write(Object.fromEntries(entries));
      }
      net.ok('xen-network', 'refilter');
      const status = net.host.hook('xen-network', ['status']);
      expect(status.stdout.match(/strict locked/g)).toHaveLength(1000);
      expect(status).toMatchObject({ status: 0, stderr: '' });
      expect(doctor()).toMatchObject({ status: 0, stdout: 'Nothing was found that is wrong.\n', stderr: '' });
    } finally {
      await net.host.close();
    }
  });
});
