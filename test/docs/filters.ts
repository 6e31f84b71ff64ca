import { expect } from 'vitest';
import { type Host, xlEnv } from '../support/hosts/host.ts';
import { strictElementsIn } from '../support/hosts/strict-host.ts';
import { createGuest, plainHost, portsOf, reaches } from './guests.ts';
import { expectLines } from './page.ts';
import type { Scenario } from './scenario.ts';

/** The strict filter's counters, which depend on what was sent. */
const COUNTED = /(?<=packets |bytes |locked +|disabled +)\d+/g;

/** docs/antispoof.md and docs/contract.md. */
export const FILTERS: readonly Scenario[] = [
  {
    document: 'docs/antispoof.md',
    headings: ['Filters that stop spoofing: antispoof=strict'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      page.ok(host, 'network-bridge start antispoof=strict');
      await createGuest(host, 1, { bridge: 'xenbr0', ip: '192.0.2.11' });
      page.ok(host, 'network-virtual start bridge=vmnet1 bridgeip=10.1.1.1/24 antispoof=strict');
      await createGuest(host, 2, { bridge: 'vmnet1', ip: '10.1.1.11' });
      host.ip('link add br9 type bridge', 'link set br9 up');
      await createGuest(host, 3, { bridge: 'br9' });
      page.ok(host, 'vif-bridge online antispoof=strict', { env: xlEnv(3) });
      host.write('/etc/xen/scripts/vif-strict', `${page.paragraph('#!/bin/sh').join('\n')}\n`, '755');
      await createGuest(host, 4, { bridge: 'br9', script: 'vif-strict' });
      const table = page.ok(host, 'nft list table bridge xen_network');
      for (const domid of [1, 2, 3, 4]) expect(table).toContain(`"vif${domid}.0"`);
      const { host: routing } = keep(await plainHost());
      for (const kind of ['route', 'nat']) page.ok(routing, `network-${kind} start antispoof=strict`);
      await createGuest(routing, 1, { script: 'vif-route', ip: '198.51.100.11' });
      await createGuest(routing, 2, { script: 'vif-nat' });
      const chains = page.ok(routing, 'nft list table netdev xen_network');
      for (const domid of [1, 2]) expect(chains).toContain(`chain from/vif${domid}.0 {`);
    },
  },
  {
    document: 'docs/antispoof.md',
    headings: [
      'Modes',
      'Counters and log',
      'Your own rules',
      'After a firewall was reloaded',
      'Docker, and other programs that drop forwarded packets',
      'What it does not do',
    ],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start', 'antispoof=strict']);
      const ip = (domid: number) => `192.0.2.${10 + domid}`;
      const web = await createGuest(host, 1, { bridge: 'xenbr0', ip: ip(1), vifname: 'web' });
      const others = [];
      for (const domid of [2, 3])
        others.push(await createGuest(host, domid, { bridge: 'xenbr0', ip: ip(domid) }));
      web.ip('address add 192.0.2.99/24 dev eth0');
      await page.shows(host, 'xen-network vif web unlocked');
      await reaches(web, '192.0.2.1');
      host.ok('/etc/xen/scripts/xen-network', 'vif', 'web', 'locked');
      expect(web.reaches('192.0.2.1')).toBe(false);
      host.ok('/etc/xen/scripts/xen-network', 'vif', 'vif3.0', 'disabled');
      others[1]?.ip('address add 192.0.2.13/24 dev eth0');
      expect(others[1]?.reaches('192.0.2.1')).toBe(false);
      await page.shows(host, 'xen-network vif', { volatile: COUNTED });
      await page.shows(host, 'nft list set bridge xen_network refused', { volatile: COUNTED });
      for (const word of ['on', 'off']) {
        await page.shows(host, `xen-network vif web log ${word}`);
        expect(strictElementsIn(host).includes('logged "web"')).toBe(word === 'on');
      }
      for (const rule of [
        `nft 'add rule bridge xen_network xen-network-custom iifname "web" tcp dport 25 counter drop'`,
        `nft 'add element bridge xen_network ethertypes { 0x8892 }'`,
        `nft 'add rule bridge xen_network xen-network-custom ip protocol { 89, 112 } drop'`,
      ])
        page.ok(host, rule);
      const custom = host.ok('nft', 'list', 'chain', 'bridge', 'xen_network', 'xen-network-custom');
      expect(custom).toMatch(/dport (25|smtp) counter.*drop[\s\S]*protocol.*drop/);

      page.ok(host, 'nft flush ruleset');
      await page.shows(host, 'xen-network vif');
      await page.shows(host, 'xen-network refilter');
      expect(host.ok('nft', 'list', 'table', 'bridge', 'xen_network')).toContain('"web"');

      isCutOffByDocker(host, page.paragraph('vif-bridge: vif2.0'));
    },
  },
  {
    document: 'docs/antispoof.md',
    headings: ['notrack'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start', 'antispoof=yes']);
      await createGuest(host, 2, { bridge: 'xenbr0', ip: '192.0.2.12' });
      await page.shows(host, 'iptables -t raw -S PREROUTING');
    },
  },
  {
    document: 'docs/antispoof.md',
    headings: ['antispoof=yes and the host itself'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start', 'antispoof=yes']);
      await createGuest(host, 2, { bridge: 'xenbr0', ip: '192.0.2.12' });
      await page.shows(host, 'nft list table bridge xen_network_wrapped_xenbr0');
    },
  },
  {
    document: 'docs/contract.md',
    headings: ['Callers', 'Filter rules'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.nic('eth1');
      page.ok(host, 'network-bridge start netdev=eth1 bridge=foo');
      expect(portsOf(host, 'foo')).toContain('peth1');
      page.ok(host, 'network-bridge {start|stop|status} VARIABLE=VALUE …', {
        as: ['start', 'status', 'stop'].map((word) => `network-bridge ${word} bridge=bar netdev=eth0`),
      });
      const store = await host.xenstore();
      host.vif(1);
      store.vif(1, 0, { bridge: 'foo', ip: '192.0.2.11' });
      const env = { script: 'vif-bridge', XENBUS_PATH: 'backend/vif/1/0', vif: 'vif1.0' };
      page.ok(host, 'vif-setup online type_if=vif', { env });
      const rules = page
        .paragraph('-A FORWARD -s ADDRESS')
        .map((line) => line.replace('ADDRESS', '192.0.2.11/32').replace('VIF', 'vif1.0'));
      expectLines(page.ok(host, 'iptables -S FORWARD').replace(/ -m comment --comment "[^"]*"/g, ''), rules);
      host.tap(1);
      page.ok(host, 'vif-setup add type_if=tap', { env: { ...env, INTERFACE: 'vif1.0-emu' } });
      expect(portsOf(host, 'foo')).toEqual(expect.arrayContaining(['vif1.0', 'vif1.0-emu']));
    },
  },
];

/** A guest that nothing lets through where somebody else drops what is forwarded. */
function isCutOffByDocker(host: Host, sentence: readonly string[]): void {
  host.ip('link add docker0 type bridge');
  host.ok('sh', '-c', 'echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; iptables -P FORWARD DROP');
  host.ok('sh', '-c', 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables');
  const { stderr } = host.hook('vif-bridge', ['online', 'filter=no'], xlEnv(2));
  expectLines(stderr, [sentence.join(' ')]);
}
