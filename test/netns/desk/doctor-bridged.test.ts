import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doctorOf, type Fault, findAll, named } from '../../support/hosts/doctor.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { waitUntil } from '../../support/wait.ts';

let net: NetHost;

const ip = (...lines: string[]) => net.host.ip(...lines);
const sh = (script: string) => net.host.ok('sh', '-c', script);

/** A fault that is a file with some text. */
function inFile(name: string, path: string, text: string, sentence: RegExp): Fault {
  return [name, () => net.host.write(path, text), sentence, () => void net.host.ok('rm', path)];
}

describe('on a bridged host', () => {
  beforeAll(async () => {
    net = await NetHost.create();
    net.ok('network-bridge', 'start', 'netdev=eth0');
    net.guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.11', script: '/etc/xen/scripts/vif-bridge' });
    named(net);
  });
  afterAll(() => net.host.close());

  const index = (device: string) => net.host.ok('cat', `/sys/class/net/${device}/ifindex`).trim();
  const second = (values: Record<string, string> = {}) =>
    void net.guest('vif-bridge', 2, { bridge: 'xenbr0', ...values });
  const endSecond = () => {
    net.end('vif-bridge', 2);
    net.store.forget(2, 0);
  };

  findAll(
    () => net,
    [
      [
        'a bridge that is down',
        () => ip('link set xenbr0 down'),
        /The bridge xenbr0 is down/,
        () => ip('link set xenbr0 up'),
      ],
      [
        'a card that is down',
        () => ip('link set peth0 down'),
        /peth0, the card of xenbr0, is down.*ip link set dev peth0 up/,
        () => ip('link set peth0 up'),
      ],
      [
        "dom0's port that is down",
        () => ip('link set vif0.0 down'),
        /vif0\.0, by which dom0 is on xenbr0, is down/,
        () => ip('link set vif0.0 up'),
      ],
      [
        'a port with another MAC address',
        () => ip('link set vif0.0 address 02:00:00:00:00:77'),
        /vif0\.0, a port of xenbr0, has the MAC address 02:00:00:00:00:77.*address fe:ff:ff:ff:ff:ff"/,
        () => ip('link set vif0.0 address fe:ff:ff:ff:ff:ff'),
      ],
      [
        'a card that was taken out',
        () => ip('link set peth0 nomaster'),
        /Of xenbr0, peth0 was taken out of xenbr0\. Run "xen-network recover"/,
        () => ip('link set peth0 master xenbr0'),
      ],
      [
        'dom0 without an address',
        () =>
          sh(
            'ip route save table all >/run/routes; ip address save dev eth0 >/run/addresses; ip address flush dev eth0',
          ),
        /eth0, dom0's end of xenbr0, has no address; the card had 192\.0\.2\.2\/24.*ip address add 192\.0\.2\.2\/24 dev eth0/,
        () =>
          sh(
            'ip address restore </run/addresses; ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1 || true',
          ),
      ],
      [
        'a card without carrier',
        () => net.outside.ip('link set eth0 down'),
        /peth0, the card of xenbr0, has no carrier/,
        () => net.outside.ip('link set eth0 up'),
      ],
      [
        'a guest off its bridge',
        () => ip('link set vif1.0 nomaster'),
        /vif1\.0 of web is on no network.*xen-network reattach web/,
        () => ip('link set vif1.0 master xenbr0'),
      ],
      [
        "a guest's device that is down",
        () => ip('link set vif1.0 down'),
        /vif1\.0 of web is down.*ip link set dev vif1\.0 up/,
        () => ip('link set vif1.0 up'),
      ],
      [
        'a guest on the bridge of another program',
        () => ip('link add virbr0 type bridge', 'link set virbr0 up', 'link set vif1.0 master virbr0'),
        /vif1\.0 of web is on virbr0; xenstore says xenbr0[\s\S]*virbr0, a bridge that libvirt makes.*virsh net-destroy/,
        () => ip('link set vif1.0 master xenbr0', 'link del virbr0'),
      ],
      [
        'two guests with one IP address',
        () => second({ ip: '192.0.2.11' }),
        /web \(vif1\.0\) and 2 \(vif2\.0\) have the same IP address 192\.0\.2\.11/,
        endSecond,
      ],
      [
        'two guests with one MAC address',
        () => {
          second();
          net.store.write({ 'backend/vif/2/0/mac': net.store.read('backend/vif/1/0/mac')?.trim() ?? '' });
        },
        /web \(vif1\.0\) and 2 \(vif2\.0\) have the same MAC address .*xen-network mac/,
        endSecond,
      ],
      [
        "a guest with the host's address",
        () => second({ ip: '192.0.2.2' }),
        /2 \(vif2\.0\) and this host \(eth0\) have the same IP address 192\.0\.2\.2/,
        endSecond,
      ],
      inFile(
        'a guest that does not run, with the address of one that does',
        '/etc/xen/db.cfg',
        "name='db'\nvif=['ip=192.0.2.11']\n",
        /web \(vif1\.0\) and db \(not running, \/etc\/xen\/db\.cfg[^)]*\) have the same IP address/,
      ),
      [
        'an MTU that is smaller below',
        () => ip('link set peth0 mtu 1400'),
        /vif1\.0 of web has the MTU 1500, its bridge xenbr0 1400/,
        () => ip('link set peth0 mtu 1500'),
      ],
      [
        "a larger MTU at dom0's end",
        () => ip('link set eth0 mtu 4000'),
        /eth0, dom0's end, has the MTU 4000, its bridge xenbr0 1500/,
        () => ip('link set eth0 mtu 1500'),
      ],
      [
        'rules that were flushed',
        () => net.host.ok('iptables', '-F', 'FORWARD'),
        /vif1\.0 lacks \d+ of its rules in FORWARD.*xen-network refilter/,
        () => void net.host.hook('xen-network', ['refilter']),
      ],
      [
        'a rule that xenstore does not ask for',
        () =>
          sh(
            'iptables -I FORWARD -m physdev --physdev-in vif1.0 --physdev-is-bridged -m comment --comment "xen-network vif1.0 domain 1" -j ACCEPT',
          ),
        /vif1\.0 has rules that web is not to have by xenstore: 1 \(FORWARD/,
        () => void net.host.hook('xen-network', ['refilter']),
      ],
      [
        'rules of the stock scripts for a guest that is gone',
        () => sh('iptables -A FORWARD -m physdev --physdev-in vif9.0 --physdev-is-bridged -j ACCEPT'),
        /FORWARD has 1 rule for guests' devices that this host does not have.*iptables -D FORWARD -m physdev --physdev-in vif9\.0/,
        () => sh('iptables -D FORWARD -m physdev --physdev-in vif9.0 --physdev-is-bridged -j ACCEPT'),
      ],
      [
        'a table on bridges that drops',
        () =>
          sh(
            'nft "add table bridge fw; add chain bridge fw f { type filter hook forward priority 0; policy drop; }"',
          ),
        /vif1\.0 of web cannot send to peth0, the card of xenbr0: the chain "bridge fw f" drops/,
        () => sh('nft delete table bridge fw'),
      ],
      [
        'a table of nft that drops bridged packets',
        () =>
          sh(
            'nft "add table ip fw; add chain ip fw f { type filter hook forward priority 0; policy drop; }"; sysctl -qw net.bridge.bridge-nf-call-iptables=1',
          ),
        /go through the chain ip fw f, which drops/,
        () => sh('nft delete table ip fw'),
      ],
      [
        'a firewall that lets the host in by the card',
        () =>
          sh(
            'nft "add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }; add rule inet fw in iifname peth0 accept"',
          ),
        /The firewall cuts this host off: it lets packets in by "inet fw in: iifname peth0 accept"/,
        () => sh('nft delete table inet fw'),
      ],
      [
        'masquerading of bridged packets',
        () =>
          sh(
            'sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE',
          ),
        /Frames on xenbr0 go through iptables, where the rule "POSTROUTING -s 192\.0\.2\.0\/24 -j MASQUERADE"/,
        () => sh('iptables -t nat -F POSTROUTING'),
      ],
      [
        'a guest without rules where FORWARD drops',
        () => {
          sh('sysctl -qw net.bridge.bridge-nf-call-iptables=1; iptables -P FORWARD DROP');
          net.card(2, { bridge: 'xenbr0' });
          net.call('vif-bridge', 'online', 2, ['filter=no']);
        },
        /vif2\.0 of 2 is cut off: frames on xenbr0 go through iptables, ip filter FORWARD drops/,
        () => {
          endSecond();
          sh('iptables -P FORWARD ACCEPT');
        },
      ],
      [
        'a hook that failed',
        () => {
          net.card(3, { bridge: 'nowhere' });
          net.call('vif-bridge', 'online', 3);
        },
        /vif3\.0 of 3: .*nowhere/,
        () => {
          net.end('vif-bridge', 3);
          net.store.forget(3, 0);
        },
      ],
      [
        'a script over our link',
        () => {
          sh('mv /etc/xen/scripts/vif-nat /run/kept');
          net.host.write('/etc/xen/scripts/vif-nat', '#!/bin/sh\n', '755');
        },
        /vif-nat in \/etc\/xen\/scripts: not this program/,
        () => sh('mv -f /run/kept /etc/xen/scripts/vif-nat'),
      ],
      [
        'a start that waits for its confirmation',
        () => net.host.hook('network-route', ['start', 'netdev=eth0', 'confirm=600']),
        /network-route\.eth0 is undone in \d+ s.*xen-network confirm/,
        () => {
          net.host.hook('xen-network', ['confirm']);
          net.ok('network-route', 'stop');
        },
      ],
      inFile(
        'a journal of an interrupted run',
        '/run/xen-network/journal/vif5.0',
        '',
        /vif5\.0 was interrupted half-way.*xen-network recover/,
      ),
      [
        'a device of a guest that xenstore does not have',
        () => void net.host.vif(7),
        /The device vif7\.0 is here, and xenstore has no guest with such a card/,
        () => ip('link del vif7.0'),
      ],
      [
        'what a guest left that went without an offline',
        () => {
          second({ ip: '192.0.2.12' });
          ip('link del vif2.0');
          net.store.forget(2, 0);
        },
        /Something is left of devices that are gone: vif2\.0.*xen-network recover/,
        () => void net.host.hook('xen-network', ['recover']),
      ],
      [
        'NetworkManager that manages a card',
        () => net.host.write(`/run/NetworkManager/devices/${index('peth0')}`, '[device]\nmanaged=true\n'),
        /NetworkManager manages peth0.*unmanaged-devices=interface-name:peth0/,
        () => sh('rm -r /run/NetworkManager'),
      ],
      [
        "networkd that manages a guest's device",
        () => net.host.write(`/run/systemd/netif/links/${index('vif1.0')}`, 'ADMIN_STATE=configured\n'),
        /systemd-networkd manages vif1\.0.*Unmanaged=yes/,
        () => sh('rm -r /run/systemd/netif'),
      ],
      inFile(
        'a bridge of ifupdown with the card',
        '/etc/network/interfaces',
        'auto br0\niface br0 inet dhcp\n  bridge_ports eth0\n',
        /ifupdown makes the bridge br0 of eth0 by \/etc\/network\/interfaces/,
      ),
      inFile(
        'a bridge of libvirt with the same name',
        '/run/libvirt/network/default.xml',
        '<network><bridge name="xenbr0"/></network>',
        /libvirt makes the bridge xenbr0 for its network default.*virsh net-destroy default/,
      ),
      inFile(
        'another network-script in the configuration',
        '/etc/xen/xend-config.sxp',
        "(network-script 'network-nat')\n(vif-script vif-nat)\n",
        /xend-config\.sxp, line 1.* names network-nat, but network-bridge is what is started[\s\S]*xl gives vif-bridge to guests that name no script/,
      ),
      inFile(
        'a vif-script that does not belong to the network-script, and two of those',
        '/etc/xen/xend-config.sxp',
        '(network-script network-bridge)\n(network-script network-nat)\n(vif-script vif-route)\n',
        /This is a second \(network-script …\)[\s\S]*names vif-route, which does not belong to network-bridge/,
      ),
      [
        'two networks on one card',
        () => net.ok('network-nat', 'start', 'netdev=eth0', 'dhcp=no'),
        /note \(scripts\): network-bridge and network-nat are all started on eth0.*network-nat stop/,
        () => net.ok('network-nat', 'stop', 'netdev=eth0'),
      ],
      inFile(
        'xl that calls no hooks, and no udev either',
        '/etc/xen/xl.conf',
        'run_hotplug_scripts=0\n',
        /run_hotplug_scripts is 0 in \/etc\/xen\/xl\.conf, and no udev rule calls the hooks/,
      ),
      inFile(
        'xl and udev that both call the hooks',
        '/etc/udev/rules.d/xen-backend.rules',
        'SUBSYSTEM=="xen-backend", KERNEL=="vif*", ACTION=="online", \\\n  RUN+="/etc/xen/scripts/vif-setup online type_if=vif"\n',
        /xen-backend\.rules:1 lets udev call vif-setup, and xl calls the hooks, too/,
      ),
      [
        'a guest of a switch that does not run',
        () => {
          net.card(2, { bridge: 'ovsbr0', script: '/etc/xen/scripts/vif-openvswitch' });
        },
        /Open vSwitch does not run, and 2 are attached to it/,
        () => {
          ip('link del vif2.0');
          net.store.forget(2, 0);
        },
      ],
    ],
  );

  test('a process that was stopped while it holds a lock', async () => {
    const lock = '/run/xen-network/lock/vif1.0';
    sh(`(exec 9>${lock}; flock 9; exec sleep 600) >/run/holder 2>&1 & sleep 0`);
    const holder = () => net.host.ok('sh', '-c', `fuser ${lock} 2>/dev/null || true`).trim();
    await waitUntil('the lock to be held', () => holder() !== '');
    const pid = holder();
    sh(`kill -STOP ${pid}`);
    const { stdout } = doctorOf(net);
    sh(`kill -KILL ${pid}`);
    expect(stdout).toMatch(/holds the lock \/run\/xen-network\/lock\/vif1\.0 and is stopped.*kill -CONT/);
  });

  test('a bridge that was deleted', () => {
    ip('link del xenbr0');
    expect(doctorOf(net).stdout).toMatch(/xenbr0 was deleted.*xen-network recover/);
  });
});
