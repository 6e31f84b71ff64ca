import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linkLocal } from '../../../lib/request/addresses.ts';
import { borrowedFrames } from '../../support/frames/borrowed.ts';
import { forgedFrames } from '../../support/frames/forged.ts';
import { honestFrames, numbered } from '../../support/frames/honest.ts';
import { type Hex, PROTO, udp } from '../../support/frames/packets.ts';
import { arrivingNames, type NamedFrames, namesOf } from '../../support/frames/passing.ts';
import { type Identity, ipv4Frame } from '../../support/frames/sender.ts';
import type { End } from '../../support/frames/wire.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { FINE, type Namespace, type Ran } from '../../support/hosts/namespace.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';

const SELF: Identity = { mac: guestMac(1), v4: '192.0.2.1', v6: '2001:db8::1' };
const OTHER: Identity = { mac: guestMac(2), v4: '192.0.2.2', v6: '2001:db8::2' };
const TAP: End = { netns: 'dom0', device: 'tap:vif1.0-emu' };

let host: StrictHost;
let outside: Namespace;

/** nft on a kernel before Linux 5.16. */
const NFT_WITHOUT_EGRESS = `#!/bin/bash
[[ " $* " == *" - "* ]] || exec /usr/sbin/nft "$@"
input=$(cat)
if [[ $input == *'hook egress'* ]]; then
  echo 'Error: Could not process rule: Operation not supported' >&2
  exit 1
fi
exec /usr/sbin/nft "$@" <<<"$input"
`;

beforeAll(async () => {
  host = await StrictHost.create();
  host.marker();
  outside = host.vif.host.nic('eth0', {
    address: '198.51.100.2/24',
    gateway: '198.51.100.1',
    address6: '2001:db8:5::2/64',
    gateway6: '2001:db8:5::1',
  });
  host.vif.host.ok('ln', '-s', '/proc/1/ns/net', '/run/netns/dom0');
  host.vif.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
  outside.ip('route add 192.0.2.1 via 198.51.100.2');
});

afterAll(() => host.vif.host.close());

/** Calls a hook for the guest's vif, or its tap. */
function call(hook: string, word: string, more: readonly string[] = [], domid = 1): Ran {
  const isTap = word === 'add' || word === 'remove';
  const env = xlEnv(domid, 0, isTap ? { INTERFACE: `vif${domid}.0-emu` } : {});
  const words = [
    word,
    ...(isTap ? ['type_if=tap'] : []),
    ...(hook === 'vif-nat' ? ['dhcp=no'] : []),
    ...more,
  ];
  return host.vif.host.hook(hook, words, env);
}

/** Gives a guest a card, and lets it be attached under the strict filter. */
function attach(hook: string, values: Readonly<Record<string, string>>, domid = 1): void {
  call(hook, 'offline', [], domid);
  host.vif.card(domid, { mac: guestMac(domid), script: hook, ...values });
  expect(call(hook, 'online', ['antispoof=strict'], domid).status).toBe(0);
  host.vif.host.netns(`guest${domid}`).ip('link set eth0 up');
  copied();
}

/** Whatever passes the filter goes outside as well. */
function copied(): void {
  nft('flush chain netdev xen_network xen-network-custom');
  nft('add rule netdev xen_network xen-network-custom dup to "up0"');
}

const nft = (line: string): string => host.vif.host.ok('nft', line);

/** Sends frames as guest 1, by one of its cards, and gives the names of those that pass the filter. */
function passing(frames: NamedFrames, card?: End): string[] {
  return arrivingNames(frames, (sent) => host.send(1, sent, card));
}

/** How many packets of a port were dropped. */
function drops(port: string): number {
  const listing = host.vif.host.hook('xen-network', ['vif', port, '--json']).stdout;
  return Number(/"droppedPackets": (\d+)/.exec(listing)?.[1] ?? Number.NaN);
}

const FORGED = { ...forgedFrames(SELF, OTHER), ...borrowedFrames(SELF, OTHER) };

