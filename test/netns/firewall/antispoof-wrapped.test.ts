import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { wrappedTable } from '../../../lib/filter/wrapped.ts';
import type { Hex } from '../../support/frames/packets.ts';
import { arrivals } from '../../support/frames/wire.ts';
import { otherFrames, SEEN, type Sending, wrappedFrames } from '../../support/frames/wrapped.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

const macOf = (domid: number): string =>
  /link\/ether (\S+)/.exec(net.host.netns(`guest${domid}`).ok('ip', 'link', 'show', 'eth0'))?.[1] ?? '';

/** What guest 1 sends to guest 2, as itself or as somebody else. */
function sending(as: 'itself' | 'another'): Sending {
  const number = as === 'itself' ? 11 : 99;
  return {
    mac: macOf(1),
    to: macOf(2),
    from4: `192.0.2.${number}`,
    to4: '192.0.2.12',
    from6: `2001:db8::${number}`,
    to6: '2001:db8::12',
  };
}

/** The names of those frames of guest 1 that arrive at guest 2. */
function arriving(frames: Readonly<Record<string, Hex>>, sender = 'guest1', device = 'eth0'): string[] {
  const end = (domid: number) => ({ netns: `guest${domid}`, device: 'eth0' });
  const wire = { sender: { netns: sender, device }, watcher: end(2), marker: end(3) };
  const came = new Set(arrivals(net.host, wire, Object.values(frames)));
  return Object.keys(frames).filter((name) => came.has(frames[name] ?? ''));
}

function guests(bridge: string, words: readonly string[] = []): void {
  net.guest('vif-bridge', 1, { bridge, ip: '192.0.2.11 2001:db8::11' }, words);
  net.guest('vif-bridge', 2, { bridge, ip: '192.0.2.12 2001:db8::12' }, words);
  net.guest('vif-bridge', 3, { bridge, ip: '192.0.2.13 2001:db8::13' }, words);
}

const tables = (): string => net.host.ok('nft', 'list', 'tables', 'bridge');

test('without antispoof all of it arrives, so that the others tell something', () => {
  net.ok('network-bridge', 'start');
  guests('xenbr0');
  for (const as of ['itself', 'another'] as const) {
    const frames = { ...wrappedFrames(sending(as)), ...otherFrames(sending(as)) };
    expect(arriving(frames)).toEqual(Object.keys(frames));
  }
  expect(tables()).toBe('');
});

describe.each(['nft', 'legacy'] as const)('under antispoof=yes with iptables-%s', (backEnd) => {
  beforeEach(() => {
    if (backEnd === 'nft') return;
    // What makes hooks use the legacy back end: it has rules, and the other one none.
    for (const tool of ['iptables', 'ip6tables'])
      net.host.ok(`${tool}-legacy`, '-A', 'FORWARD', '-i', 'nobody', '-j', 'DROP');
  });

  test.each(['plain', 'classic', 'rename'])(
    '%s: no guest reaches another with a forged packet, however it is wrapped; its own still pass',
    (topology) => {
      net.ok('network-bridge', 'start', 'antispoof=yes', `topology=${topology}`);
      guests(topology === 'rename' ? 'eth0' : 'xenbr0');
      expect(net.host.ok(`iptables-${backEnd}`, '-S', 'FORWARD')).toMatch(/^-P FORWARD DROP\n.*physdev/);
      expect(arriving(wrappedFrames(sending('another')))).toEqual([]);
      expect(arriving(wrappedFrames(sending('itself')))).toEqual([...SEEN]);
      const others = otherFrames(sending('itself'));
      expect(arriving(others)).toEqual(Object.keys(others));
      for (const domid of [1, 2, 3]) net.end('vif-bridge', domid);
      net.ok('network-bridge', 'stop', `topology=${topology}`);
      expect(tables()).toBe('');
    },
  );
});

