import { constants } from 'node:os';
import { Host } from '../support/hosts/host.ts';
import type { Ran } from '../support/hosts/namespace.ts';
import { compile } from '../support/kernel/compile.ts';
import { startOpenVswitch } from '../support/openvswitch.ts';
import { commandOf, nameOf } from '../support/overlap/commands.ts';
import type { Act } from '../support/overlap/overlap.ts';
import { sleep } from '../support/wait.ts';
import { ADMIN_RULES, EVENTS, type Harm } from './harm.ts';
import { DOMIDS, SWITCH } from './places.ts';

/** The cards, and how they and the gateways behind them are addressed. */
const CARDS = ['eth0', 'eth1'] as const;
/** Rules of the administrator, which no hook may touch. */
const RULES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 25 -j REJECT
-A FORWARD -p tcp -m tcp --dport 25 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
`;

/**
 * A host with two cards, its xenstored, rules of its administrator, and namespaces for guests; close it when done.
 * @param hasSwitch whether it has an Open vSwitch
 * @throws Error when this machine refuses namespaces
 */
export async function makeHost(hasSwitch = false): Promise<Host> {
  const host = await Host.create();
  // What a guest forges has to be stopped by the filters, not by the kernel's own look at sources.
  host.ok('sh', '-c', 'for name in all default; do echo 0 >/proc/sys/net/ipv4/conf/$name/rp_filter; done');
  for (const [n, name] of CARDS.entries())
    host.nic(name, {
      mac: `02:00:00:00:0${n}:01`,
      address: `192.0.${2 + n}.2/24`,
      address6: `2001:db8:${n}::2/64`,
      ...(n === 0 ? { gateway: '192.0.2.1', gateway6: '2001:db8:0::1' } : {}),
    });
  host.netns('gw-eth0').ip('route add default via 192.0.2.2', 'route add ::/0 via 2001:db8:0::2');
  host
    .netns('gw-eth1')
    .ip('address add 192.0.3.1/24 dev eth0', 'address add 2001:db8:1::1/64 dev eth0 nodad');
  host.write('/etc/resolv.conf', 'nameserver 192.0.2.1\n');
  host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  // Tables that are made by looking at them are there from the first.
  host.ok('sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done');
  for (const name of ADMIN_RULES) {
    host.write(`/etc/${name}.rules`, RULES);
    host.ok('sh', '-c', `${name}-restore </etc/${name}.rules; ${name} -t raw -S`);
  }
  for (const domid of DOMIDS) host.netns(`guest${domid}`);
  if (hasSwitch) {
    startOpenVswitch(host, SWITCH);
    // Both hosts are to be alike.
    host.ok('ovs-vsctl', 'set', 'bridge', SWITCH, 'other-config:hwaddr=02:00:00:00:04:01');
    host.ip('link set ovs-netdev address 02:00:00:00:04:02');
  }
  await host.xenstore();
  return host;
}

/**
 * Does something on a host.
 * @param host where
 * @param act what
 * @param harm what goes wrong meanwhile
 * @returns what it left
 */
export async function play(host: Host, act: Act, harm?: Harm): Promise<Ran> {
  const { argv, env } = commandOf(act);
  switch (harm?.how) {
    case undefined:
      return host.start(argv, { env });
    case 'signal': {
      const signal = `${constants.signals[`SIG${harm.signal}`]}`;
      return host.start([compile('kill-at', []), `${harm.stops}`, signal, ...argv], { env });
    }
    case 'error': {
      const inject = `inject=${harm.call}:error=${harm.error}:when=${harm.nth}`;
      return host.start(['strace', '-qq', '-o', '/dev/null', '-e', inject, ...argv], { env });
    }
    case 'memory': {
      const limit = `ulimit -v ${harm.kib} && exec "$@"`;
      return host.start(['sh', '-c', limit, 'sh', ...argv], { env });
    }
    case 'full': {
      host.ok('sh', '-c', fill(harm.pages));
      const ran = await host.start(argv, { env });
      host.ok('mount', '-o', 'remount,size=50%', '/run');
      return ran;
    }
    case 'meanwhile': {
      const ran = host.start(argv, { env });
      await sleep(harm.afterUs / 1000);
      await mustPlay(host, { shell: EVENTS[harm.what]?.script ?? '' });
      return ran;
    }
  }
}

/** Leaves room for so many pages in /run. */
const fill = (pages: number): string =>
  `used=$(df --output=used -k /run | tail -n 1); mount -o remount,size=$((used + ${pages} * 4))k /run`;

/**
 * Does something that has to succeed.
 * @param host where
 * @param act what
 * @throws Error with what it said
 */
export async function mustPlay(host: Host, act: Act): Promise<void> {
  const { status, stderr } = await play(host, act);
  if (status !== 0) throw new Error(`${nameOf(act)} ended with status ${status}: ${stderr}`);
}
