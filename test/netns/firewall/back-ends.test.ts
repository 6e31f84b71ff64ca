import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { OWNER } from '../../support/hosts/vif-host.ts';
import { waitUntil } from '../../support/wait.ts';

const TOOLS = ['iptables', 'ip6tables'];
type BackEnd = 'nft' | 'legacy';

/** Makes the commands be those of one back end, as update-alternatives does. */
function choose(host: Host, backEnd: BackEnd): void {
  for (const tool of TOOLS)
    for (const end of ['', '-save', '-restore'])
      host.ok('ln', '-sf', `/usr/sbin/${tool}-${backEnd}${end}`, `/etc/alternatives/${tool}${end}`);
}

const other = (backEnd: BackEnd): BackEnd => (backEnd === 'nft' ? 'legacy' : 'nft');
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('-A'));

describe.each<BackEnd>(['nft', 'legacy'])('iptables-%s', (backEnd) => {
  let host: StrictHost;
  let dom0: Host;

  beforeAll(async () => {
    host = await StrictHost.create();
    dom0 = host.vif.host;
    choose(dom0, backEnd);
    host.bridgeNf(true);
  });

  afterAll(() => dom0.close());

  beforeEach(() => {
    for (const tool of TOOLS) dom0.ok(tool, '-F', 'FORWARD');
  });

  const saved = (which = backEnd): string[] =>
    TOOLS.flatMap((tool) => linesOf(dom0.ok(`${tool}-${which}-save`, '-t', 'filter')));
  const own = (device: string): string[] =>
    saved().filter((line) => line.includes(`--comment "xen-network ${device} domain `));
  const online = (domid: number, devid = 0) =>
    dom0.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(domid, devid));
  const offline = (domid: number, devid = 0) =>
    dom0.hook('vif-bridge', ['offline', 'type_if=vif'], xlEnv(domid, devid));

  test('rules say whose they are, and go with their guest and no other of the same addresses', () => {
    const ip = '192.0.2.7 2001:db8::7';
    // Names that begin alike.
    for (const [domid, devid] of [
      [1, 0],
      [1, 1],
      [11, 0],
    ] as const) {
      host.vif.card(domid, { mac: guestMac(domid), ip, domain: `web${domid}` }, devid);
      expect(online(domid, devid)).toEqual({ status: 0, stdout: '', stderr: '' });
    }
    expect(own('vif11.0')[0]).toBe(
      '-A FORWARD -s 192.0.2.7/32 -m physdev --physdev-in vif11.0 --physdev-is-bridged ' +
        '-m comment --comment "xen-network vif11.0 domain 11 web11" -j ACCEPT',
    );
    const alone = ['vif1.0', 'vif1.1', 'vif11.0'].map(own);
    expect(alone.map((rules) => rules.length)).toEqual([8, 8, 8]);
    expect(saved(other(backEnd))).toEqual([]);
    expect(offline(1).status).toBe(0);
    expect(saved()).toEqual(
      [own('vif11.0'), own('vif1.1')]
        .flatMap((rules) => rules.slice(0, 3))
        .concat([own('vif11.0'), own('vif1.1')].flatMap((rules) => rules.slice(3))),
    );
    expect(['vif1.1', 'vif11.0'].map(own)).toEqual(alone.slice(1));
    expect(offline(11).status).toBe(0);
    expect([own('vif1.1'), saved().length]).toEqual([alone[1], 8]);
    expect(offline(1, 1).status).toBe(0);
    expect(saved()).toEqual([]);
    for (const [domid, devid] of [
      [1, 0],
      [1, 1],
      [11, 0],
    ] as const)
      host.vif.unplug(domid, devid);
  });

  test("an administrator's rules keep their place and their counts, were they our very own words", () => {
    const words = [
      '-s 203.0.113.9/32 -m comment --comment "by hand" -j DROP',
      '-s 192.0.2.7/32 -m physdev --physdev-in vif1.0 --physdev-is-bridged -j ACCEPT',
      '-m physdev --physdev-out vif1.0 --physdev-is-bridged -j ACCEPT',
      '-m comment --comment "not xen-network vif1.0 domain 1" -j RETURN',
    ];
    const text = `*filter\n:MINE - [0:0]\n${words.map((rule, i) => `[${i + 5}:${i + 500}] -A FORWARD ${rule}\n`).join('')}[3:4] -A MINE -j RETURN\nCOMMIT\n`;
    expect(dom0.run(['iptables-restore', '-n', '-c'], { input: text }).stderr).toBe('');
    const counted = () => {
      const all = dom0.ok('iptables-save', '-c', '-t', 'filter').split('\n');
      return all.filter((line) => /^\[\d+:\d+\] -A/.test(line) && !line.includes('"xen-network '));
    };
    const before = counted();
    expect(before).toHaveLength(5);
    for (const tool of TOOLS) dom0.ok(tool, '-P', 'FORWARD', 'DROP');
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.7 2001:db8::7' });
    for (let turn = 0; turn < 2; turn++) {
      expect(online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(counted()).toEqual(before);
      expect(
        saved()
          .slice(3, 7)
          .map((line) => line.slice('-A FORWARD '.length)),
      ).toEqual(words);
    }
    expect(dom0.hook('xen-network', ['refilter']).status).toBe(0);
    expect(counted()).toEqual(before);
    expect(offline(1).status).toBe(0);
    expect(counted()).toEqual(before);
    expect(dom0.ok('iptables', '-S', 'FORWARD')).toContain('-P FORWARD DROP');
    for (const tool of TOOLS) dom0.ok(tool, '-P', 'FORWARD', 'ACCEPT');
    dom0.ok('sh', '-c', 'iptables -F; iptables -X MINE');
    host.vif.unplug(1);
  });

  test('refilter puts rules back, and offline takes what is left of them', () => {
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.7 2001:db8::7' });
    expect(online(1).status).toBe(0);
    const rules = saved();
    for (const tool of TOOLS) dom0.ok(tool, '-F', 'FORWARD');
    dom0.ok('rm', '-rf', '/run/xen-network');
    expect(dom0.hook('xen-network', ['refilter']).status).toBe(0);
    expect([saved(), saved(other(backEnd))]).toEqual([rules, []]);
    dom0.ok('iptables', '-D', 'FORWARD', '2');
    dom0.ok('ip6tables', '-F', 'FORWARD');
    expect(offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(saved()).toEqual([]);
    host.vif.unplug(1);
  });

  test('notrack=yes keeps the rules in its raw table, and takes them out', () => {
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.7 2001:db8::7' });
    const raw = () => TOOLS.flatMap((tool) => linesOf(dom0.ok(`${tool}-${backEnd}-save`, '-t', 'raw')));
    expect(dom0.hook('vif-bridge', ['online', 'notrack=yes'], xlEnv(1)).status).toBe(0);
    expect(raw().map((line) => line.replace(OWNER, ''))).toEqual([
      '-A PREROUTING -m physdev --physdev-in vif1.0 -m addrtype ! --dst-type LOCAL -j CT --notrack',
      '-A PREROUTING -d 192.0.2.7/32 -m physdev --physdev-is-in -j CT --notrack',
      '-A PREROUTING -m physdev --physdev-in vif1.0 -m addrtype ! --dst-type LOCAL -j CT --notrack',
      '-A PREROUTING -d 2001:db8::7/128 -m physdev --physdev-is-in -j CT --notrack',
    ]);
    expect(offline(1).status).toBe(0);
    expect(raw()).toEqual([]);
    host.vif.unplug(1);
  });

  test("somebody else's FORWARD that drops is named, and passed by the rules of a guest", () => {
    for (const tool of TOOLS) dom0.ok(tool, '-P', 'FORWARD', 'DROP');
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.7 2001:db8::7' });
    const ran = dom0.hook('vif-bridge', ['online', 'filter=no', 'antispoof=strict'], xlEnv(1));
    const chains =
      backEnd === 'nft'
        ? ['ip filter FORWARD', 'ip6 filter FORWARD']
        : ['FORWARD of iptables-legacy', 'FORWARD of ip6tables-legacy'];
    for (const chain of chains)
      expect(ran.stderr).toContain(
        `vif1.0 is cut off: bridged packets go through iptables, and the chain ${chain} drops`,
      );
    expect(offline(1).status).toBe(0);
    expect(dom0.hook('vif-bridge', ['online', 'antispoof=strict'], xlEnv(1)).stderr).toBe('');
    expect(saved()).toHaveLength(8);
    expect(offline(1).status).toBe(0);
    for (const tool of TOOLS) dom0.ok(tool, '-P', 'FORWARD', 'ACCEPT');
    host.vif.unplug(1);
  });
});

test('each family has its back end, where they differ', async () => {
  const host = await StrictHost.create();
  try {
    const dom0 = host.vif.host;
    dom0.ok('iptables-legacy', '-P', 'FORWARD', 'DROP');
    dom0.ok('ip6tables-nft', '-A', 'FORWARD', '-s', '2001:db8:9::/48', '-j', 'DROP');
    host.vif.card(1, { mac: guestMac(1), ip: '192.0.2.7 2001:db8::7' });
    const rules = () =>
      ['iptables-legacy', 'iptables-nft', 'ip6tables-legacy', 'ip6tables-nft'].map(
        (tool) =>
          linesOf(dom0.ok(tool, '-S', 'FORWARD')).filter((line) => line.includes('xen-network')).length,
      );
    expect(host.vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rules()).toEqual([3, 0, 0, 5]);
    dom0.ok('iptables-nft', '-A', 'FORWARD', '-s', '203.0.113.9', '-j', 'DROP');
    expect(host.vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(rules()).toEqual([0, 0, 0, 0]);
  } finally {
    await host.vif.host.close();
  }
});

describe.each<BackEnd>(['nft', 'legacy'])('network-bridge with iptables-%s', (backEnd) => {
  let net: NetHost;
  const nf = (): string =>
    net.host.ok('sh', '-c', 'cat /proc/sys/net/bridge/bridge-nf-call-*').replaceAll('\n', '');
  const setNf = (value: number): string =>
    net.host.ok('sh', '-c', `for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo ${value} >$f; done`);
  const policies = (): string[] =>
    TOOLS.map((tool) => net.host.ok(`${tool}-${backEnd}`, '-S', 'FORWARD').split('\n')[0] ?? '');

  beforeEach(async () => {
    net = await NetHost.create();
    choose(net.host, backEnd);
    setNf(0);
  });

  afterEach(() => net.host.close());

  test('antispoof=yes: bridged packets are filtered until the last hook that needs it stops', async () => {
    const before = await net.host.settled();
    net.ok('network-bridge', 'start', 'antispoof=yes');
    net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'antispoof=yes');
    expect([nf(), ...policies()]).toEqual(['111', '-P FORWARD DROP', '-P FORWARD DROP']);
    const guest = net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.77' });
    guest.ip('address add 192.0.2.77/24 dev eth0', 'address add 192.0.2.78/24 dev eth0');
    await waitUntil('the guest to be answered', () => guest.reaches('192.0.2.1'));
    expect(guest.reaches('192.0.2.1', '-I', '192.0.2.78')).toBe(false);
    net.end('vif-bridge', 1);
    net.ok('network-bridge', 'stop');
    expect([nf(), ...policies()]).toEqual(['111', '-P FORWARD DROP', '-P FORWARD DROP']);
    net.ok('network-virtual', 'stop', 'bridge=vmnet1');
    expect(nf()).toBe('000');
    expect(await net.host.snapshotLike(before)).toEqual(before);
  });

  test('refilter puts back what antispoof=yes has of the whole host, and the rules of guests', async () => {
    net.ok('network-bridge', 'start', 'antispoof=yes');
    const guest = net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.77' });
    guest.ip('address add 192.0.2.77/24 dev eth0', 'address add 192.0.2.78/24 dev eth0');
    const strict = net.guest('vif-bridge', 2, { bridge: 'xenbr0', ip: '192.0.2.79' }, ['antispoof=strict']);
    strict.ip('address add 192.0.2.79/24 dev eth0');
    const before = await net.host.settled();
    net.host.run(['nft', 'flush', 'ruleset']);
    for (const tool of TOOLS)
      for (const words of [['-F'], ['-P', 'FORWARD', 'ACCEPT'], ['-t', 'raw', '-F']])
        net.host.ok(`${tool}-${backEnd}`, ...words);
    setNf(0);
    expect(guest.reaches('192.0.2.1', '-I', '192.0.2.78')).toBe(true);
    expect(net.host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    expect(guest.reaches('192.0.2.1', '-I', '192.0.2.78')).toBe(false);
    for (const from of [guest, strict]) expect(from.reaches('192.0.2.1')).toBe(true);
    expect(await net.host.snapshotLike(before)).toEqual(before);
  });

  test("Docker's FORWARD is named in a warning with what to do, is passed, and stays", async () => {
    setNf(1);
    net.host.ip('link add docker0 type bridge');
    net.host.ok('iptables', '-P', 'FORWARD', 'DROP');
    const before = await net.host.settled();
    const ran = net.host.hook('network-bridge', ['start']);
    expect(ran.status).toBe(0);
    const chain = backEnd === 'nft' ? 'ip filter FORWARD' : 'FORWARD of iptables-legacy';
    expect(ran.stderr).toContain(
      `the chain ${chain} drops what no rule lets pass (Docker, most likely). Rules that let its card pass are put there, ` +
        'and vif-bridge adds those of each guest; or set net.bridge.bridge-nf-call-iptables and -ip6tables to 0.',
    );
    expect(net.host.reaches('192.0.2.1')).toBe(true);
    const guest = net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.77' });
    guest.ip('address add 192.0.2.77/24 dev eth0');
    await waitUntil('the guest to be answered', () => guest.reaches('192.0.2.1'));
    expect(net.outside.reaches('192.0.2.77')).toBe(true);
    net.end('vif-bridge', 1);
    net.ok('network-bridge', 'stop');
    expect(await net.host.snapshotLike(before)).toEqual(before);
    expect([nf(), policies()[0]]).toEqual(['111', '-P FORWARD DROP']);
  });
});
