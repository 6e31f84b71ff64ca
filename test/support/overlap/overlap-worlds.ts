import { Host } from '../hosts/host.ts';
import { startOpenVswitch } from '../openvswitch.ts';
import { restartXenstored } from '../xenstore/restart.ts';
import { type Act, add, card, hook, offline, online, remove, shell, tap, tool, unplug } from './overlap.ts';

/** A host on which pairs of acts are tried. */
export interface World {
  readonly what: string;
  /** Before anything of ours. */
  readonly make: () => Promise<Host>;
  /** What all its pairs find, and what takes that away; none where a pair makes what it needs. */
  readonly stage?: readonly Act[];
  readonly strike?: readonly Act[];
  readonly before: readonly Act[];
  readonly end: readonly Act[];
  /** What may overlap, by its name. */
  readonly acts: Readonly<Record<string, Role>>;
}

/** An act of a pair. */
export interface Role {
  readonly act: Act;
  /** What has to be done before it. */
  readonly needs?: readonly Act[];
  /** What it is about: two acts about different things come to the same in either order. */
  readonly of?: string;
  /** It is an expiry: the time of what waits for its confirmation is over right before it. */
  readonly due?: true;
}

async function make(): Promise<Host> {
  const host = await Host.create();
  for (const [n, name] of ['eth0', 'eth1'].entries())
    host.nic(name, {
      address: `192.0.${2 + n}.2/24`,
      address6: `2001:db8:${n}::2/64`,
      ...(n === 0 ? { gateway: '192.0.2.1', gateway6: '2001:db8:0::1' } : {}),
    });
  host.write('/etc/resolv.conf', 'nameserver 192.0.2.1\n');
  host.ok('rm', '-f', '/etc/dhcp/dhcpd.conf');
  // Tables that are made by looking at them are there from the first.
  host.ok('sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done');
  for (const t of ['iptables', 'ip6tables']) host.ok('sh', '-c', `${t} -S; ${t} -t nat -S; ${t} -t raw -S`);
  await host.xenstore();
  return host;
}

const values = (domid: number, more: Readonly<Record<string, string>> = {}) => ({
  bridge: 'xenbr0',
  ip: `192.0.2.${100 + domid} 2001:db8::${100 + domid}`,
  ...more,
});

/**
 * The time of every start that waits for its confirmation is over. Its clock, a process, would come to it a moment later as a
 * third one beside the two that overlap, at no step that is known: it ends first.
 */
export const DUE = [
  'cd /proc; for p in [0-9]*; do case "$(tr "\\0" " " <$p/cmdline 2>/dev/null)" in "xen-network expire "*) kill -9 $p;; esac; done',
  'for f in /run/xen-network/pending/*.deadline; do echo 0 >"$f"; done',
].join('; ');
const flush = shell('nft flush ruleset');

/** What may overlap with anything on any host. */
const ANYWHERE: Readonly<Record<string, Role>> = {
  refilter: { act: tool('refilter') },
  recover: { act: tool('recover') },
  flush: { act: flush },
  'xenstored restarts': { act: shell(restartXenstored(true)) },
};

const PLAIN_BRIDGE = ['network-bridge', 'start', 'topology=plain', 'netdev=eth0'];
const STOP_BRIDGE = hook('network-bridge', 'stop', 'netdev=eth0');

const NAT = ['network-nat', 'start', 'ipv6=yes', 'antispoof=yes', 'dhcp=no'];
const ROUTE = ['network-route', 'start', 'ipv6=yes'];
const VIRTUAL = [
  'network-virtual',
  'start',
  'bridge=vmnet8',
  'bridgeip=10.1.1.1/24',
  'masquerade=yes',
  'antispoof=yes',
];
const stopOf = (words: readonly string[]) =>
  hook(words[0] ?? '', 'stop', ...words.slice(2).filter((w) => /^(bridge|ipv6|dhcp)=/.test(w)));

