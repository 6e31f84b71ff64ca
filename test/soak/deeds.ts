import {
  type Act,
  add,
  card,
  hook,
  offline,
  online,
  remove,
  shell,
  tap,
  tool,
  unplug,
} from '../support/overlap/overlap.ts';
import {
  type Antispoof,
  type Guest,
  holds,
  type Mode,
  type Model,
  NETWORK_OF,
  type Network,
  type Place,
  withGuest,
  withNetwork,
} from './model.ts';

/** Something that somebody does on the host; what it comes to when nothing disturbs it. */
export interface Deed {
  readonly what: string;
  /** Deeds about different things may be done at the same time. */
  readonly about: string;
  /** The last one is the program's, if it has one; the others prepare it. */
  readonly acts: readonly Act[];
  /** Acts of the guest's side and the hypervisor's after the program's. */
  readonly then: readonly Act[];
  readonly model: Model;
}

/** Deeds of one kind. */
interface DeedKind {
  readonly weight: number;
  /** All that are possible on a host. */
  readonly all: (model: Model) => readonly Deed[];
}

export const DOMIDS = [1, 2, 3, 4, 5, 6] as const;
const PLACES: readonly Place[] = ['bridged', 'virtual', 'nat', 'routed'];
export const HOOK_OF: Readonly<Record<Place, string>> = {
  bridged: 'vif-bridge',
  virtual: 'vif-bridge',
  nat: 'vif-nat',
  routed: 'vif-route',
};

/**
 * The addresses that a guest may use.
 * @param domid its domain
 * @param place where its card goes
 */
export function addressesOf(domid: number, place: Place): { readonly v4: string; readonly v6?: string } {
  switch (place) {
    case 'bridged':
      return { v4: `192.0.3.${100 + domid}`, v6: `2001:db8:1::${100 + domid}` };
    case 'virtual':
      return { v4: `10.1.1.${100 + domid}` };
    case 'nat':
      return { v4: `10.0.1.${domid}` };
    case 'routed':
      return { v4: `198.51.100.${domid}`, v6: `2001:db8:7::${domid}` };
  }
}

const STARTS: Readonly<Record<Network, (antispoof: Antispoof) => Act>> = {
  bridge: (antispoof) =>
    hook(
      'network-bridge',
      'start',
      'topology=plain',
      'netdev=eth1',
      'bridge=xenbr1',
      `antispoof=${antispoof}`,
      'notrack=no',
    ),
  virtual: (antispoof) =>
    hook(
      'network-virtual',
      'start',
      'bridge=vmnet8',
      'bridgeip=10.1.1.1/24',
      'masquerade=yes',
      `antispoof=${antispoof}`,
    ),
  nat: (antispoof) => hook('network-nat', 'start', 'ipv6=yes', `antispoof=${antispoof}`, 'dhcp=no'),
  route: () => hook('network-route', 'start', 'ipv6=yes'),
};
const STOPS: Readonly<Record<Network, Act>> = {
  bridge: hook('network-bridge', 'stop', 'netdev=eth1', 'bridge=xenbr1'),
  virtual: hook('network-virtual', 'stop', 'bridge=vmnet8'),
  nat: hook('network-nat', 'stop', 'ipv6=yes', 'dhcp=no'),
  route: hook('network-route', 'stop', 'ipv6=yes'),
};
const WISHES: Readonly<Record<Network, readonly Antispoof[]>> = {
  bridge: ['no', 'yes', 'strict', 'strict'],
  virtual: ['no', 'yes', 'strict'],
  nat: ['no', 'yes'],
  route: ['no'],
};
const NETWORKS: readonly Network[] = ['bridge', 'virtual', 'nat', 'route'];
const NEW: Omit<Guest, 'place' | 'antispoof' | 'vifname'> = {
  isOnline: false,
  tap: 'none',
  mode: undefined,
};

function guestsOf(model: Model): [domid: number, guest: Guest][] {
  return Object.entries(model.guests).map(([domid, guest]) => [Number(domid), guest]);
}

function deed(
  what: string,
  about: string,
  acts: readonly Act[],
  model: Model,
  then: readonly Act[] = [],
): Deed {
  return { what, about, acts, then, model };
}

/** QEMU's end of an emulated card goes, whatever the card is called by now. */
const unplugTap = (domid: number): string =>
  `for tap in vif${domid}.0-emu web${domid}-emu; do ip link del dev $tap 2>/dev/null; done; true`;

/** What xenstore says of a guest's card. */
function valuesOf(domid: number, { place, antispoof, vifname }: Guest): Record<string, string> {
  const { v4, v6 } = addressesOf(domid, place);
  return {
    script: `/etc/xen/scripts/${HOOK_OF[place]}`,
    ip: v6 === undefined ? v4 : `${v4} ${v6}`,
    ...(place === 'bridged' ? { bridge: 'xenbr1' } : {}),
    ...(place === 'virtual' ? { bridge: 'vmnet8' } : {}),
    ...(antispoof === undefined ? {} : { antispoof }),
    ...(vifname ? { vifname: `web${domid}` } : {}),
  };
}

