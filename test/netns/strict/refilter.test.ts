import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findBun } from '../../support/bun.ts';
import { ether, ipv4, PROTO, TYPE, zeros } from '../../support/frames/packets.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';

let host: StrictHost;

beforeAll(async () => {
  host = await StrictHost.create();
  host.marker();
});

afterAll(() => host.vif.host.close());

const { run, ok } = {
  run: (...words: string[]) => host.vif.host.run(words),
  ok: (...words: string[]) => host.vif.host.ok(...words),
};
const refilter = () => host.vif.host.hook('xen-network', ['refilter']);
const save = (tool: string): string[] =>
  ok(tool)
    .split('\n')
    .filter((line) => line.startsWith('-A') || / DROP /.test(line))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ''));
const rules = (): string[] => [...save('iptables-save'), ...save('ip6tables-save')];
const mayBe = (domid: number, ...addresses: string[]): string[] => {
  const frame = (from: string) =>
    ether(guestMac(domid), TYPE.ip, ipv4({ from, proto: PROTO.tcp }, zeros(20)));
  const frames = new Map(addresses.map((address) => [frame(address), address]));
  return host.send(domid, [...frames.keys()]).map((sent) => frames.get(sent) ?? '');
};

beforeEach(() => {
  run('nft', 'flush', 'ruleset');
  ok('sh', '-c', 'rm -rf /run/xen-network; iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT');
});

afterEach(() => {
  for (const domid of [1, 2, 3]) host.vif.unplug(domid);
});

