import { afterEach, describe, expect, test } from 'vitest';
import { type Host, xlEnv } from '../../support/hosts/host.ts';
import {
  createPluggedHost,
  differences,
  lookFor,
  setSettings,
  settled,
} from '../../support/models/bridge-state.ts';
import { waitUntil } from '../../support/wait.ts';

const NF = [
  'call-iptables',
  'call-ip6tables',
  'call-arptables',
  'filter-vlan-tagged',
  'filter-pppoe-tagged',
].map((name) => `bridge/bridge-nf-${name}`);
const ADMINS = ['-A', 'FORWARD', '-s', '203.0.113.0/24', '-j', 'DROP'];
const TOOLS = ['iptables', 'ip6tables'];

let host: Host;

afterEach(() => host.close());

async function plugged(): Promise<void> {
  host = await createPluggedHost();
  setSettings(host, Object.fromEntries(NF.map((path) => [path, '0'])));
  host.ok('iptables', ...ADMINS);
}

function bridge(...words: string[]) {
  return host.hook('network-bridge', words);
}

function forward(tool = 'iptables'): string[] {
  return host.ok(tool, '-S', 'FORWARD').trim().split('\n');
}

function filtered(): string[] {
  return NF.map((path) => host.ok('cat', `/proc/sys/net/${path}`).trim());
}

function passed(port: string): string {
  return `-A FORWARD -m physdev --physdev-in ${port} --physdev-is-bridged -j ACCEPT`;
}

