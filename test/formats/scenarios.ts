import { xlEnv } from '../support/hosts/host.ts';
import type { NetHost } from '../support/hosts/net-host.ts';
import type { Scenario } from './frozen.ts';

const LIST = `network-bridge antispoof=strict
network-virtual bridge=vmnet1 bridgeip=10.1.1.1/24,fd00:1::1/64 masquerade=yes
`;

/** An address for eth0 that every host has, since records name it. */
function fixMac({ host }: NetHost): void {
  host.ip('link set eth0 address 02:00:5e:00:00:02');
  host.ok('ip', '-6', 'address', 'flush', 'dev', 'eth0', 'scope', 'link');
  host.ip('address add fe80::5eff:fe00:2/64 dev eth0');
}

/** The address of a guest's card, as a test host has it. */
const mac = (domid: number) => `00:16:3e:00:0${domid}:00`;

/** The file in which a host's uptime stands, so that a time that was frozen is never over by itself. */
const UPTIME = '/run/uptime';

/**
 * Sets how long a host says that it has been up.
 * @param net the host
 * @param seconds since its boot
 */
export function setUptime({ host }: NetHost, seconds: number): void {
  const isThere = host.run(['mountpoint', '-q', '/proc/uptime']).status === 0;
  host.write(UPTIME, `${seconds}.00 0.00\n`);
  if (!isThere) host.ok('mount', '--bind', UPTIME, '/proc/uptime');
}

/** Calls a hook of which a system call is its last. */
function killed(net: NetHost, call: string, nth: number, words: readonly string[], env = {}): void {
  const [hook = '', ...rest] = words;
  const inject = [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${call}:signal=KILL:when=${nth}`,
  ];
  const ran = net.host.run([...inject, `/etc/xen/scripts/${hook}`, ...rest], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
  });
  if (ran.status < 128) throw new Error(`${words.join(' ')} was not killed at ${call} ${nth}: ${ran.stderr}`);
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  /** network-nat, two bridged guests, one of them strict, one behind NAT and a routed one. */
  guests: {
    prepare: (net) => {
      for (const domid of [1, 2, 3, 4]) net.card(domid);
    },
    make: () => {
      throw new Error('Its links, bridge and guests were made by hand; the others hold all that it does.');
    },
  },
  /** A list of networks, and strict guests: bridged, routed, and one whose settings came by arguments. */
  networks: {
    prepare: (net) => {
      fixMac(net);
      net.host.write('/etc/xen/network-multi-bridge.conf', LIST);
      for (const domid of [1, 2, 3, 4]) net.card(domid);
    },
    make: (net) => {
      net.ok('network-multi-bridge', 'start');
      const guest = (
        hook: string,
        domid: number,
        values: Readonly<Record<string, string>>,
        words: readonly string[],
      ) => {
        net.store.vif(domid, 0, { mac: mac(domid), script: `/etc/xen/scripts/${hook}`, ...values });
        const ran = net.call(hook, 'online', domid, words);
        if (ran.status !== 0) throw new Error(ran.stderr);
      };
      guest('vif-bridge', 1, { bridge: 'xenbr0', ip: '192.0.2.51 2001:db8::51', vifname: 'mail' }, []);
      guest('vif-bridge', 2, { bridge: 'vmnet1' }, [
        'ip=10.1.1.52',
        'antispoof=strict',
        'locking=disabled',
        `mac=${mac(2)}`,
        'notrack=yes',
      ]);
      guest('vif-route', 3, { ip: '192.0.2.53 2001:db8::53' }, ['antispoof=strict']);
      guest('vif-bridge', 4, { bridge: 'vmnet1', ip: '10.1.1.54' }, ['filter=no']);
    },
  },
  /** Guests with entries in the files of both kinds of DHCP servers. */
  dhcp: {
    prepare: (net) => {
      fixMac(net);
      net.dhcpd();
      for (const domid of [1, 2]) net.card(domid);
    },
    make: (net) => {
      net.ok('network-nat', 'start', 'dhcp=dhcpd');
      net.ok('network-virtual', 'start', 'bridge=vmnet1', 'bridgeip=10.1.1.1/24', 'dhcp=dnsmasq');
      if (net.call('vif-nat', 'online', 1).status !== 0) throw new Error('vif-nat failed.');
      if (net.call('vif-nat', 'online', 2, ['dhcp=dnsmasq']).status !== 0) throw new Error('vif-nat failed.');
    },
  },
  /** A start that waits for its confirmation. */
  pending: {
    prepare: (net) => {
      fixMac(net);
      setUptime(net, 100);
    },
    make: (net) => {
      net.ok('network-bridge', 'start', 'confirm=600');
      net.host.ok('pkill', '-f', '^xen-network expire');
    },
  },
  /** Runs that were killed: a start of a bridge, an online and an offline. */
  killed: {
    prepare: (net) => {
      fixMac(net);
      for (const domid of [1, 2]) net.card(domid);
      net.host.ip('link add br9 address 02:00:00:00:00:09 type bridge', 'link set br9 addrgenmode none up');
    },
    make: (net) => {
      for (const domid of [1, 2])
        net.store.vif(domid, 0, { mac: mac(domid), bridge: 'br9', ip: `192.0.2.5${domid}` });
      if (net.call('vif-bridge', 'online', 2).status !== 0) throw new Error('vif-bridge failed.');
      killed(net, 'unlink', 4, ['vif-bridge', 'offline', 'type_if=vif'], xlEnv(2));
      killed(net, 'write', 15, ['vif-bridge', 'online', 'type_if=vif', 'vifname=web'], xlEnv(1));
      killed(net, 'rename', 2, ['network-bridge', 'start']);
    },
  },
  /** A killed start of NAT with a DHCP server. */
  'killed-nat': {
    prepare: (net) => {
      fixMac(net);
      net.dhcpd();
    },
    make: (net) => killed(net, 'fsync', 1, ['network-nat', 'start', 'dhcp=dhcpd']),
  },
};
