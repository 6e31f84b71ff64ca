import { type Act, hook, shell, tool } from '../support/overlap/overlap.ts';
import { type Deed, type DeedKinds, guestsOf } from './deed.ts';
import {
  type Antispoof,
  type Model,
  NETWORK_OF,
  type Network,
  type Topology,
  withNetworks,
} from './model.ts';

/** The hook of a network, and the variables that it is started with. */
type Start = readonly [hook: string, ...variables: string[]];

const bridge = (antispoof: Antispoof, topology: Topology): Start => [
  'network-bridge',
  `topology=${topology}`,
  'netdev=eth1',
  'bridge=xenbr1',
  `antispoof=${antispoof}`,
  // Whether frames are tracked depends on whether the host forwards when it is started, unless told.
  'notrack=no',
];
const virtual = (antispoof: Antispoof): Start => [
  'network-virtual',
  'bridge=vmnet8',
  'bridgeip=10.1.1.1/24',
  'masquerade=yes',
  `antispoof=${antispoof}`,
];
const nat = (antispoof: Antispoof): Start => ['network-nat', 'ipv6=yes', `antispoof=${antispoof}`, 'dhcp=no'];

const ALL = ['no', 'yes', 'strict'] as const;
const TOPOLOGIES: readonly Topology[] = ['plain', 'rename', 'classic'];
const WISHES: Readonly<Record<Network, readonly Antispoof[]>> = {
  bridge: ALL,
  virtual: ALL,
  nat: ['no', 'yes'],
  route: ['no'],
};
const STARTS: Readonly<Record<Network, (antispoof: Antispoof, topology: Topology) => Start>> = {
  bridge,
  virtual,
  nat,
  route: () => ['network-route', 'ipv6=yes'],
};
const DEVICES: Readonly<Partial<Record<Network, string>>> = { bridge: 'xenbr1', virtual: 'vmnet8' };
/** What a stop needs to know. */
const STOPS: Readonly<Record<Network, Act>> = {
  bridge: hook('network-bridge', 'stop', 'netdev=eth1', 'bridge=xenbr1'),
  virtual: hook('network-virtual', 'stop', 'bridge=vmnet8'),
  nat: hook('network-nat', 'stop', 'ipv6=yes', 'dhcp=no'),
  route: hook('network-route', 'stop', 'ipv6=yes'),
};
export const NETWORKS: readonly Network[] = ['bridge', 'virtual', 'nat', 'route'];
const ON_THE_LIST: readonly Network[] = ['bridge', 'virtual'];

const act = ([name, ...variables]: Start, ...more: string[]): Act =>
  hook(name, 'start', ...variables, ...more);

/** Waits until no start waits for its confirmation any more. */
const EXPIRY = shell('while ls /run/xen-network/pending/*.deadline >/dev/null 2>&1; do sleep 0.05; done');

/** The bridges of networks that were started one by one, and what each is made again by. */
export function restartsOf(model: Model): [device: string, acts: Act[]][] {
  return single(model).flatMap((network): [string, Act[]][] => {
    const device = DEVICES[network];
    const antispoof = model.networks[network];
    if (device === undefined || antispoof === undefined) return [];
    return [[device, [STOPS[network], act(STARTS[network](antispoof, model.topology))]]];
  });
}

function stops(model: Model, network: Network): Deed {
  return {
    what: `${network} stops`,
    about: network,
    acts: [STOPS[network]],
    later: [],
    model: withNetworks(model, { [network]: undefined }),
  };
}

function starts(model: Model, network: Network): Deed[] {
  const topologies = network === 'bridge' ? TOPOLOGIES : TOPOLOGIES.slice(0, 1);
  return topologies.flatMap((topology) =>
    WISHES[network].flatMap((antispoof) => startsAs(model, network, antispoof, topology)),
  );
}

function startsAs(model: Model, network: Network, antispoof: Antispoof, topology: Topology): Deed[] {
  const start = STARTS[network](antispoof, topology);
  const after = withNetworks(model, { [network]: antispoof }, network === 'bridge' ? { topology } : {});
  const words = `${network} starts, antispoof=${antispoof}${network === 'bridge' ? `, ${topology}` : ''}`;
  const plain = { about: network, later: [], model: after };
  return [
    { ...plain, what: words, acts: [act(start)], opposite: stops(after, network) },
    {
      ...plain,
      what: `${words}, and is confirmed`,
      acts: [act(start, 'confirm=3600')],
      later: [tool('confirm')],
      isOpen: true,
    },
    {
      ...plain,
      what: `${words}, and is not confirmed`,
      acts: [act(start, 'confirm=1')],
      later: [EXPIRY],
      model,
      isOpen: true,
    },
  ];
}

/**
 * A network starts as nobody disturbs.
 * @param model the host
 * @param network which
 * @param antispoof with what
 */
export function startOf(model: Model, network: Network, antispoof: Antispoof): Deed | undefined {
  return startsAs(model, network, antispoof, 'plain')[0];
}

const isFree = (model: Model, network: Network): boolean =>
  !guestsOf(model).some(([, { place }]) => NETWORK_OF[place] === network);

const listOf = ({ networks }: Model): string[] => [
  ...bridge(networks.bridge ?? 'no', 'plain'),
  ...virtual(networks.virtual ?? 'no'),
];

function listStops(model: Model): Deed {
  return {
    what: 'the list of bridge and virtual stops',
    about: 'the list',
    acts: [hook('network-multi-bridge', 'stop', ...listOf(model))],
    later: [],
    model: withNetworks(model, { bridge: undefined, virtual: undefined }, { isListed: false }),
  };
}

function listStarts(model: Model): Deed[] {
  return ALL.flatMap((first) =>
    ALL.map((second) => {
      const after = withNetworks(
        model,
        { bridge: first, virtual: second },
        { isListed: true, topology: 'plain' },
      );
      return {
        what: `a list of bridge, antispoof=${first}, and virtual, antispoof=${second}, starts`,
        about: 'the list',
        acts: [hook('network-multi-bridge', 'start', ...listOf(after))],
        later: [],
        model: after,
        opposite: listStops(after),
      };
    }),
  );
}

/** The networks that are started one by one. */
const single = (model: Model): readonly Network[] =>
  NETWORKS.filter((network) => !(model.isListed && ON_THE_LIST.includes(network)));

export const NETWORK_KINDS: DeedKinds = {
  'a network starts': {
    weight: 8,
    all: (model) =>
      single(model)
        .filter((network) => model.networks[network] === undefined)
        .flatMap((network) => starts(model, network)),
  },
  'a list starts': {
    weight: 2,
    all: (model) =>
      ON_THE_LIST.every((each) => model.networks[each] === undefined) ? listStarts(model) : [],
  },
  'a network stops': {
    weight: 3,
    all: (model) => [
      ...single(model)
        .filter((network) => model.networks[network] !== undefined && isFree(model, network))
        .map((network) => stops(model, network)),
      ...(model.isListed && ON_THE_LIST.every((each) => isFree(model, each)) ? [listStops(model)] : []),
    ],
  },
  'a refilter': {
    weight: 3,
    all: (model) => [{ what: 'refilter', about: 'the host', acts: [tool('refilter')], later: [], model }],
  },
  'a recover': {
    weight: 2,
    all: (model) => [{ what: 'recover', about: 'the host', acts: [tool('recover')], later: [], model }],
  },
};