test('addresses whose packets are not tracked go with the guest whose record is lost, and no others', () => {
  attach('vif-route', { ip: '192.0.2.2 203.0.113.0/24 2001:db8::2 2001:db8:8::/64', notrack: 'yes' }, 2);
  const kept = host.elements();
  expect(kept.join()).toContain('inet untracked6 "2001:db8::2"');
  attach('vif-route', { ip: '192.0.2.1 2001:db8::1', notrack: 'yes' });
  expect(host.elements().join()).toContain('inet untracked4 "192.0.2.1"');
  host.vif.unplug(1);
  host.vif.host.ok('rm', '/run/xen-network/strict/vif1.0');
  expect(host.vif.host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
  expect(host.elements()).toEqual(kept);
  call('vif-route', 'offline', [], 2);
  host.vif.unplug(2);
});

describe.each([
  ['vif-route', '192.0.2.1 2001:db8::1'],
  ['vif-route', '192.0.2.0/31 2001:db8::/127'],
  ['vif-nat', '192.0.2.1 2001:db8::1'],
])('a guest of %s with %s', (hook, ip) => {
  beforeAll(() => attach(hook, { ip }));

  afterAll(() => {
    call(hook, 'offline');
  });

  test('may send what it is configured to be', () => {
    const frames = honestFrames(SELF);
    expect(passing(frames)).toEqual(namesOf(frames));
  });

  test('may send nothing else, and each frame is counted', () => {
    const before = drops('vif1.0');
    expect(passing(FORGED)).toEqual([]);
    expect(drops('vif1.0') - before).toBe(Object.keys(FORGED).length);
  });

  test('is held alike by its emulated card', () => {
    host.vif.host.tap(1);
    expect(call(hook, 'add', ['antispoof=strict']).status).toBe(0);
    expect(passing(honestFrames(SELF), TAP)).toEqual(namesOf(honestFrames(SELF)));
    const before = drops('vif1.0-emu');
    expect(passing(FORGED, TAP)).toEqual([]);
    expect(drops('vif1.0-emu') - before).toBe(Object.keys(FORGED).length);
    expect(call(hook, 'remove')).toEqual(FINE);
    expect(host.vif.host.ok('nft', 'list', 'table', 'netdev', 'xen_network')).not.toContain('vif1.0-emu');
  });
});

describe('a routed guest under the strict filter', () => {
  const table = () => host.vif.host.run(['nft', 'list', 'table', 'netdev', 'xen_network']).stdout;
  const forged = { 'a packet of another guest': FORGED['TCP as another'] ?? Object.values(FORGED)[0] ?? '' };
  const honest = { ping: honestFrames(SELF)['an IPv4 ping'] ?? '' };
  const tool = (...args: string[]) => host.vif.host.hook('xen-network', args);

  afterAll(() => {
    call('vif-route', 'offline');
  });

  test('is held though all rules were flushed while it came online', () => {
    const flush = '/etc/xen/scripts/vif-post.d/10-flush.hook';
    host.vif.host.write(flush, 'nft flush ruleset\n', '755');
    attach('vif-route', { ip: '192.0.2.1' });
    host.vif.host.ok('rm', flush);
    expect(passing(honest)).toEqual(['ping']);
    expect(passing(forged)).toEqual([]);
  });

  test('is held under its vifname from the first frame on, and again under another one', () => {
    for (const vifname of ['web', 'mail-1']) {
      attach('vif-route', { ip: '192.0.2.1', vifname });
      expect(passing(honest)).toEqual(['ping']);
      expect(passing(forged)).toEqual([]);
      expect(drops(vifname)).toBe(1);
    }
    call('vif-route', 'offline');
    expect(table()).not.toMatch(/web|mail/);
  });

  test('keeps its filter when it is attached once more under another name, and its counter', () => {
    attach('vif-route', { ip: '192.0.2.1', vifname: 'web' });
    expect(passing(forged)).toEqual([]);
    host.vif.store.vif(1, 0, { mac: guestMac(1), ip: '192.0.2.1', vifname: 'mail', script: 'vif-route' });
    expect(call('vif-route', 'online', ['antispoof=strict']).status).toBe(0);
    expect(passing(forged)).toEqual([]);
    expect(passing(honest)).toEqual(['ping']);
    expect(drops('mail')).toBe(2);
    expect(table()).not.toContain('web');
  });

  test('has the modes and the log of a bridged one', () => {
    attach('vif-route', { ip: '192.0.2.1' });
    const mode = (word: string) => tool('vif', 'vif1.0', word).stdout;
    expect(mode('unlocked')).toBe('vif1.0 is unlocked.\n');
    expect(passing(forged)).toEqual(Object.keys(forged));
    expect(mode('disabled')).toBe('vif1.0 is disabled.\n');
    expect(passing({ ...forged, ...honest })).toEqual([]);
    expect(table()).toContain('hook egress device "vif1.0"');
    expect(mode('locked')).toBe('vif1.0 is locked.\n');
    expect(table()).not.toContain('egress');
    expect(passing({ ...forged, ...honest })).toEqual(['ping']);
    expect(tool('vif', 'vif1.0', 'log', 'on').status).toBe(0);
    expect(tool('vif').stdout).toMatch(/^vif1\.0 +vif1\.0 +locked +\d+ +on$/m);
    expect(tool('vif', 'vif1.0', 'log', 'off').status).toBe(0);
    expect(table()).not.toMatch(/logged \{[^}]*elements/);
  });

  test.each([
    ['the whole ruleset', 'flush ruleset'],
    ['its table', 'delete table netdev xen_network'],
    ['its chain', 'flush chain netdev xen_network from/vif1.0'],
    ['an element', 'flush set netdev xen_network own4'],
  ])('is put back by a refilter after %s was flushed', (_what, line) => {
    attach('vif-route', { ip: '192.0.2.1' });
    nft(line);
    const status = tool('vif');
    expect(status.stderr).toContain('run "xen-network refilter"');
    expect(tool('refilter')).toEqual({ ...FINE, stdout: 'The filters of 1 device are in place.\n' });
    expect(tool('vif').stderr).toBe('');
    copied();
    expect(passing({ ...forged, ...honest })).toEqual(['ping']);
  });

  /** How many packets a rule of a table of the test's own counts, while something is done. */
  function counted(match: string, work: () => void): number {
    nft('add table inet seen');
    nft('add chain inet seen in { type filter hook prerouting priority 0; }');
    nft(`add rule inet seen in ${match} counter`);
    work();
    const listing = nft('list chain inet seen in');
    nft('delete table inet seen');
    return Number(/counter packets (\d+)/.exec(listing)?.[1]);
  }

  /** Sends the guest a packet from outside. */
  function reach(): void {
    host.vif.host.ip(`neigh replace 192.0.2.1 lladdr ${SELF.mac} dev vif1.0 nud permanent`);
    outside.run(['ping', '-n', '-c', '1', '-W', '0.1', '192.0.2.1']);
  }

  test('bypasses connection tracking both ways where that is asked for, but not on its way to the host', () => {
    const tcp = { tcp: honestFrames(SELF)['TCP over IPv4'] ?? '' };
    const ask = { query: honestFrames(SELF)['UDP over IPv6'] ?? '' };
    const toHost = ipv4Frame(SELF, { from: SELF.v4, to: '198.51.100.2', proto: PROTO.udp }, udp(5000, 5000));
    const counts = () => [
      counted('iifname "vif1.0" ip protocol tcp ct state untracked', () => passing(tcp)),
      counted('iifname "vif1.0" ip6 nexthdr udp ct state untracked', () => passing(ask)),
      counted('iifname "vif1.0" ip protocol udp ct state untracked', () => passing({ toHost })),
      counted('ip daddr 192.0.2.1 ip protocol icmp ct state untracked', reach),
    ];
    attach('vif-route', { ip: '192.0.2.1 192.0.2.0/31 2001:db8::1', notrack: 'yes' });
    expect(counts()).toEqual([1, 1, 0, 1]);
    expect(tool('vif').stderr).toBe('');
    attach('vif-route', { ip: '192.0.2.1 2001:db8::1', notrack: 'no' });
    expect(counts()).toEqual([0, 0, 0, 0]);
    expect(nft('list table inet xen_network')).not.toContain('192.0.2');
  });

  test.each([
    ['vif-nat', ['antispoof=strict'], 'without connection tracking a guest of vif-nat would not get'],
    ['vif-route', [], 'for a routed guest it is a part of the strict filter'],
  ])('of %s %j is told where notrack=yes has no effect', (hook, words, sentence) => {
    call('vif-route', 'offline');
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.1', script: hook, notrack: 'yes' });
    const ran = call(hook, 'online', words);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain(`notrack=yes has no effect on vif1.0: ${sentence}`);
    expect(call(hook, 'offline').status).toBe(0);
  });

  test('receives nothing when it is disabled, on a kernel without chains for what goes out as well', () => {
    attach('vif-route', { ip: '192.0.2.1' });
    const guest = host.vif.host.netns('guest1');
    const arrived = () => {
      const chain = 'add chain netdev seen in { type filter hook ingress device "eth0" priority 0; }';
      guest.ok('nft', `add table netdev seen; ${chain}; add rule netdev seen in meta protocol ip counter`);
      reach();
      const listing = guest.ok('nft', 'list table netdev seen');
      guest.ok('nft', 'delete table netdev seen');
      return Number(/counter packets (\d+)/.exec(listing)?.[1]);
    };
    expect(arrived()).toBe(1);
    host.vif.host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
    try {
      host.vif.host.write('/usr/local/sbin/nft', NFT_WITHOUT_EGRESS, '755');
      expect(tool('vif', 'vif1.0', 'disabled').stdout).toBe('vif1.0 is disabled.\n');
      expect(table()).not.toContain('egress');
      expect(arrived()).toBe(0);
      expect(passing(honest)).toEqual([]);
      expect(tool('refilter').status).toBe(0);
      expect(tool('vif').stderr).toBe('');
      expect(tool('vif', 'vif1.0', 'locked').stdout).toBe('vif1.0 is locked.\n');
      expect(arrived()).toBe(1);
    } finally {
      host.vif.host.ok('umount', '/usr/local/sbin');
    }
    expect(tool('vif', 'vif1.0', 'disabled').status).toBe(0);
    expect(table()).toContain('egress');
    expect(arrived()).toBe(0);
  });

  test('sends nothing under a name that somebody gave its device by hand, until a refilter', () => {
    attach('vif-route', { ip: '192.0.2.1 2001:db8::1', vifname: 'web' });
    const table = { ...honestFrames(SELF), ...FORGED };
    host.vif.host.ip('link set web down', 'link set web name mine', 'link set mine up');
    host.vif.host.ip('route replace 192.0.2.1 dev mine', 'route replace 2001:db8::1 dev mine');
    const heard = (frames: Readonly<Record<string, Hex>>, what: string) =>
      counted(`iifname "mine" ${what}`, () => passing(frames));
    expect(heard(table, '')).toBe(0);
    expect(tool('vif').stderr).toContain(
      'web is called mine by now, and what it sends is dropped: run "xen-network refilter".',
    );
    expect(tool('refilter').status).toBe(0);
    expect(tool('vif').stderr).toBe('');
    copied();
    expect(passing(honest)).toEqual(['ping']);
    // Of IPv6 the guest's own system sends something as well.
    expect(heard({ ...honest, ...FORGED }, 'meta nfproto ipv4')).toBe(1);
    expect(call('vif-route', 'offline')).toEqual(FINE);
    expect(host.vif.host.ok('ip', '-o', 'link', 'show', 'dev', 'mine')).not.toContain('group 30830');
  });

  test('leaves nothing behind', () => {
    attach('vif-route', { ip: '192.0.2.1' });
    expect(call('vif-route', 'offline')).toEqual(FINE);
    expect(table()).not.toContain('vif1.0');
    expect(host.vif.host.run(['ls', '/run/xen-network/strict']).stdout).toBe('');
  });

  test('is told where its MAC address is not known', () => {
    host.vif.card(1, { mac: '', ip: '192.0.2.1', script: 'vif-route' });
    const ran = call('vif-route', 'online', ['antispoof=strict']);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('has no mac in xenstore, and antispoof=strict cannot do without');
  });

  test('without addresses sends nothing but requests of DHCP, and from its link-local address', () => {
    attach('vif-route', {});
    const frames = honestFrames(SELF);
    const names = passing(frames);
    expect(names).toContain('a DHCP request without an address');
    expect(names).toContain('an IPv6 ping from its link-local address');
    expect(names).not.toContain('an IPv4 ping');
    expect(names).not.toContain('an IPv6 ping');
    expect(names).not.toContain('an ARP request');
  });
});

describe('two routed guests beside each other', () => {
  const [FIRST, SECOND] = [SELF, OTHER];
  const CARD: End = { netns: 'guest2', device: 'eth0' };

  afterAll(() => {
    call('vif-route', 'remove');
    for (const domid of [1, 2]) call('vif-route', 'offline', [], domid);
  });

  test('are not reached under each other’s addresses, without rp_filter, and where the host believes all answers', () => {
    const ip = ({ v4, v6 }: Identity) => `${v4} ${v6}`;
    host.vif.host.ok('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
    attach('vif-route', { ip: ip(SECOND) }, 2);
    attach('vif-route', { ip: ip(FIRST) }, 1);
    host.vif.host.tap(1);
    expect(call('vif-route', 'add', ['antispoof=strict']).status).toBe(0);
    for (const setting of [
      'ipv4/conf/*/rp_filter=0',
      'ipv4/conf/*/arp_accept=1',
      'ipv6/conf/*/accept_untracked_na=2',
    ]) {
      const [path = '', value = ''] = setting.split('=');
      host.vif.host.ok(
        'sh',
        '-c',
        `for file in /proc/sys/net/${path}; do [ ! -e $file ] || echo ${value} >$file; done`,
      );
    }
    const forged = Object.values({ ...borrowedFrames(SECOND, FIRST), ...forgedFrames(SECOND, FIRST) }).map(
      numbered,
    );
    expect(host.send(2, forged, CARD)).toEqual([]);
    const learned = host.vif.host.ok('ip', 'neigh', 'show', 'dev', 'vif2.0');
    for (const address of [FIRST.v4, FIRST.v6, linkLocal(FIRST.mac)])
      expect(learned).not.toContain(`${address} `);
    for (const address of [FIRST.v4, FIRST.v6])
      expect(host.vif.host.ok('ip', 'route', 'get', address)).toMatch(/ dev vif1\.0(-emu)? /);
    // What guest 1 sends is its own, by either of its cards, and guest 2 has none of it.
    expect(passing(honestFrames(FIRST), TAP)).toEqual(namesOf(honestFrames(FIRST)));
    expect(passing(honestFrames(FIRST))).toEqual(namesOf(honestFrames(FIRST)));
    const second = honestFrames(SECOND);
    const stolen = Object.values(honestFrames(FIRST)).map(numbered);
    expect(host.send(2, stolen, CARD)).toEqual([]);
    expect(host.send(2, Object.values(second).map(numbered), CARD)).toHaveLength(Object.keys(second).length);
  });
});

describe.each([
  ['network-route', 'vif-route'],
  ['network-nat', 'vif-nat'],
])('%s start antispoof=strict', (network, hook) => {
  const start = (...more: string[]) =>
    host.vif.host.hook(network, [
      'start',
      'netdev=eth0',
      ...(network === 'network-nat' ? ['dhcp=no'] : []),
      ...more,
    ]);

  afterAll(() => {
    call(hook, 'offline');
    host.vif.host.hook(network, ['stop', 'netdev=eth0']);
  });

  test('has its guests held, and no guest that comes once it is stopped', () => {
    call(hook, 'offline');
    const online = () => {
      host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.1', script: hook });
      expect(call(hook, 'online').status).toBe(0);
      return host.vif.host.hook('xen-network', ['vif']).stdout.includes('vif1.0');
    };
    expect(start('antispoof=strict').status).toBe(0);
    expect(host.vif.host.hook(network, ['status']).stdout).toContain(
      `antispoof=strict on ${network} eth0; held: no guest yet`,
    );
    expect(online()).toBe(true);
    expect(host.vif.host.hook(network, ['stop', 'netdev=eth0']).status).toBe(0);
    // Held as long as it runs.
    expect(host.vif.host.hook('xen-network', ['vif']).stdout).toContain('vif1.0');
    call(hook, 'offline');
    expect(online()).toBe(false);
  });
});

test('network-route refuses antispoof=yes, for which it has no rules', () => {
  const ran = host.vif.host.hook('network-route', ['start', 'netdev=eth0', 'antispoof=yes']);
  expect(ran.status).toBe(1);
  expect(ran.stderr).toContain('antispoof=yes is nothing that network-route can do');
});