test('what comes from outside is not looked at', () => {
  net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain');
  guests('xenbr0');
  const { outside } = net;
  const [netns = ''] = /(?<=ns\/)\S+/.exec(outside.enter.join(' ')) ?? [];
  const device = outside
    .ok('ls', '/sys/class/net')
    .split('\n')
    .find((name) => name !== 'lo' && name !== '');
  const frames = wrappedFrames({ ...sending('another'), mac: '02:00:00:00:00:77' });
  expect(arriving(frames, netns, device ?? '')).toEqual(Object.keys(frames));
});

test('what crosses a bridge of the administrator is never dropped', () => {
  net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain');
  net.host.ok('ip', 'link', 'add', 'br9', 'type', 'bridge');
  net.host.ok('ip', 'link', 'set', 'br9', 'up');
  for (const name of ['lan1', 'lan2', 'lan3']) {
    const peer = net.host.netns(name);
    net.host.ok('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    net.host.ok('ip', 'link', 'set', name, 'master', 'br9', 'up');
    peer.ok('ip', 'link', 'set', 'eth0', 'up');
  }
  const mac = (name: string) =>
    /link\/ether (\S+)/.exec(net.host.netns(name).ok('ip', 'link', 'show', 'eth0'))?.[1] ?? '';
  const addresses = { from4: '192.0.2.11', to4: '192.0.2.12', from6: '2001:db8::11', to6: '2001:db8::12' };
  const own = { ...addresses, mac: mac('lan1'), to: mac('lan2') };
  const frames = Object.entries(wrappedFrames(own)).filter(([name]) => !SEEN.includes(name));
  const end = (netns: string) => ({ netns, device: 'eth0' });
  const wire = { sender: end('lan1'), watcher: end('lan2'), marker: end('lan3') };
  const came = arrivals(net.host, wire, Object.values(Object.fromEntries(frames)));
  expect(frames.filter(([, frame]) => !came.includes(frame)).map(([name]) => name)).toEqual([]);
});

test('each bridge has a table as long as it needs one, and refilter puts it back', async () => {
  net.host.nic('dummy0', { address: '172.31.0.1/24' });
  net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain');
  const second = ['topology=plain', 'netdev=dummy0', 'vifnum=1'];
  // It says that FORWARD drops, and puts a rule there for its card.
  expect(net.host.hook('network-bridge', ['start', ...second]).status).toBe(0);
  net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'antispoof=yes');
  guests('vmnet1');
  const listing = () => net.host.ok('nft', 'list', 'table', ...wrappedTable('xenbr0').split(' '));
  const whole = listing();
  expect(arriving(wrappedFrames(sending('another')))).toEqual([]);
  net.host.ok('nft', 'flush', 'ruleset');
  const { status } = net.host.hook('xen-network', ['refilter']);
  expect(status).toBe(0);
  expect(listing()).toBe(whole);
  expect(arriving(wrappedFrames(sending('another')))).toEqual([]);
  net.ok('network-bridge', 'stop', 'topology=plain', 'netdev=eth0');
  expect(tables().trim()).toBe(`table ${wrappedTable('vmnet1')}`);
  expect(arriving(wrappedFrames(sending('another')))).toEqual([]);
  net.host.hook('network-virtual', ['stop', 'bridge=vmnet1']);
  expect(tables()).toBe('');
  net.ok('network-bridge', 'stop', ...second);
});

test('without nft the bridge is there all the same, with a word', () => {
  net.host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
  net.host.write(
    '/usr/local/sbin/nft',
    '#!/bin/sh\necho "Error: Operation not supported" >&2\nexit 1\n',
    '755',
  );
  const ran = net.host.hook('network-bridge', ['start', 'antispoof=yes']);
  expect(ran.status).toBe(0);
  expect(ran.stderr).toContain(
    'wrap in a second VLAN tag, in MPLS and the like, nor forged packets to this host, which may route them on, ' +
      'because nft says: Operation not supported.',
  );
});

/**
 * A kernel that refuses what a word stands for: "ibrname" without nft_meta_bridge, by which nft tells a frame's bridge;
 * "interval" without sets of ranges for each port.
 */