/** What running guests of one network do, all of them by one hook. */
function guestsOf(
  vif: string,
  antispoof: string,
  network: Pick<World, 'what' | 'stage' | 'strike'>,
  cardOf: (domid: number) => Act,
): World {
  return {
    ...network,
    make,
    before: [cardOf(1), online(1, vif), cardOf(2), cardOf(3), online(3, vif)],
    end: [
      remove(1, vif),
      ...[1, 2, 3].flatMap((domid) => [offline(domid, vif), unplug(domid)]),
      tool('recover'),
    ],
    acts: {
      online: { act: online(2, vif), of: 'guest 2' },
      offline: { act: offline(1, vif), of: 'guest 1' },
      'offline of another': { act: offline(3, vif), of: 'guest 3' },
      'online again': { act: online(1, vif), of: 'guest 1' },
      'tap add': { needs: [tap(1)], act: add(1, vif), of: 'guest 1' },
      'tap remove': { needs: [tap(1), add(1, vif)], act: remove(1, vif), of: 'guest 1' },
      ...ANYWHERE,
      ...(antispoof === 'strict'
        ? {
            'vif disabled': { act: tool('vif', 'vif1.0', 'disabled'), of: 'guest 1' },
            'vif unlocked of another': { act: tool('vif', 'vif3.0', 'unlocked'), of: 'guest 3' },
            'vif log on': { act: tool('vif', 'vif1.0', 'log', 'on'), of: 'guest 1' },
          }
        : {}),
    },
  };
}

function bridged(antispoof: string): World {
  const network = {
    what: `a bridge with antispoof=${antispoof}`,
    stage: [hook(...PLAIN_BRIDGE, `antispoof=${antispoof}`)],
    strike: [STOP_BRIDGE],
  };
  return guestsOf('vif-bridge', antispoof, network, (domid) => card(domid, values(domid)));
}

/** Guests under the strict filter that the host routes for. */
function routedStrict(): World {
  const network = {
    what: 'network-route with antispoof=strict',
    stage: [hook(...ROUTE, 'antispoof=strict')],
    strike: [stopOf(ROUTE)],
  };
  const ip = (domid: number) => `198.51.100.${domid} 2001:db8:7::${domid}`;
  const script = '/etc/xen/scripts/vif-route';
  return guestsOf('vif-route', 'strict', network, (domid) => card(domid, { ip: ip(domid), script }));
}

/** Two bridges, of which each may start, stop and expire while the other does. */
function twoBridges(antispoof: string): World {
  const start = (n: number, ...more: string[]) =>
    hook(
      'network-bridge',
      'start',
      'topology=plain',
      `netdev=eth${n}`,
      `bridge=xenbr${n}`,
      `antispoof=${antispoof}`,
      ...more,
    );
  const stop = (n: number) => hook('network-bridge', 'stop', `netdev=eth${n}`, `bridge=xenbr${n}`);
  const plugged = [start(1), card(1, values(1, { bridge: 'xenbr1' }))];
  return {
    what: `two bridges with antispoof=${antispoof}`,
    make,
    before: [],
    end: [...[1, 2].flatMap((d) => [offline(d), unplug(d)]), tool('recover'), stop(0), stop(1)],
    acts: {
      'start 0': { act: start(0), of: '0' },
      'start 1': { act: start(1), of: '1' },
      'stop 0': { needs: [start(0)], act: stop(0), of: '0' },
      'stop 0 too early': { act: stop(0), of: '0' },
      'stop 1': { needs: [start(1)], act: stop(1), of: '1' },
      'expiry 0': { needs: [start(0, 'confirm=3600')], act: tool('recover'), of: '0', due: true },
      'expiry 1': { needs: [start(1, 'confirm=3600')], act: tool('recover'), of: '1', due: true },
      'online on 1': { needs: plugged, act: online(1), of: '1' },
      'offline on 1': { needs: [...plugged, online(1)], act: offline(1), of: '1' },
      ...(antispoof === 'strict'
        ? {
            'vif disabled on 1': {
              needs: [...plugged, online(1)],
              act: tool('vif', 'vif1.0', 'disabled'),
              of: '1',
            },
          }
        : {}),
      ...ANYWHERE,
    },
  };
}