/** The programs that a refilter starts. */
function programs(): string[] {
  const strace = 'strace -f -qq -e trace=execve -e signal=none -o /run/trace /etc/xen/scripts/xen-network';
  ok(...strace.split(' '), 'refilter');
  const calls = ok('cat', '/run/trace').matchAll(/execve\("[^"]*", \[(.*?)\]/g);
  return [...calls].map(([, words = '']) => words.replaceAll(/[",]/g, '')).slice(1);
}

/** How often a refilter opens what concerns all guests: records of networks, and the bridge in sysfs. */
function commonReads(): number {
  const strace = 'strace -f -qq -e trace=openat -e signal=none -o /run/trace /etc/xen/scripts/xen-network';
  ok(...strace.split(' '), 'refilter');
  const common =
    /"\/run\/xen-network\/(?:bridge|virtual)\b|"\/run\/xen-network\/ledger"|"\/sys\/class\/net\/xenbr0\//g;
  return [...ok('cat', '/run/trace').matchAll(common)].length;
}

/** A strict guest with a vifname, one with a range and a mode, and one with iptables rules of both families. */
function threeGuests(): void {
  host.guest(1, { ip: '192.0.2.1 2001:db8::1', vifname: 'web' });
  host.guest(2, { ip: '198.51.100.0/24', locking: 'locked' });
  host.vif.card(3, { ip: '192.0.2.3 2001:db8::3', mac: guestMac(3) });
  expect(host.vif.online(3).status).toBe(0);
}

/** Makes the table that of a version before, which had guest 2's range in a set of ranges. */
function makeFormer(): void {
  const table = 'bridge xen_network';
  const lines = [
    ...['ip_guard', 'arp_guard'].map((chain) => `flush chain ${table} ${chain}`),
    ...['ip_range_guard', 'arp_range_guard'].map((chain) => `flush chain ${table} ${chain}`),
    ...['ip_range_guard', 'arp_range_guard'].map((chain) => `delete chain ${table} ${chain}`),
    `delete set ${table} blocks4`,
    `add set ${table} net4 { type ifname . ipv4_addr; flags interval; }`,
    `add rule ${table} ip_guard iifname . ip saddr @net4 goto ip_service_guard`,
    `add rule ${table} ip_guard goto refuse`,
    `add element ${table} net4 { "vif2.0" . 198.51.100.0/24 }`,
  ];
  ok('nft', lines.join('; '));
  expect(mayBe(2, '198.51.100.7', '192.0.2.9')).toEqual(['198.51.100.7']);
}

describe('the table of a version before, with a set of ranges, is replaced', () => {
  const mustBeOfToday = () =>
    expect(ok('nft', 'list', 'table', 'bridge', 'xen_network')).not.toMatch(/set net4|interval/);

  test('by a refilter, an online and an offline, and guests with ranges keep them', () => {
    threeGuests();
    const elements = host.elements();
    makeFormer();
    expect(refilter().status).toBe(0);
    expect(host.elements()).toEqual(elements);
    expect(mayBe(2, '198.51.100.7', '192.0.2.9')).toEqual(['198.51.100.7']);
    mustBeOfToday();
    makeFormer();
    host.vif.unplug(1);
    host.guest(1, { ip: '203.0.113.0/24' });
    mustBeOfToday();
    expect(mayBe(1, '203.0.113.9', '198.51.100.7')).toEqual(['203.0.113.9']);
    expect(mayBe(2, '198.51.100.7', '203.0.113.9')).toEqual(['198.51.100.7']);
    makeFormer();
    expect(host.vif.offline(2)).toMatchObject({ status: 0 });
    mustBeOfToday();
    expect(host.elements().join()).not.toContain('vif2.0');
  });
});

describe.each([
  ['somebody flushes the whole ruleset', () => ok('nft', 'flush', 'ruleset')],
  ['somebody deletes the table', () => ok('nft', 'delete', 'table', 'bridge', 'xen_network')],
  [
    'somebody flushes chains, sets and FORWARD',
    () => {
      ok('nft', 'flush', 'chain', 'bridge', 'xen_network', 'guest_guard');
      ok('nft', 'flush', 'set', 'bridge', 'xen_network', 'own4');
      ok('nft', 'flush', 'map', 'bridge', 'xen_network', 'guests');
      ok('iptables', '-F', 'FORWARD');
    },
  ],
  [
    'somebody reloads other rules with iptables-restore',
    () => {
      const text = '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 203.0.113.9 -j DROP\nCOMMIT\n';
      for (const tool of ['iptables-restore', 'ip6tables-restore'])
        host.vif.host.run([tool], {
          input: tool.includes('6') ? text.replace('-s 203.0.113.9', '-p tcp') : text,
        });
    },
  ],
])('after %s', (_what, harm) => {
  test.each([
    ['with our records', () => {}],
    ['from xenstore alone', () => ok('rm', '-rf', '/run/xen-network')],
  ])('xen-network refilter puts all guests back, %s', (_how, forget) => {
    threeGuests();
    const [elements, before] = [host.elements(), rules()];
    harm();
    forget();
    expect(refilter()).toEqual({
      status: 0,
      stdout: 'The filters of 3 devices are in place.\n',
      stderr: '',
    });
    expect(host.elements()).toEqual(elements);
    expect(rules().filter((line) => line.includes('xen-network'))).toEqual(before);
    expect(mayBe(1, '192.0.2.1', '192.0.2.9')).toEqual(['192.0.2.1']);
    expect(mayBe(2, '198.51.100.7', '192.0.2.9')).toEqual(['198.51.100.7']);
    // What offline takes is known again.
    for (const domid of [1, 2, 3]) expect(host.vif.offline(domid).status).toBe(0);
    expect(host.elements()).toEqual([]);
    expect(rules().filter((line) => line.includes('xen-network'))).toEqual([]);
  });
});

describe('xen-network refilter', () => {
  // Found by `npm run soak -- --seed 1 --acts 19`, and by seed 2005 with 15 acts.
  test('leaves nothing under the name that somebody gave a running device for a while', () => {
    threeGuests();
    const elements = host.elements();
    const renamed = (from: string, to: string) => ok('ip', 'link', 'set', 'dev', from, 'name', to);
    renamed('web', 'lost');
    expect(refilter().status).toBe(0);
    expect(host.elements().filter((line) => /"web"|\/web /.test(line))).toEqual([]);
    expect(mayBe(1, '192.0.2.1', '192.0.2.9')).toEqual(['192.0.2.1']);
    renamed('lost', 'web');
    expect(refilter().status).toBe(0);
    expect(host.elements()).toEqual(elements);
    expect(mayBe(1, '192.0.2.1', '192.0.2.9')).toEqual(['192.0.2.1']);
    expect(ok('ls', '/run/xen-network/strict').trim().split('\n')).toEqual(['vif2.0', 'web']);
  });

  test('changes nothing where nothing is missing', () => {
    threeGuests();
    ok('iptables', '-I', 'FORWARD', '-s', '203.0.113.9', '-j', 'DROP');
    mayBe(1, '192.0.2.9');
    const [elements, before, drops] = [host.elements(), rules(), host.drops('web')];
    expect(drops).toBeGreaterThan(0);
    expect(refilter().status).toBe(0);
    expect(refilter().status).toBe(0);
    expect(host.elements()).toEqual(elements);
    expect(rules()).toEqual(before);
    expect(host.drops('web')).toBe(drops);
  });

  test('starts no more programs and reads no more records of networks for many guests than for one, and starts none for rules that are in place', () => {
    host.bridgeNf(true);
    try {
      host.guest(1, { ip: '192.0.2.1', locking: 'locked' });
      const alone = programs();
      const aloneReads = commonReads();
      host.guest(2, { ip: '192.0.2.2', locking: 'locked' });
      host.vif.card(3, { ip: '192.0.2.3 2001:db8::3', mac: guestMac(3) });
      expect(host.vif.host.hook('vif-bridge', ['online', 'notrack=yes'], xlEnv(3)).status).toBe(0);
      expect(rules().join()).toContain('--notrack');
      expect(programs()).toEqual(alone);
      expect(commonReads()).toBe(aloneReads);
      expect(aloneReads).toBeGreaterThan(0);
      expect(alone).toEqual(['nft list table inet xen_network', 'iptables-save', 'ip6tables-save']);
      expect(alone.join()).not.toContain('list ruleset');
      expect(alone.join()).not.toContain('restore');
    } finally {
      host.bridgeNf(false);
    }
  });

  test('is told by the kernel what nft lists of the table', () => {
    threeGuests();
    host.guest(4, { ip: '10.1.0.0/29 0.0.0.0/0 2001:db8::/64' });
    host.guest(5, { ip: '0.0.0.1 2001:db8:0:0:1::1', notrack: 'yes', locking: 'locked' });
    host.guest(6, { locking: 'disabled' });
    host.guest(7, {});
    for (const [set, value] of [
      ['blocks4', '10.9.0.128'],
      ['blocks6', '2001:db8:9:8000::'],
      ['tags', '10'],
      ['tags', '4000'],
      ['tag_blocks', '24'],
    ] as const)
      ok('nft', 'add', 'element', 'bridge', 'xen_network', set, `{ "vif5.0" . ${value} }`);
    ok('nft', 'add', 'chain', 'netdev', 'xen_network', 'some/chain');
    const script = join(import.meta.dirname, '../../support/kernel/strict-listings.ts');
    const { asked, byKernel, byNft } = JSON.parse(ok(findBun(), script));
    for (const domid of [4, 5, 6, 7]) host.vif.unplug(domid);
    expect(asked).toEqual(['bridge xen_network', 'netdev xen_network']);
    expect(byKernel).toEqual(byNft);
  });

  test('forgets guests that are gone without a word, and takes in what xenstore says by now', () => {
    threeGuests();
    host.vif.unplug(1);
    host.vif.store.write({ '/local/domain/0/backend/vif/2/0/ip': '192.0.2.22' });
    expect(refilter().status).toBe(0);
    expect(host.elements().join()).not.toContain('"web"');
    expect(mayBe(2, '198.51.100.7', '192.0.2.22')).toEqual(['192.0.2.22']);
  });

  test('does for the others what it can when one guest cannot be filtered, and says which', () => {
    threeGuests();
    host.vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': 'nonsense' });
    const elements = host.elements();
    ok('nft', 'flush', 'ruleset');
    const ran = refilter();
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('vif1.0 has no new filter: ip holds "nonsense", which is no address.');
    // The old one is better than none.
    expect(host.elements()).toEqual(elements);
    expect(mayBe(2, '198.51.100.7', '192.0.2.9')).toEqual(['198.51.100.7']);
  });

  test('with no guest at all does nothing', () => {
    expect(refilter()).toEqual({
      status: 0,
      stdout: 'The filters of 0 devices are in place.\n',
      stderr: '',
    });
    expect(ok('nft', 'list', 'ruleset')).not.toContain('xen_network');
  });

  test('without xenstore says so', () => {
    const env = { XENSTORED_PATH: '/nonexistent' };
    const ran = host.vif.host.hook('xen-network', ['refilter'], env);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('xenstore cannot be reached.');
  });
});

describe('another card that comes online after a flush', () => {
  test('brings all others back under the strict filter', () => {
    host.guest(1, { ip: '192.0.2.1' });
    host.guest(2, { ip: '192.0.2.2' });
    const elements = host.elements();
    ok('nft', 'flush', 'ruleset');
    expect(host.vif.host.hook('vif-bridge', ['online', 'antispoof=strict'], xlEnv(2)).status).toBe(0);
    expect(host.elements()).toEqual(elements);
    expect(mayBe(1, '192.0.2.1', '192.0.2.9')).toEqual(['192.0.2.1']);
  });

  test('offline after a flush is as clean as ever', () => {
    host.guest(1, { ip: '192.0.2.1' });
    ok('nft', 'flush', 'ruleset');
    expect(host.vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.vif.host.snapshot()['files']).toEqual([]);
  });

  test('offline with half of its elements gone takes the rest', () => {
    host.guest(1, { ip: '192.0.2.1 192.0.2.11' });
    ok(
      'nft',
      'delete',
      'element',
      'bridge',
      'xen_network',
      'own4',
      `{ "vif1.0" . ${guestMac(1)} . 192.0.2.1 }`,
    );
    expect(host.vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.elements()).toEqual([]);
  });
});

describe('where our records are lost, and the table is not', () => {
  const forget = () => ok('rm', '-rf', '/run/xen-network');

  test('offline takes the guest out of the filter all the same', () => {
    host.guest(1, { ip: '192.0.2.1', vifname: 'web' });
    host.guest(2, { ip: '192.0.2.2' });
    forget();
    for (const domid of [1, 2])
      expect(host.vif.offline(domid)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.elements()).toEqual([]);
  });

  test('refilter leaves nobody what xenstore does not say, and keeps what was counted', () => {
    host.guest(1, { ip: '192.0.2.1 198.51.100.0/24 2001:db8::/64', vifname: 'web' });
    host.guest(2, { ip: '192.0.2.2' });
    host.vif.unplug(2);
    mayBe(1, '192.0.2.7');
    const drops = host.drops('web');
    expect(drops).toBeGreaterThan(0);
    forget();
    host.vif.store.write({ '/local/domain/0/backend/vif/1/0/ip': '192.0.2.9' });
    expect(refilter().stderr).toBe('');
    expect(host.elements().join()).not.toContain('vif2.0');
    expect(mayBe(1, '192.0.2.1', '198.51.100.7', '192.0.2.9')).toEqual(['192.0.2.9']);
    expect(host.drops('web')).toBe(drops + 2);
  });

  test('and elements that somebody added go', () => {
    host.guest(1, { ip: '192.0.2.1' });
    const elements = host.elements();
    const own = `{ "vif1.0" . ${guestMac(1)} . 192.0.2.8 }`;
    ok('nft', 'add', 'element', 'bridge', 'xen_network', 'own4', own);
    expect(mayBe(1, '192.0.2.8')).toEqual(['192.0.2.8']);
    expect(refilter().stderr).toBe('');
    expect(host.elements()).toEqual(elements);
    expect(mayBe(1, '192.0.2.8', '192.0.2.1')).toEqual(['192.0.2.1']);
  });
});

/** The record of a guest's elements, and what an offline says that cannot read it. */
const RECORD = '/run/xen-network/strict/vif1.0';
const CANNOT_READ =
  'vif-bridge: /run/xen-network/strict/vif1.0 cannot be read: the process has too many open files (EMFILE).\n';

describe('an element that names no device', () => {
  const online = (domid: number) => {
    host.vif.card(domid, { ip: `192.0.2.${domid}`, mac: guestMac(domid) });
    const words = ['online', 'antispoof=strict', 'notrack=yes'];
    expect(host.vif.host.hook('vif-bridge', words, xlEnv(domid))).toMatchObject({ status: 0 });
  };

  test.each([
    [
      'an offline that could not read a file',
      () => {
        const inject = 'inject=openat:error=EMFILE';
        const strace = ['strace', '-qq', '-o', '/dev/null', '-P', RECORD, '-e', inject];
        const ran = host.vif.host.run([...strace, '/etc/xen/scripts/vif-bridge', 'offline'], {
          env: xlEnv(1),
        });
        expect(ran).toEqual({ status: 0, stdout: '', stderr: CANNOT_READ });
      },
    ],
    ['no offline at all', () => {}],
    ['no offline, and its records are lost', () => ok('rm', RECORD)],
  ])('goes with the refilter after %s', (_, leave) => {
    online(2);
    const kept = host.elements();
    online(1);
    expect(host.elements()).toContain(`untracked_macs ${JSON.stringify(guestMac(1))}`);
    leave();
    host.vif.unplug(1);
    expect(refilter()).toMatchObject({ status: 0, stderr: '' });
    expect(host.elements()).toEqual(kept);
    expect(kept).toContain(`untracked_macs ${JSON.stringify(guestMac(2))}`);
  });
});

/** Cards of many guests, each with an address and a network of its own, put to use by the hook as fast as it goes. */
function manyGuests(domids: readonly number[]): void {
  const backend = (domid: number) => `/local/domain/0/backend/vif/${domid}/0`;
  const hex = (byte: number) => byte.toString(16).padStart(2, '0');
  const net = (domid: number) => `10.${domid >> 8}.${domid & 255}`;
  host.vif.host.netns('many');
  host.vif.host.ip(
    ...domids.map((domid) => `link add vif${domid}.0 type veth peer name p${domid} netns many`),
  );
  for (let at = 0; at < domids.length; at += 100) {
    const some = domids.slice(at, at + 100).map((domid) => ({ domid, path: backend(domid) }));
    const entries = some.flatMap(({ domid, path }) => [
      [`${path}/mac`, `00:16:3e:01:${hex(domid >> 8)}:${hex(domid & 255)}`],
      [`${path}/bridge`, 'xenbr0'],
      [`${path}/ip`, `${net(domid)}.1 ${net(domid)}.128/25`],
    ]);
    host.vif.store.write(Object.fromEntries(entries));
  }
  const call =
    'XENBUS_PATH=backend/vif/$1/0 vif=vif$1.0 exec /etc/xen/scripts/vif-bridge online antispoof=strict';
  const ran = host.vif.host.run(['xargs', '-n1', '-P4', 'sh', '-c', call, 'sh'], {
    input: domids.join('\n'),
  });
  expect(ran).toEqual({ status: 0, stdout: '', stderr: '' });
}

test('a thousand guests that came by their hooks are as well held as one, and refiltered as well', () => {
  const many = Array.from({ length: 1000 }, (_, i) => i + 300);
  host.guest(1, { ip: '192.0.2.1' });
  manyGuests(many);
  host.guest(2, { ip: '192.0.2.2 198.51.100.0/24' });
  const asOne = () => {
    expect(mayBe(2, '192.0.2.2', '198.51.100.9', '192.0.2.1', '10.2.2.1')).toEqual([
      '192.0.2.2',
      '198.51.100.9',
    ]);
    expect(mayBe(1, '192.0.2.1', '192.0.2.2')).toEqual(['192.0.2.1']);
  };
  asOne();
  const elements = host.elements();
  for (const domid of many)
    expect(elements.filter((e) => e.includes(`"vif${domid}.0"`)).length).toBeGreaterThan(3);
  ok('nft', 'flush', 'ruleset');
  expect(refilter()).toEqual({
    status: 0,
    stdout: 'The filters of 1002 devices are in place.\n',
    stderr: '',
  });
  expect(host.elements()).toEqual(elements);
  ok('rm', '-r', '/run/xen-network/strict', '/run/xen-network/vif');
  ok('nft', 'flush', 'ruleset');
  expect(refilter().stdout).toBe('The filters of 1002 devices are in place.\n');
  expect(host.elements()).toEqual(elements);
  asOne();
  expect(host.vif.offline(2).status).toBe(0);
  expect(host.elements().filter((line) => line.includes('"vif2.0"'))).toEqual([]);
  expect(mayBe(1, '192.0.2.1', '192.0.2.2')).toEqual(['192.0.2.1']);
});