function refusing(word: string): void {
  const real = '/usr/sbin/nft';
  net.host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
  net.host.write(
    '/usr/local/sbin/nft',
    `#!/bin/bash
if [[ " $* " == *" - "* ]]; then
  input=$(cat)
  if [[ $input == *${word}* ]]; then
    echo 'Error: Could not process rule: No such file or directory' >&2
    exit 1
  fi
  exec ${real} "$@" <<<"$input"
fi
exec ${real} "$@"
`,
    '755',
  );
}

test('a kernel without sets of ranges for each port holds a guest with a range as any other', () => {
  refusing('interval');
  const ran = net.host.hook('network-bridge', ['start', 'antispoof=yes', 'topology=plain']);
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.8/29' });
  net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.12 2001:db8::12' });
  net.guest('vif-bridge', 3, { bridge: 'xenbr0', ip: '192.0.2.13' });
  const listing = net.host.ok('nft', 'list', 'table', ...wrappedTable('xenbr0').split(' '));
  expect(/set checked \{[^}]*\}/.exec(listing)?.[0]).toContain('"vif1.0"');
  expect(arriving(wrappedFrames(sending('another')))).toEqual([]);
});

describe('where the kernel cannot tell a frame’s bridge', () => {
  const NAMED = { bridge: 'xenbr0', ip: '192.0.2.11 2001:db8::11', vifname: 'web' };
  const start = () => net.ok('network-bridge', 'start', 'antispoof=yes', 'topology=plain');
  const dropped = () => arriving(wrappedFrames(sending('another')));
  const named = (bridge = 'xenbr0') => {
    const listing = net.host.ok('nft', 'list', 'table', ...wrappedTable(bridge).split(' '));
    const [, names] = /set guests \{\n[^}]*?elements = \{([^}]*)\}/.exec(listing) ?? [];
    return names === undefined ? [] : [names.trim().replace(/\s+/g, ' ')];
  };

  beforeEach(() => {
    refusing('ibrname');
  });

  test.each([
    ['before', 'vmnet1', ['network-virtual', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24']],
    ['after', 'xenbr0', ['network-bridge', 'topology=plain']],
  ] as const)(
    'a guest with a vifname that comes %s the start is held as others are',
    (when, bridge, call) => {
      const [hook, ...words] = call;
      if (when === 'after') net.ok(hook, 'start', ...words, 'antispoof=yes');
      else net.host.ip(`link add ${bridge} type bridge`, `link set ${bridge} up`);
      net.guest('vif-bridge', 1, { ...NAMED, bridge });
      net.guest('vif-bridge', 2, { bridge, ip: '192.0.2.12 2001:db8::12' });
      net.guest('vif-bridge', 3, { bridge, ip: '192.0.2.13 2001:db8::13' });
      if (when === 'before') net.ok(hook, 'start', ...words, 'antispoof=yes');
      expect(named(bridge)).toEqual(['"web"']);
      expect(dropped()).toEqual([]);
      net.host.ok('nft', 'flush', 'ruleset');
      expect(net.host.hook('xen-network', ['refilter']).status).toBe(0);
      expect(named(bridge)).toEqual(['"web"']);
      expect(dropped()).toEqual([]);
      net.end('vif-bridge', 1);
      expect(named(bridge)).toEqual([]);
      for (const domid of [2, 3]) net.end('vif-bridge', domid);
      net.ok(hook, 'stop', ...words);
      expect(tables()).toBe('');
    },
  );

  test('it is held under another name, and again after a flush, and forgotten when it goes', () => {
    start();
    net.guest('vif-bridge', 1, NAMED);
    expect(net.call('vif-bridge', 'online', 1).status).toBe(0);
    expect(named()).toEqual(['"web"']);
    net.store.vif(1, 0, { ...NAMED, mac: macOf(1), vifname: 'db' });
    expect(net.call('vif-bridge', 'online', 1).status).toBe(0);
    expect(named()).toEqual(['"db"']);
    net.host.ok('nft', 'flush', 'ruleset');
    net.guest('vif-bridge', 2, { ...NAMED, ip: '192.0.2.12', vifname: 'mail' });
    expect(named()).toEqual(['"db", "mail"']);
    net.end('vif-bridge', 1);
    expect(named()).toEqual(['"mail"']);
    net.end('vif-bridge', 2);
    expect(named()).toEqual([]);
  });
});