/** The emulated card of a guest whose packets are routed: first without, then beside its vif. */
function tapActs(vif: string, needs: readonly Act[], domid: number, of: string): Record<string, Role> {
  const beside = [...needs, online(domid, vif), tap(domid)];
  return {
    [`${vif} tap add`]: { needs: [...needs, tap(domid)], act: add(domid, vif), of },
    [`${vif} tap add beside`]: { needs: beside, act: add(domid, vif), of },
    [`${vif} tap remove`]: { needs: [...beside, add(domid, vif)], act: remove(domid, vif), of },
  };
}

function routed(): World {
  const three = { nat: NAT, route: ROUTE, virtual: VIRTUAL };
  const acts = Object.entries(three).flatMap(([of, words]): [string, Role][] => [
    [`${of} start`, { act: hook(...words), of }],
    [`${of} stop too early`, { act: stopOf(words), of }],
    [`${of} stop`, { needs: [hook(...words)], act: stopOf(words), of }],
    [`${of} expiry`, { needs: [hook(...words, 'confirm=3600')], act: tool('recover'), of, due: true }],
  ]);
  const guest = { ip: '10.0.1.7', script: '/etc/xen/scripts/vif-nat' };
  const inside = values(3, { bridge: 'vmnet8', ip: '10.1.1.7' });
  const routedGuest = { ip: '198.51.100.7 2001:db8:7::7', script: '/etc/xen/scripts/vif-route' };
  return {
    what: 'network-nat, network-route and network-virtual',
    make,
    before: [],
    end: [
      remove(1, 'vif-nat'),
      offline(1, 'vif-nat'),
      unplug(1),
      remove(2, 'vif-route'),
      offline(2, 'vif-route'),
      unplug(2),
      offline(3),
      unplug(3),
      tool('recover'),
      ...Object.values(three).map(stopOf),
    ],
    acts: {
      ...Object.fromEntries(acts),
      'vif-nat online': { needs: [hook(...NAT), card(1, guest)], act: online(1, 'vif-nat'), of: 'nat' },
      'vif-nat offline': {
        needs: [hook(...NAT), card(1, guest), online(1, 'vif-nat')],
        act: offline(1, 'vif-nat'),
        of: 'nat',
      },
      'vif-route online': {
        needs: [hook(...ROUTE), card(2, routedGuest)],
        act: online(2, 'vif-route'),
        of: 'route',
      },
      'vif-route offline': {
        needs: [hook(...ROUTE), card(2, routedGuest), online(2, 'vif-route')],
        act: offline(2, 'vif-route'),
        of: 'route',
      },
      ...tapActs('vif-nat', [hook(...NAT), card(1, guest)], 1, 'nat'),
      ...tapActs('vif-route', [hook(...ROUTE), card(2, routedGuest)], 2, 'route'),
      'online on the virtual network': {
        needs: [hook(...VIRTUAL), card(3, inside)],
        act: online(3),
        of: 'virtual',
      },
      'offline on the virtual network': {
        needs: [hook(...VIRTUAL), card(3, inside), online(3)],
        act: offline(3),
        of: 'virtual',
      },
      ...ANYWHERE,
    },
  };
}

