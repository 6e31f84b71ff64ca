import { join } from 'node:path';
import { expect } from 'vitest';
import { Host } from '../support/hosts/host.ts';
import { createGuest, plainHost, portsOf, reaches, routeBy } from './guests.ts';
import { expectLines, HERE } from './page.ts';
import type { Scenario } from './scenario.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Who works on the project has Node.js where it is. */
const env = { PATH: process.env['PATH'] ?? '' };

/** README.md, CONTRIBUTING.md, SECURITY.md and docs/desk.md. */
export const START_HERE: readonly Scenario[] = [
  {
    document: 'README.md',
    headings: ['The safe way on a remote host'],
    async play(page, keep) {
      const net = keep(await plainHost());
      const { host } = net;
      const before = await host.settled();
      expect(page.ok(host, 'network-bridge start --dry-run')).toMatch(/^# .*\nip link add name xenbr0 /m);
      expect(host.snapshot()).toEqual(before);
      const waiting = () => host.run(['ls', '/run/xen-network/pending']).stdout;
      page.ok(host, 'network-bridge start check=192.0.2.1 confirm=120');
      expect(waiting()).toContain('.deadline');
      page.ok(host, 'xen-network confirm');
      expect(waiting()).toBe('');
      expect(portsOf(host, 'xenbr0')).toEqual(['peth0', 'vif0.0']);
      await reaches(net.outside, '192.0.2.2');
      expect(page.ok(host, 'xen-network recover')).toContain('nothing to take back');
    },
  },
  {
    document: 'README.md',
    headings: ['Try it'],
    async play(page, keep) {
      const { host } = keep({ host: await Host.create() });
      const untimed = (text: string) => text.replace(/[\d.]+ ms/g, 'some ms');
      const printed = page.ok(host, 'npm run demo', { as: ['xen-network sandbox'] });
      expectLines(untimed(printed), page.paragraph('xend starts').map(untimed));
    },
  },
  {
    document: 'README.md',
    headings: ['Three recipes'],
    async play(page, keep) {
      const [bridged = {}, natted = {}, routed = {}] = page.vifs();
      const first = keep(await plainHost());
      page.ok(first.host, 'network-bridge start antispoof=strict');
      const held = await createGuest(first.host, 1, bridged);
      held.ip('address add 192.0.2.51/24 dev eth0');
      await reaches(held, '192.0.2.1');
      held.ip('address add 192.0.2.52/24 dev eth0');
      expect(held.reaches('192.0.2.1', '-I', '192.0.2.52')).toBe(false);

      const second = keep(await plainHost());
      page.ok(second.host, 'network-nat start dhcp=yes');
      const behind = await createGuest(second.host, 1, natted);
      expect(second.lease(1)).toMatchObject({ ip_address: '10.0.1.1' });
      await reaches(behind, '192.0.2.1');

      const third = keep(await plainHost());
      page.ok(third.host, 'network-route start');
      routeBy(await createGuest(third.host, 1, routed), '192.0.2.51', '192.0.2.2');
      await reaches(third.outside, '192.0.2.51');
    },
  },
  {
    document: 'CONTRIBUTING.md',
    headings: ['Test one thing'],
    play(page) {
      const inRoot = (text: string) => page.ok(HERE, text, { as: [`cd '${ROOT}' && ${text}`], env });
      inRoot('npx vitest run --project host test/unit/plan/vlan.test.ts');
      const one = `npx vitest run --project host test/netns/vif-bridge/vlan.test.ts -t 'without vlan='`;
      expect(inRoot(one)).toMatch(/^1 passed, 0 failed/m);
    },
  },
  {
    document: 'SECURITY.md',
    headings: ['Reporting'],
    async play(page, keep) {
      const { host } = keep({ host: await Host.create() });
      expect(page.ok(host, 'xen-network --version')).toMatch(/^xen-network \d+\.\d+\.\d+$/m);
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['start, stop, restart: the network at boot'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.nic('eth1');
      host.write('/etc/xen/xend-config.sxp', `${page.paragraph('# /etc/xen/xend-config.sxp').join('\n')}\n`);
      const before = await host.settled();
      const file = '--config /etc/xen/xend-config.sxp';
      page.ok(host, 'xen-network start [--config FILE] [--dry-run]', {
        as: [`xen-network start ${file} --dry-run`],
      });
      expect(await host.settled()).toEqual(before);
      page.ok(host, 'xen-network start [--config FILE] [--dry-run]', { as: ['xen-network start'] });
      expect(portsOf(host, 'xenbr1')).toContain('peth1');
      page.ok(host, 'xen-network restart');
      expect(portsOf(host, 'xenbr1')).toContain('peth1');
      page.ok(host, 'xen-network stop');
      expect(await host.snapshotLike(before)).toEqual(before);
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['doctor: what is wrong'],
    async play(page, keep) {
      const net = keep(await plainHost());
      const { host } = net;
      host.ok('/etc/xen/scripts/network-bridge', 'start');
      const guest = await createGuest(host, 1, {
        bridge: 'xenbr0',
        mac: '00:16:3e:00:00:11',
        ip: '192.0.2.11',
      });
      guest.ip('address add 192.0.2.11/24 dev eth0');
      for (const form of ['xen-network doctor [--json]', 'xen-network doctor GUEST [--json]'])
        page.ok(host, form, { as: [form.replace('GUEST', '1').replace('[--json]', '--json')] });
      net.store.write({ '/local/domain/1/name': 'web', '/local/domain/1/device/vif/0/state': '4' });
      host.ip('link set vif1.0 nomaster');
      await page.shows(host, 'xen-network doctor');
      host.ip('link set vif1.0 master xenbr0');
      const volatile = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\b\d+\b|(?<=, )(?:REACHABLE|STALE|DELAY|PROBE)/g;
      host.ok('ping', '-c', '1', '-w', '60', '192.0.2.1');
      expect(guest.run(['ping', '-c', '1', '-w', '60', '192.0.2.1']).status).toBe(0);
      await page.shows(host, 'xen-network doctor web', { volatile });
      net.outside.ok('iptables', '-A', 'OUTPUT', '-p', 'icmp', '-j', 'DROP');
      const ping = guest.start(['ping', '-i', '0.2', '-w', '300', '192.0.2.1']);
      await page.shows(host, 'xen-network doctor web --watch --count 1', { volatile });
      page.ok(host, 'xen-network doctor GUEST --watch [--count N] [--json]', {
        as: ['xen-network doctor web --watch --count 1 --json; test $? -le 1'],
      });
      guest.run(['pkill', 'ping']);
      await ping;
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['hooks: the links in /etc/xen/scripts'],
    async play(page, keep) {
      const { host } = keep({ host: await Host.create() });
      const tree = hooksTree(host);
      const type = (word: string, more = '', status = '0') => {
        const form = word === 'status' ? '[--json]' : '[--dry-run]';
        const typed = `xen-network hooks ${word} ${more} ${tree.options}; test $? = ${status}`;
        return page.ok(host, `xen-network hooks ${word} ${form}`, { as: [typed] });
      };
      const isStock = () => host.ok('cat', tree.hook) === tree.stock;
      expect(type('status', '', '1')).toMatch(/^vif-bridge +stock/m);
      type('enable', '--dry-run');
      expect(isStock()).toBe(true);
      type('enable');
      expect(host.ok('readlink', tree.hook)).toContain('/usr/lib/xen-network/xen-network');
      expect(JSON.parse(type('status', '--json'))).toMatchObject({ version: 1 });
      type('disable', '--dry-run');
      expect(isStock()).toBe(false);
      type('disable');
      expect(isStock()).toBe(true);
    },
  },
];

/** A tree with this program and a stock script, as a package is made from: the machine's own list of diversions is none of it. */
function hooksTree(host: Host): { readonly options: string; readonly hook: string; readonly stock: string } {
  const program = '/usr/lib/xen-network/xen-network';
  const hook = '/run/tree/etc/xen/scripts/vif-bridge';
  const stock = '#!/bin/sh\necho stock\n';
  host.write(hook, stock, '755');
  host.ok('mkdir', '-p', '/run/tree/usr/lib/xen-network');
  host.ok('cp', '-L', '/etc/xen/scripts/xen-network', `/run/tree${program}`);
  return { options: `--root /run/tree --program ${program}`, hook, stock };
}