describe('antispoof=yes', () => {
  test.each([
    ['classic', ['peth0', 'vif0.0']],
    ['rename', ['peth0']],
    ['plain', ['eth0']],
  ])(
    '%s: DROP, our rules, the administrator’s kept, and all as before after stop',
    async (topology, ports) => {
      await plugged();
      const before = await settled(host);
      expect(bridge('start', `topology=${topology}`, 'antispoof=yes')).toMatchObject({
        status: 0,
        stderr: '',
      });
      expect(forward()).toEqual(['-P FORWARD DROP', ...ports.map(passed), ADMINS.join(' ')]);
      expect(forward('ip6tables')).toEqual(['-P FORWARD DROP', ...ports.map(passed)]);
      expect(filtered()).toEqual(Array(NF.length).fill('1'));
      for (const address of ['192.0.2.1', '2001:db8::1']) expect(host.reaches(address)).toBe(true);
      const gateway = host.netns('gw-eth0');
      for (const address of ['192.0.2.10', '2001:db8::10']) expect(gateway.reaches(address)).toBe(true);
      expect(bridge('stop')).toMatchObject({ status: 0, stderr: '' });
      expect(differences(before, await lookFor(host, before))).toEqual([]);
    },
  );

  test.each([
    ['there', undefined],
    ['removed by hand', 'link del dev xenbr0'],
  ])(
    'network-virtual’s DROP: the rules for the card of a bridge that is %s go with its stop',
    async (_how, removed) => {
      await plugged();
      const virtual = (act: string) => host.hook('network-virtual', [act, 'bridge=vmnet1', 'antispoof=yes']);
      expect(bridge('start').status).toBe(0);
      expect(virtual('start')).toMatchObject({ status: 0 });
      for (const tool of TOOLS)
        expect(forward(tool)).toEqual(expect.arrayContaining(['peth0', 'vif0.0'].map(passed)));
      if (removed !== undefined) host.ip(removed);
      expect(bridge('stop').status).toBe(0);
      for (const tool of TOOLS) expect(forward(tool).join('\n')).not.toMatch(/peth0|vif0\.0/);
      expect(host.ok('cat', '/run/xen-network/ledger')).not.toContain('peth0');
      expect(virtual('stop').status).toBe(0);
    },
  );

  // Found by `npm run soak`, seed 598294642.
  test('network-virtual’s DROP that somebody’s rules have replaced cuts off no bridge that starts before a refilter', async () => {
    await plugged();
    await host.xenstore();
    expect(host.hook('network-virtual', ['start', 'bridge=vmnet1', 'antispoof=yes'])).toMatchObject({
      status: 0,
    });
    for (const tool of TOOLS) host.ok(tool, '-P', 'FORWARD', 'ACCEPT');
    expect(bridge('start')).toMatchObject({ status: 0, stderr: '' });
    expect(host.hook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    for (const tool of TOOLS)
      expect(forward(tool)).toEqual(
        expect.arrayContaining(['-P FORWARD DROP', ...['peth0', 'vif0.0'].map(passed)]),
      );
    for (const address of ['192.0.2.1', '2001:db8::1']) expect(host.reaches(address)).toBe(true);
  });

  test('a guest passes with its own addresses only, and one without any passes', async () => {
    await plugged();
    const store = await host.xenstore();
    expect(bridge('start', 'antispoof=yes').status).toBe(0);
    const guests = [
      { domid: 1, ip: '192.0.2.51 2001:db8::51', own: ['192.0.2.51', '2001:db8::51'] },
      { domid: 2, ip: '', own: ['192.0.2.52', '2001:db8::52'] },
    ];
    for (const { domid, ip, own } of guests) {
      const guest = host.vif(domid);
      store.vif(domid, 0, ip === '' ? {} : { ip });
      expect(host.hook('vif-bridge', ['online', 'type_if=vif'], xlEnv(domid))).toMatchObject({ status: 0 });
      guest.ip(
        'link set eth0 up',
        ...own.map((address, i) => `address add ${address}/${i === 0 ? 24 : 64} dev eth0`),
      );
      for (const address of ['192.0.2.1', '192.0.2.10', '2001:db8::1', '2001:db8::10'])
        await waitUntil(`guest ${domid} to reach ${address}`, () => guest.reaches(address));
    }
    const thief = host.netns('guest1');
    thief.ip('address add 192.0.2.66/24 dev eth0', 'address add 2001:db8::66/64 dev eth0');
    expect(thief.run(['ping', '-c1', '-W1', '-I', '192.0.2.66', '192.0.2.1']).status).not.toBe(0);
    expect(thief.run(['ping', '-c1', '-W1', '-I', '2001:db8::66', '2001:db8::1']).status).not.toBe(0);
    expect(thief.reaches('192.0.2.1')).toBe(true);
  });

  test.each([
    [0, 1],
    [1, 0],
  ])('two bridges, stopped in the order %i, %i: dropped until the last one is gone', async (...order) => {
    await plugged();
    host.nic('dummy0', { address: '172.31.0.1/24' });
    const before = await settled(host);
    const calls = [['netdev=eth0'], ['vifnum=1', 'netdev=dummy0']];
    for (const words of calls) expect(bridge('start', 'antispoof=yes', ...words).status).toBe(0);
    expect(bridge('stop', ...(calls[order[0] ?? 0] ?? [])).status).toBe(0);
    for (const tool of TOOLS) expect(forward(tool)[0]).toBe('-P FORWARD DROP');
    expect(forward().filter((rule) => rule.includes('physdev'))).toHaveLength(2);
    expect(filtered()).toEqual(Array(NF.length).fill('1'));
    expect(bridge('stop', ...(calls[order[1] ?? 0] ?? [])).status).toBe(0);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test.each([
    ['network-bridge', 'vifnum=1', 'netdev=dummy0'],
    ['network-virtual', 'bridge=vmnet8', 'bridgeip=10.1.1.1/24'],
  ])('%s after a bridge without it leaves the host its network by that bridge', async (hook, ...words) => {
    await plugged();
    host.nic('dummy0', { address: '172.31.0.1/24' });
    const before = await settled(host);
    expect(bridge('start', 'netdev=eth0').status).toBe(0);
    expect(host.hook(hook, ['start', 'antispoof=yes', ...words])).toMatchObject({ status: 0, stderr: '' });
    const gateway = host.netns('gw-eth0');
    for (const address of ['192.0.2.1', '2001:db8::1']) expect(host.reaches(address)).toBe(true);
    for (const address of ['192.0.2.10', '2001:db8::10']) expect(gateway.reaches(address)).toBe(true);
    expect(host.hook(hook, ['stop', ...words]).status).toBe(0);
    for (const tool of TOOLS) expect(forward(tool).filter((rule) => rule.includes('physdev'))).toEqual([]);
    expect(bridge('stop', 'netdev=eth0').status).toBe(0);
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });

  test('stop works when somebody flushed the rules meanwhile', async () => {
    await plugged();
    expect(bridge('start', 'antispoof=yes').status).toBe(0);
    for (const tool of TOOLS) host.ok(tool, '-F', 'FORWARD');
    expect(bridge('stop')).toMatchObject({ status: 0, stderr: '' });
    for (const tool of TOOLS) expect(forward(tool)).toEqual(['-P FORWARD ACCEPT']);
    expect(filtered()).toEqual(Array(NF.length).fill('0'));
  });

  test('without a working iptables nothing is begun', async () => {
    await plugged();
    host.ok('mount', '-t', 'tmpfs', 'tmpfs', '/usr/local/sbin');
    host.write('/usr/local/sbin/ip6tables', '#!/bin/sh\necho "no such table" >&2\nexit 3\n', '755');
    const before = await settled(host);
    const ran = bridge('start', 'antispoof=yes');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('antispoof=yes needs ip6tables, which does not work here (no such table).');
    expect(differences(before, await lookFor(host, before))).toEqual([]);
  });
});
