import type { Described, HookDescription } from './variable.ts';

const COMMANDS = ['start', 'stop', 'status'];
const WORDS = '[VARIABLE=VALUE ...]';

/** What every network hook has beside its own. */
export const SAFEGUARD_VARIABLES: readonly Described[] = [
  {
    name: 'check',
    values: ['ADDRESS'],
    means: 'after start this address must answer a ping within 10 s, else all is undone',
  },
  {
    name: 'confirm',
    values: ['SECONDS'],
    means: 'all is undone unless "xen-network confirm" is called in time',
  },
];

const NUMBERED_BRIDGE: Described = {
  name: 'bridge',
  values: ['NAME'],
  means: 'the bridge; null does nothing',
  unless: 'xenbrN',
};
const OUTSIDE: Described = {
  name: 'netdev',
  values: ['NAME'],
  means: 'the device that leads outside',
  unless: "the default route's",
};
const ANTISPOOF: Described = {
  name: 'antispoof',
  values: ['yes', 'no', 'strict'],
  means:
    'yes: FORWARD drops what no rule lets pass; strict: each guest is held to its MAC address and its ip',
  unless: 'no',
};
const ACCOUNT: Described = {
  name: 'account',
  values: ['yes', 'no'],
  means: 'count the traffic of its guests, for "xen-network traffic"',
  unless: 'no',
};
const SPANNING_TREE: readonly Described[] = [
  {
    name: 'stp',
    values: ['yes', 'no'],
    means: 'take part in the spanning tree, once the ports are there',
    unless: 'no',
  },
  {
    name: 'forward_delay',
    values: ['SECONDS'],
    means: 'how long a port listens, and learns, before it forwards; 2 to 30',
    unless: '4',
  },
];
const IPV6: Described = { name: 'ipv6', values: ['yes', 'no'], means: 'IPv6 as well', unless: 'no' };

const NETWORK_BRIDGE: HookDescription = {
  purpose: "bridges one of the host's network cards, so that guests share it",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    {
      name: 'netdev',
      values: ['NAME'],
      means: 'the network card',
      unless: "ethN of vifnum=N, else the default route's device",
    },
    NUMBERED_BRIDGE,
    {
      name: 'vifnum',
      values: ['N'],
      means: 'the number in xenbrN, vethN and vif0.N',
      unless: "the number in the card's name, else 0",
    },
    {
      name: 'topology',
      values: ['classic', 'rename', 'plain'],
      means:
        "where the host has its addresses: on one end of a pair, on a bridge of the card's name, or on xenbrN",
      unless: 'classic, or plain where the card needs that',
    },
    ANTISPOOF,
    {
      name: 'notrack',
      values: ['yes', 'no', 'auto'],
      means: 'keep what passes between guests and the card out of connection tracking',
      unless: 'auto',
    },
    ACCOUNT,
    ...SPANNING_TREE,
    {
      name: 'force',
      values: ['yes', 'no'],
      means: 'start even where the firewall of the host would then let nobody in',
      unless: 'no',
    },
    ...SAFEGUARD_VARIABLES,
  ],
};

const NETWORK_MULTI_BRIDGE: HookDescription = {
  purpose: 'starts or stops several networks as one, all or nothing',
  commands: COMMANDS,
  words: '[HOOK [VARIABLE=VALUE ...]] ...',
  variables: [
    {
      name: 'list',
      values: ['FILE'],
      means: 'calls of hooks, one a line',
      unless: '/etc/xen/network-multi-bridge.conf',
    },
    ...SAFEGUARD_VARIABLES,
  ],
};

const NETWORK_NAT: HookDescription = {
  purpose: "lets guests reach the outside with this host's address",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    OUTSIDE,
    {
      name: 'dhcp',
      values: ['yes', 'no', 'dhcpd', 'dnsmasq'],
      means: 'hand out addresses',
      unless: 'yes where a dhcpd.conf is there',
    },
    {
      name: 'antispoof',
      values: ['yes', 'no', 'strict'],
      means:
        'yes: drop what no rule lets pass, vif-nat adds rules; strict: each guest is held to its MAC address and its ip',
      unless: 'no',
    },
    ACCOUNT,
    IPV6,
    ...SAFEGUARD_VARIABLES,
  ],
};

const NETWORK_ROUTE: HookDescription = {
  purpose: 'lets guests be reached by a route through this host',
  commands: COMMANDS,
  words: WORDS,
  variables: [
    OUTSIDE,
    {
      name: 'antispoof',
      values: ['no', 'strict'],
      means: 'strict: each guest is held to its MAC address and its ip',
      unless: 'no',
    },
    ACCOUNT,
    IPV6,
    ...SAFEGUARD_VARIABLES,
  ],
};

const NETWORK_VIRTUAL: HookDescription = {
  purpose: 'gives guests a network of their own, on a bridge with no network card',
  commands: COMMANDS,
  words: WORDS,
  variables: [
    NUMBERED_BRIDGE,
    { name: 'vifnum', values: ['N'], means: 'the number in xenbrN', unless: '0' },
    {
      name: 'bridgeip',
      values: ['ADDRESS/LENGTH'],
      means: "dom0's address on it, IPv4 or IPv6; several with commas between",
      unless: 'none, and guests reach only each other',
    },
    {
      name: 'brnet',
      values: ['NETWORK/LENGTH'],
      means: 'networks that are reached by it; guests are then reached from outside',
    },
    {
      name: 'masquerade',
      values: ['yes', 'no'],
      means: "guests reach the outside with this host's address",
      unless: 'no',
    },
    OUTSIDE,
    {
      name: 'dhcp',
      values: ['yes', 'no', 'dnsmasq', 'dhcpd'],
      means: 'hand out the upper half of the subnet',
      unless: 'no',
    },
    ANTISPOOF,
    ACCOUNT,
    ...SPANNING_TREE,
    ...SAFEGUARD_VARIABLES,
  ],
};

/** The hooks that start networks, by their names. */
export const NETWORK_HOOKS: Readonly<Record<string, HookDescription>> = {
  'network-bridge': NETWORK_BRIDGE,
  'network-multi-bridge': NETWORK_MULTI_BRIDGE,
  'network-nat': NETWORK_NAT,
  'network-route': NETWORK_ROUTE,
  'network-virtual': NETWORK_VIRTUAL,
};