/** Lists of networks that are started as one, beside each other and beside one that is not on a list. */
function multi(): World {
  const list = (...words: string[]) => hook('network-multi-bridge', ...words);
  const one = [
    'network-bridge',
    'topology=plain',
    'netdev=eth0',
    'bridge=xenbr0',
    'antispoof=yes',
    'notrack=no',
  ];
  const other = ['network-virtual', 'bridge=vmnet8', 'bridgeip=10.1.1.1/24', 'masquerade=yes'];
  // Whether its frames are tracked depends on whether the host forwards when it is started, unless told.
  const beside = ['topology=plain', 'netdev=eth1', 'bridge=xenbr1', 'antispoof=yes', 'notrack=no'];
  const guest = card(1, values(1, { notrack: 'no' }));
  const both = [...one, ...other];
  return {
    what: 'network-multi-bridge',
    make,
    before: [],
    end: [
      offline(1),
      unplug(1),
      tool('recover'),
      list('stop', ...both),
      hook('network-bridge', 'stop', ...beside.slice(1, 3)),
    ],
    acts: {
      'start of both': { act: list('start', ...both), of: 'lists' },
      'start of one': { act: list('start', ...one), of: 'lists' },
      'start of the other': { act: list('start', ...other), of: 'lists' },
      stop: { needs: [list('start', ...both)], act: list('stop', ...both), of: 'lists' },
      expiry: {
        needs: [list('start', 'confirm=3600', ...both)],
        act: tool('recover'),
        of: 'lists',
        due: true,
      },
      'start beside': { act: hook('network-bridge', 'start', ...beside), of: 'beside' },
      'stop beside': {
        needs: [hook('network-bridge', 'start', ...beside)],
        act: hook('network-bridge', 'stop', ...beside.slice(1, 3)),
        of: 'beside',
      },
      online: { needs: [list('start', ...both), guest], act: online(1), of: 'lists' },
      offline: { needs: [list('start', ...both), guest, online(1)], act: offline(1), of: 'lists' },
      ...ANYWHERE,
    },
  };
}

/** Guests of a switch, and one on a bridge. */
function switched(): World {
  const guest = { bridge: 'ovsbr0.10', script: '/etc/xen/scripts/vif-openvswitch' };
  const [vif, bridge] = ['vif-openvswitch', hook(...PLAIN_BRIDGE, 'antispoof=yes')];
  return {
    what: 'an Open vSwitch and a bridge',
    async make() {
      const host = await make();
      startOpenVswitch(host, 'ovsbr0', 'ovsbr1');
      return host;
    },
    before: [card(1, guest), online(1, vif), card(2, guest), card(3, guest), online(3, vif)],
    end: [
      remove(1, vif),
      ...[1, 2, 3].flatMap((domid) => [offline(domid, vif), unplug(domid)]),
      offline(4),
      unplug(4),
      tool('recover'),
      STOP_BRIDGE,
    ],
    acts: {
      online: { act: online(2, vif), of: 'guest 2' },
      offline: { act: offline(1, vif), of: 'guest 1' },
      'offline of another': { act: offline(3, vif), of: 'guest 3' },
      'online again': { act: online(1, vif), of: 'guest 1' },
      'tap add': { needs: [tap(1)], act: add(1, vif), of: 'guest 1' },
      'tap remove': { needs: [tap(1), add(1, vif)], act: remove(1, vif), of: 'guest 1' },
      'vif-bridge online': { needs: [bridge, card(4, values(4))], act: online(4), of: 'bridge' },
      'vif-bridge offline': { needs: [bridge, card(4, values(4)), online(4)], act: offline(4), of: 'bridge' },
      start: { act: bridge, of: 'bridge' },
      stop: { needs: [bridge], act: STOP_BRIDGE, of: 'bridge' },
      ...ANYWHERE,
    },
  };
}

/** All hosts. */
export const WORLDS: Readonly<Record<string, World>> = {
  strict: bridged('strict'),
  yes: bridged('yes'),
  no: bridged('no'),
  'two strict': twoBridges('strict'),
  'two yes': twoBridges('yes'),
  'two no': twoBridges('no'),
  routed: routed(),
  'routed strict': routedStrict(),
  multi: multi(),
  switched: switched(),
};
