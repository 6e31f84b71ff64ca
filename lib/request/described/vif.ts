import type { Described, HookDescription } from './variable.ts';

const COMMANDS = ['online', 'offline', 'add', 'remove'];
const WORDS = '[VARIABLE=VALUE ...]';

const TYPE: Described = {
  name: 'type_if',
  values: ['vif', 'tap'],
  means: 'vif for online and offline, tap for add and remove',
  unless: 'vif',
};
const SET_BY_TOOLSTACK: readonly Described[] = [
  { name: 'vif', values: ['NAME'], means: 'the device, vifDOMID.DEVID; xl and udev set it' },
  {
    name: 'INTERFACE',
    values: ['NAME'],
    means: "the emulated card's device, vifDOMID.DEVID-emu",
    isSetByToolstack: true,
  },
  {
    name: 'XENBUS_PATH',
    values: ['PATH'],
    means: "the backend's entry in xenstore, /local/domain/0/backend/vif/DOMID/DEVID",
    isSetByToolstack: true,
  },
];
const XENSTORE_KEYS: readonly Described[] = [
  { name: 'handle', values: ['N'], means: "which of the guest's cards it is", isSetByToolstack: true },
  { name: 'domain', values: ['NAME'], means: "the guest's name", isSetByToolstack: true },
];
const VIFNAME: Described = {
  name: 'vifname',
  values: ['NAME'],
  means: 'what the device is to be called; over 15 characters (11 beside a tap) it is cut',
  unless: 'vifDOMID.DEVID',
};
const FILTER: Described = {
  name: 'filter',
  values: ['yes', 'no'],
  means: 'iptables rules for this device',
  unless: 'yes',
};
const MAC: Described = {
  name: 'mac',
  values: ['ADDRESS'],
  means: "the guest's MAC address",
  isSetByToolstack: true,
};
const IP_LIST: Described = {
  name: 'ip',
  values: ['LIST'],
  means: "the guest's addresses: IPv4, IPv6, CIDR ranges, with blanks between",
};
const MTU: Described = { name: 'mtu', values: ['BYTES'], means: "the device's and the guest's MTU" };
const COMMON: readonly Described[] = [...SET_BY_TOOLSTACK, TYPE, MAC, ...XENSTORE_KEYS, VIFNAME];

const STRICT: readonly Described[] = [
  {
    name: 'antispoof',
    values: ['yes', 'no', 'strict'],
    means: 'strict: drop what the guest sends from any other MAC or IP address (nftables)',
    unless: 'as the bridge or network was started',
  },
  {
    name: 'locking',
    values: ['locked', 'unlocked', 'disabled'],
    means: 'under that: only itself, anything, or nothing',
    unless: 'locked',
  },
];

/** No network hook starts a switch. */
const SWITCH_STRICT = STRICT.map((variable) =>
  variable.name === 'antispoof' ? { ...variable, unless: 'no' } : variable,
);

const ACCOUNT: Described = {
  name: 'account',
  values: ['yes', 'no'],
  means: 'count the traffic, for "xen-network traffic" (nftables, Linux 5.16)',
  unless: 'as the bridge or network was started',
};

const VIF_BRIDGE: HookDescription = {
  purpose: "puts a guest's network card on a bridge; called by xl, xend or udev",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    { name: 'bridge', values: ['NAME'], means: 'the bridge', unless: "the host's first" },
    { ...IP_LIST, unless: 'any address may be used' },
    { ...MTU, unless: "the bridge's" },
    {
      name: 'vlan',
      values: ['TERMS'],
      means: 'the VLANs of its port, where the bridge filters VLANs: 10, or 10p/20/30-39/50u',
    },
    ...STRICT,
    {
      name: 'notrack',
      values: ['yes', 'no', 'auto'],
      means: "keep the guest's bridged packets out of connection tracking",
      unless: 'auto',
    },
    ACCOUNT,
    ...COMMON,
    FILTER,
  ],
};

const VIF_NAT: HookDescription = {
  purpose: "gives a guest's network card a private network of its own; called by xl, xend or udev",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    {
      name: 'ip',
      values: ['ADDRESS[/LENGTH]'],
      means: "the guest's address",
      unless: '10.(domid/256).(domid%256).(devid+1)/16',
    },
    {
      name: 'dhcp',
      values: ['yes', 'no', 'dhcpd', 'dnsmasq'],
      means: 'an entry for the guest',
      unless: 'yes where the ISC server is installed or network-nat hands out addresses',
    },
    { name: 'netdev', values: ['NAME'], means: "the network's device, for IPv6 addresses", unless: 'eth0' },
    ...STRICT,
    ACCOUNT,
    MTU,
    ...COMMON,
    FILTER,
  ],
};

const VIF_OPENVSWITCH: HookDescription = {
  purpose: "puts a guest's network card on an Open vSwitch bridge; called by xl, xend or udev",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    {
      name: 'bridge',
      values: ['NAME[.TAG][:TRUNK...]'],
      means: 'the bridge, the VLAN of untagged frames, those of tagged frames',
    },
    {
      name: 'iface-id',
      values: ['NAME'],
      means: 'what OVN calls the port',
      unless: "the card's MAC address",
    },
    { ...IP_LIST, unless: 'any address may be used' },
    ...SWITCH_STRICT,
    MTU,
    { ...ACCOUNT, unless: 'no' },
    ...COMMON,
  ],
};

const VIF_ROUTE: HookDescription = {
  purpose: "routes a guest's addresses to its network card; called by xl, xend or udev",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    { ...IP_LIST, unless: 'no route' },
    {
      name: 'netdev',
      values: ['NAME'],
      means: "the network's device, whose main address is the guest's gateway",
      unless: 'eth0',
    },
    {
      name: 'gatewaydev',
      values: ['NAME'],
      means: "the same, as the guest's configuration has it; it comes before netdev",
      isSetByToolstack: true,
    },
    ...STRICT,
    {
      name: 'notrack',
      values: ['yes', 'no'],
      means: "under antispoof=strict: keep the guest's packets out of connection tracking",
      unless: 'no',
    },
    ACCOUNT,
    MTU,
    ...COMMON,
    FILTER,
  ],
};

const VIF_SETUP: HookDescription = {
  purpose: "runs a guest's own script, or vif-bridge; called by udev for a guest of xend",
  commands: COMMANDS,
  words: WORDS,
  variables: [
    {
      name: 'script',
      values: ['FILE [ARGUMENTS]'],
      means: "from the environment only: a hook's name or a file's path",
      unless: 'vif-bridge',
    },
  ],
};

/** The hooks that attach guests, by their names. */
export const VIF_HOOKS: Readonly<Record<string, HookDescription>> = {
  'vif-bridge': VIF_BRIDGE,
  'vif-nat': VIF_NAT,
  'vif-openvswitch': VIF_OPENVSWITCH,
  'vif-route': VIF_ROUTE,
  'vif-setup': VIF_SETUP,
};
