import { expect } from 'vitest';
import { xlEnv } from '../support/hosts/host.ts';
import { startOpenVswitch } from '../support/openvswitch.ts';
import { createGuest, plainHost, portsOf, reaches, routeBy } from './guests.ts';
import { expectLines, type Page } from './page.ts';
import type { Scenario } from './scenario.ts';

const XEND = '/etc/xen/xend-config.sxp';

/** The lines of a xend-config.sxp that a document shows, with one network script. */
function xendConfig(page: Page, nth = 0): string {
  const lines = page.paragraph('# xend-config.sxp').filter((line) => line.startsWith('('));
  const scripts = lines.filter((line) => line.startsWith('(network-script'));
  return [scripts[nth], ...lines.filter((line) => !scripts.includes(line)), ''].join('\n');
}

/** docs/guide.md, network-bridge and vif-bridge. */
const BRIDGED: readonly Scenario[] = [
  {
    document: 'docs/guide.md',
    headings: ['network-bridge'],
    async play(page, keep) {
      const net = keep(await plainHost());
      const { host } = net;
      host.nic('eth1');
      const before = await host.settled();
      page.ok(host, 'network-bridge {start|stop|status} [VARIABLE=VALUE …] [--dry-run|-n] [--json]', {
        as: [
          'network-bridge start topology=plain -n',
          'network-bridge start --dry-run --json',
          'network-bridge status',
          'network-bridge stop',
        ],
      });
      page.ok(host, 'network-bridge start --dry-run');
      expect(await host.settled()).toEqual(before);
      page.ok(host, 'network-bridge start check=192.0.2.1 confirm=120');
      page.ok(host, 'xen-network confirm');
      expectLines(page.ok(host, 'brctl show'), ['xenbr0 8000.feffffffffff no peth0', 'vif0.0']);
      expect(page.ok(host, 'ip addr')).toMatch(/ eth0@vif0\.0: [\s\S]*inet 192\.0\.2\.2\/24/);
      host.hook('network-bridge', ['stop']);
      expect(await host.snapshotLike(before)).toEqual(before);
      page.ok(host, 'network-bridge start vifnum=0');
      page.ok(host, 'network-bridge start vifnum=1 netdev=eth1');
      expect([portsOf(host, 'xenbr0'), portsOf(host, 'xenbr1')]).toEqual([
        ['peth0', 'vif0.0'],
        ['peth1', 'vif0.1'],
      ]);
      await reaches(net.outside, '192.0.2.2');
      host.hook('network-bridge', ['stop', 'vifnum=1']);
      host.hook('network-bridge', ['stop', 'vifnum=0']);
      expect(await host.snapshotLike(before)).toEqual(before);
      expect(page.ok(host, 'xen-network recover')).toContain('nothing to take back');
      page.ok(host, 'network-bridge start', { as: ['network-bridge start antispoof=yes'] });
      // Where the kernel cannot tell a frame's bridge there is the other set that the document names.
      const table = () => host.ok('nft', 'list', 'table', 'bridge', 'xen_network_wrapped_xenbr0');
      const set = table().includes('set outside') ? 'outside' : 'guests';
      const card = `nft add element bridge xen_network_wrapped_xenbr0 outside { "eth5" }`;
      page.ok(host, card, { as: [card.replace('outside', set).replace(/\{.*\}/, `'$&'`)] });
      expect(table()).toContain('"eth5"');
      page.ok(host, 'xen-network refilter');
      await createGuest(host, 1, { bridge: 'xenbr0' });
      host.ip('link set vif1.0 nomaster');
      page.ok(host, 'xen-network reattach GUEST', { as: ['xen-network reattach --all'] });
      expect(portsOf(host, 'xenbr0')).toContain('vif1.0');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['vif-bridge'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start']);
      const guest = await createGuest(host, 1, { bridge: 'xenbr0', ip: '192.0.2.11' });
      guest.ip('address add 192.0.2.11/24 dev eth0');
      const rules = page.ok(host, 'iptables -S FORWARD').replace(/ -m comment --comment "[^"]*"/g, '');
      expectLines(rules, page.paragraph('-A FORWARD -s 192.0.2.11/32'));
      await reaches(guest, '192.0.2.1');
      host.tap(1);
      const env = xlEnv(1, 0, { INTERFACE: 'vif1.0-emu' });
      page.ok(host, 'vif-bridge {online|offline|add|remove} [VARIABLE=VALUE …] [--dry-run]', {
        env,
        as: ['online --dry-run', 'online', 'add type_if=tap', 'remove type_if=tap', 'offline'].map(
          (words) => `vif-bridge ${words}`,
        ),
      });
      expect(portsOf(host, 'xenbr0')).toEqual(['peth0', 'vif0.0']);
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['vlan= on a Linux bridge'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start']);
      // Kernels without it (CONFIG_BRIDGE_VLAN_FILTERING) leave this to the lab's.
      if (host.run(['test', '-e', '/sys/class/net/xenbr0/bridge/vlan_filtering']).status !== 0) return;
      page.ok(host, 'ip link set dev xenbr0 type bridge vlan_filtering 1');
      page.ok(host, 'bridge vlan add dev peth0 vid 10');
      const [card = {}] = page.vifs();
      const guest = await createGuest(host, 1, card);
      expectLines(page.ok(host, 'bridge vlan show dev vif1.0'), ['vif1.0 10 PVID Egress Untagged']);
      const outside = host.netns('gw-eth0');
      outside.ip(
        'link add link eth0 name tagged type vlan id 10',
        'link set tagged up',
        'address add 198.51.100.1/24 dev tagged',
      );
      guest.ip('address add 198.51.100.2/24 dev eth0');
      await reaches(guest, '198.51.100.1');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['vif-setup'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.ip('link add br0 type bridge', 'link set br0 up');
      host.vif(1);
      (await host.xenstore()).vif(1, 0);
      page.ok(host, 'vif-bridge bridge=br0', {
        as: ['vif-setup online type_if=vif'],
        env: xlEnv(1, 0, { script: 'vif-bridge bridge=br0' }),
      });
      expect(portsOf(host, 'br0')).toEqual(['vif1.0']);
    },
  },
  {
    document: 'docs/guide.md',
    headings: ["The administrator's tool"],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.write(XEND, '(network-script network-bridge)\n');
      await host.xenstore();
      page.ok(host, 'xen-network start|stop|restart', {
        as: ['start', 'restart'].map((word) => `xen-network ${word}`),
      });
      expect(page.ok(host, 'xen-network status')).toContain('xenbr0');
      page.ok(host, 'xen-network doctor [GUEST]', { as: ['xen-network doctor'] });
      page.ok(host, 'xen-network confirm');
      page.ok(host, 'xen-network recover');
      page.ok(host, 'xen-network refilter');
      page.ok(host, 'xen-network vif');
      await createGuest(host, 1, { bridge: 'xenbr0', vifname: 'web' });
      host.ip('link set web nomaster');
      page.ok(host, 'xen-network reattach web');
      expect(portsOf(host, 'xenbr0')).toContain('web');
      page.ok(host, 'xen-network sandbox');
      page.ok(host, 'xen-network check [FILE …]', { as: ['xen-network check /etc/xen/xend-config.sxp'] });
      page.ok(host, 'xen-network mac [ADDRESS]', { as: ['xen-network mac 192.0.2.51'] });
      page.ok(host, 'xen-network traffic [GUEST]', { as: ['xen-network traffic'] });
      page.ok(host, 'xen-network completion SHELL', { as: ['xen-network completion bash'] });
      page.ok(host, 'xen-network hooks WORD', { as: ['xen-network hooks status; test $? = 1'] });
      expect(page.ok(host, 'xen-network HOOK …', { as: ['xen-network network-bridge status'] })).toContain(
        'xenbr0',
      );
    },
  },
];

/** docs/guide.md, the networks that are made without a card. */
const NETWORKS: readonly Scenario[] = [
  {
    document: 'docs/guide.md',
    headings: ['A private network behind the host: network-nat'],
    async play(page, keep) {
      const net = keep(await plainHost());
      const { host } = net;
      host.write(XEND, xendConfig(page));
      const before = await host.settled();
      host.ok('/etc/xen/scripts/xen-network', 'start');
      host.ok('/etc/xen/scripts/xen-network', 'stop');
      expect(await host.snapshotLike(before)).toEqual(before);
      page.ok(host, 'network-nat start dhcp=yes');
      const [card = {}] = page.vifs();
      const guest = await createGuest(host, 1, card);
      await page.shows(host, 'iptables -t nat -S POSTROUTING; ip -br addr; ip route');
      expect(net.lease(1)).toMatchObject({ ip_address: '10.0.1.1', routers: '10.0.1.128' });
      await reaches(guest, '192.0.2.1');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['Guests with addresses of the outside network: network-route'],
    async play(page, keep) {
      const net = keep(await plainHost());
      const { host } = net;
      host.write(XEND, xendConfig(page));
      const before = await host.settled();
      host.ok('/etc/xen/scripts/xen-network', 'start');
      host.ok('/etc/xen/scripts/xen-network', 'stop');
      expect(await host.snapshotLike(before)).toEqual(before);
      page.ok(host, 'network-route start');
      const [card = {}] = page.vifs();
      routeBy(await createGuest(host, 1, card), '192.0.2.77', '192.0.2.2');
      await page.shows(host, 'ip route; sysctl net.ipv4.ip_forward net.ipv4.conf.eth0.proxy_arp');
      await reaches(net.outside, '192.0.2.77');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['A network of its own, the "brouter": network-virtual'],
    async play(page, keep) {
      const [card = {}] = page.vifs();
      const forms = [
        ['vmnet1', 'brctl show; ip -br addr show vmnet1; iptables -t mangle -S FORWARD', '10.1.1'],
        ['vmnet8', 'iptables -t nat -S POSTROUTING; iptables -S FORWARD', '10.1.1'],
        ['xenbr0', 'ip route; iptables -S FORWARD', '10.0.0'],
      ] as const;
      for (const [nth, [bridge, command, net]] of forms.entries()) {
        const { host, outside } = keep(await plainHost());
        host.write(XEND, xendConfig(page, nth));
        host.ok('/etc/xen/scripts/xen-network', 'start');
        const guest = await createGuest(host, 1, { ...card, bridge });
        await page.shows(host, command);
        guest.ip(`address add ${net}.9/24 dev eth0`, `route add default via ${net}.1`);
        outside.ip(`route add ${net}.0/24 via 192.0.2.2`);
        await reaches(guest, `${net}.1`);
        if (bridge !== 'vmnet1') await reaches(guest, '192.0.2.1');
        else expect(guest.reaches('192.0.2.1')).toBe(false);
      }
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['Several at once: network-multi-bridge'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.nic('dummy0');
      const before = await host.settled();
      const list = page.paragraph('# /etc/xen/network-multi-bridge.conf');
      host.write('/etc/xen/network-multi-bridge.conf', `${list.join('\n')}\n`);
      host.write(XEND, xendConfig(page));
      host.ok('/etc/xen/scripts/xen-network', 'start');
      await page.shows(host, 'brctl show');
      host.ok('/etc/xen/scripts/xen-network', 'stop');
      expect(await host.snapshotLike(before)).toEqual(before);
      page.ok(
        host,
        'network-multi-bridge start network-bridge vifnum=0 network-bridge vifnum=1 netdev=dummy0',
      );
      expect([portsOf(host, 'xenbr0'), portsOf(host, 'xenbr1')]).toEqual([
        ['peth0', 'vif0.0'],
        ['pdummy0', 'vif0.1'],
      ]);
    },
  },
];

/** docs/guide.md, the other vif hooks. */
const ROUTED: readonly Scenario[] = [
  {
    document: 'docs/guide.md',
    headings: ['vif-route: routed guests'],
    async play(page, keep) {
      const { host, outside } = keep(await plainHost(46));
      host.ip(
        'address flush dev eth0 scope global',
        'address add 198.51.100.2/24 dev eth0',
        'address add 2001:db8::2/64 dev eth0',
      );
      outside.ip('address add 198.51.100.1/24 dev eth0', 'address add 192.0.2.1/32 dev lo');
      page.ok(host, 'network-route start');
      page.ok(host, 'network-route start ipv6=yes');
      const [card = {}] = page.vifs();
      const guest = await createGuest(host, 1, card);
      page.ok(guest, 'ip address add 192.0.2.11/32 dev eth0');
      page.ok(guest, 'ip route add 198.51.100.2 dev eth0');
      page.ok(guest, 'ip route add default via 198.51.100.2');
      for (const command of [
        'ip -br address show dev vif1.0',
        'ip route show dev vif1.0',
        `ip -6 route show dev vif1.0 | grep 'metric 2'`,
        'ip -6 neigh show proxy',
      ])
        await page.shows(host, command);
      outside.run(['ip', 'route', 'del', '192.0.2.0/24']);
      page.ok(outside, 'ip route add 192.0.2.0/24 via 198.51.100.2');
      await reaches(guest, '198.51.100.1');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['vif-nat: guests behind NAT'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      page.ok(host, 'network-nat start', { as: ['network-nat start dhcp=no'] });
      const [first = {}, second = {}] = page.vifs();
      const guest = await createGuest(host, 1, first);
      routeBy(guest, '10.0.1.1', '10.0.1.128');
      for (const command of [
        'ip -br address show dev vif1.0',
        'ip route show dev vif1.0',
        'iptables -S FORWARD',
      ])
        await page.shows(host, command);
      await reaches(guest, '192.0.2.1');
      const other = await createGuest(host, 2, second);
      routeBy(other, '10.0.0.11', '10.0.0.138');
      await reaches(other, '192.0.2.1');
    },
  },
  {
    document: 'docs/guide.md',
    headings: ['vif-openvswitch'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      startOpenVswitch(host, 'ovsbr0');
      const store = await host.xenstore();
      const vm = '/vm/5f1a9c1e-0d3c-4d11-9b7a-3a0f2f6f7b11';
      store.write({ '/local/domain/1/vm': vm, [`${vm}/name`]: 'web', [`${vm}/uuid`]: vm.slice(4) });
      const [card = {}] = page.vifs();
      await createGuest(host, 1, card);
      const printed =
        page.ok(host, 'ovs-vsctl show') + page.ok(host, 'ovs-vsctl get interface vif1.0 external-ids');
      expectLines(printed, page.paragraph('Port vif1.0'));
    },
  },
];

export const GUIDE: readonly Scenario[] = [...BRIDGED, ...NETWORKS, ...ROUTED];
