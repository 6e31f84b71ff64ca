import { constants } from 'node:os';
import { Host } from '../support/hosts/host.ts';
import type { Ran } from '../support/hosts/namespace.ts';
import { compile } from '../support/kernel/compile.ts';
import { commandOf } from '../support/overlap/commands.ts';
import type { Act } from '../support/overlap/overlap.ts';
import { sleep } from '../support/wait.ts';
import { DOMIDS } from './deeds.ts';
import type { Harm } from './schedule.ts';

/** The cards, and how they and the gateways behind them are addressed. */
const CARDS = ['eth0', 'eth1'] as const;
const FLUSH = ['nft', 'flush', 'ruleset'];

/**
 * A host with two cards, its xenstored, and namespaces for guests; close it when done.
 * @throws Error when this machine refuses namespaces
 */
export async function makeHost(): Promise<Host> {
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
  for (const t of ['iptables', 'ip6tables']) host.ok('sh', '-c', `${t} -S; ${t} -t nat -S; ${t} -t raw -S`);
  for (const domid of DOMIDS) host.netns(`guest${domid}`);
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
  if (harm === undefined) return host.start(argv, { env });
  switch (harm.how) {
    case 'signal': {
      const signal = `${constants.signals[`SIG${harm.signal}`]}`;
      return host.start([compile('kill-at', []), `${harm.stops}`, signal, ...argv], { env });
    }
    case 'error': {
      const inject = `inject=${harm.call}:error=${harm.error}:when=${harm.nth}`;
      return host.start(['strace', '-qq', '-o', '/dev/null', '-e', inject, ...argv], { env });
    }
    case 'flush': {
      const ran = host.start(argv, { env });
      await sleep(harm.afterUs / 1000);
      const flushed = await host.start(FLUSH);
      if (flushed.status !== 0) throw new Error(`nft: ${flushed.stderr}`);
      return ran;
    }
  }
}