/** The guest's own settings, once it has its card. */
function wired(domid: number, place: Place): Act {
  const { v4, v6 } = addressesOf(domid, place);
  const gateways: Readonly<Record<Place, readonly [v4: string, v6?: string]>> = {
    bridged: ['192.0.3.1', '2001:db8:1::1'],
    virtual: ['10.1.1.1'],
    nat: [`10.0.1.${domid + 127}`],
    routed: ['192.0.2.2', '2001:db8::2'],
  };
  const [router, router6] = gateways[place];
  const lines = [
    'link set eth0 up',
    `address add ${v4}/32 dev eth0`,
    `route add ${router} dev eth0`,
    `route add default via ${router} dev eth0`,
    ...(v6 === undefined || router6 === undefined
      ? []
      : [
          `address add ${v6}/128 dev eth0 nodad`,
          `route add ${router6} dev eth0`,
          `route add default via ${router6} dev eth0`,
        ]),
  ];
  return shell(`printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} | ip -n guest${domid} -batch -`);
}

function comes(domid: number, guest: Guest, model: Model): Deed {
  const values = valuesOf(domid, guest);
  const what = `guest ${domid} comes, ${guest.place}, antispoof ${guest.antispoof ?? 'unset'}${guest.vifname ? ', with a vifname' : ''}`;
  return deed(
    what,
    `guest ${domid}`,
    [card(domid, values), wired(domid, guest.place), online(domid, HOOK_OF[guest.place])],
    withGuest(model, domid, { ...guest, isOnline: true }),
  );
}

/** The kinds, by name. */
export const KINDS: Readonly<Record<string, DeedKind>> = {
  'a guest comes': {
    weight: 12,
    all: (model) =>
      DOMIDS.filter((domid) => model.guests[domid] === undefined).flatMap((domid) =>
        PLACES.filter((place) => {
          const network = NETWORK_OF[place];
          return network === undefined || model.networks[network] !== undefined;
        }).flatMap((place) =>
          ([undefined, 'strict'] as const).flatMap((antispoof) =>
            [false, true].map((vifname) => comes(domid, { ...NEW, place, antispoof, vifname }, model)),
          ),
        ),
      ),
  },
  'a guest goes': {
    weight: 8,
    all: (model) =>
      guestsOf(model).flatMap(([domid, { place, tap: emulated }]) => {
        const vif = HOOK_OF[place];
        const taps = emulated === 'added' ? [remove(domid, vif)] : [];
        const gone = withGuest(model, domid, undefined);
        return [
          deed(`guest ${domid} goes`, `guest ${domid}`, [...taps, offline(domid, vif)], gone, [
            shell(unplugTap(domid)),
            unplug(domid),
          ]),
          deed(
            `guest ${domid} goes, its devices first`,
            `guest ${domid}`,
            [
              shell(`${unplugTap(domid)}; ip netns exec guest${domid} ip link del dev eth0`),
              ...taps,
              offline(domid, vif),
            ],
            gone,
            [unplug(domid)],
          ),
        ];
      }),
  },
  'an online again': {
    weight: 3,
    all: (model) =>
      guestsOf(model).map(([domid, { place }]) =>
        deed(`guest ${domid} online again`, `guest ${domid}`, [online(domid, HOOK_OF[place])], model),
      ),
  },
  'an emulated card': {
    weight: 4,
    all: (model) =>
      guestsOf(model)
        .filter(([, { tap: emulated }]) => emulated === 'none')
        .map(([domid, guest]) =>
          deed(
            `guest ${domid} gets an emulated card`,
            `guest ${domid}`,
            [tap(domid), add(domid, HOOK_OF[guest.place])],
            withGuest(model, domid, { ...guest, tap: 'added' }),
          ),
        ),
  },
  'an emulated card goes': {
    weight: 3,
    all: (model) =>
      guestsOf(model)
        .filter(([, { tap: emulated }]) => emulated === 'added')
        .map(([domid, guest]) =>
          deed(
            `guest ${domid} loses its emulated card`,
            `guest ${domid}`,
            [remove(domid, HOOK_OF[guest.place])],
            withGuest(model, domid, { ...guest, tap: 'none' }),
            [shell(unplugTap(domid))],
          ),
        ),
  },
  'a mode': {
    weight: 5,
    all: (model) =>
      guestsOf(model)
        .filter(([, guest]) => guest.isOnline && holds(model, guest) === 'strict')
        .flatMap(([domid, guest]) =>
          (['locked', 'unlocked', 'disabled'] as const).map((mode: Mode) =>
            deed(
              `guest ${domid} is ${mode}`,
              `guest ${domid}`,
              [tool('vif', guest.vifname ? `web${domid}` : `vif${domid}.0`, mode)],
              withGuest(model, domid, { ...guest, mode }),
            ),
          ),
        ),
  },
  'a network starts': {
    weight: 8,
    all: (model) =>
      NETWORKS.filter((network) => model.networks[network] === undefined).flatMap((network) =>
        WISHES[network].map((antispoof) =>
          deed(
            `${network} starts, antispoof=${antispoof}`,
            network,
            [STARTS[network](antispoof)],
            withNetwork(model, network, antispoof),
          ),
        ),
      ),
  },
  'a network stops': {
    weight: 3,
    all: (model) =>
      NETWORKS.filter((network) => model.networks[network] !== undefined)
        .filter((network) => !guestsOf(model).some(([, { place }]) => NETWORK_OF[place] === network))
        .map((network) =>
          deed(`${network} stops`, network, [STOPS[network]], withNetwork(model, network, undefined)),
        ),
  },
  'a refilter': {
    weight: 3,
    all: (model) => [deed('refilter', 'the host', [tool('refilter')], model)],
  },
  'a recover': {
    weight: 2,
    all: (model) => [deed('recover', 'the host', [tool('recover')], model)],
  },
};
