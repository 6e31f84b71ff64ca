import type { HookTable } from '../desk/completion.ts';

/** The purpose of a hook, and its variables. */
interface HookHelp {
  readonly purpose: string;
  readonly usage: string;
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

const VIF_COMMON: HookHelp['variables'] = [
  ['vif=NAME', 'the device, vifDOMID.DEVID; xl and udev set it'],
  ['type_if=vif|tap', 'vif for online and offline (the default), tap for add and remove'],
  ['vifname=NAME', 'what the device is to be called; over 15 characters (11 beside a tap) it is cut'],
  ['filter=no', 'no iptables rules for this device'],
];
const IP_LIST = ['ip=LIST', "the guest's addresses: IPv4, IPv6, CIDR ranges, with blanks between"] as const;
const MTU = ['mtu=BYTES', "the device's and the guest's MTU"] as const;
const VIF_USAGE = '{online|offline|add|remove} [VARIABLE=VALUE ...]';

const NETWORK_USAGE = '{start|stop|status} [VARIABLE=VALUE ...]';
const GUARDS: HookHelp['variables'] = [
  ['check=ADDRESS', 'after start this address must answer a ping within 10 s, else all is undone'],
  ['confirm=SECONDS', 'all is undone unless "xen-network confirm" is called in time'],
];

const ANTISPOOF: HookHelp['variables'] = [
  ['antispoof=yes', 'drop what no rule lets pass; vif-bridge adds a rule for each guest address'],
  ['antispoof=strict', 'drop what a guest sends from any other MAC address or ip (nftables, bridge family)'],
];

const SPANNING_TREE: HookHelp['variables'] = [
  ['stp=yes', 'take part in the spanning tree, once the ports are there'],
  [
    'forward_delay=SECONDS',
    'how long a port listens, and learns, before it forwards; 2 to 30, 4 unless told',
  ],
];

const HOOKS: Readonly<Record<string, HookHelp>> = {
  'network-bridge': {
    purpose: "bridges one of the host's network cards, so that guests share it",
    usage: NETWORK_USAGE,
    variables: [
      ['netdev=NAME', "the network card; the default route's device unless told"],
      ['bridge=NAME', 'the bridge; xenbrN unless told; null does nothing'],
      ['vifnum=N', 'the number in xenbrN, vethN and vif0.N'],
      ['topology=classic|rename|plain', 'how the card is bridged; classic unless the card needs plain'],
      ...ANTISPOOF,
      ['notrack=yes|no|auto', 'keep what passes between guests and the card out of connection tracking'],
      ...SPANNING_TREE,
      ['force=yes|no', 'start even where the firewall of the host would then let nobody in'],
      ...GUARDS,
    ],
  },
  'network-multi-bridge': {
    purpose: 'starts or stops several networks as one, all or nothing',
    usage: '{start|stop|status} [HOOK [VARIABLE=VALUE ...]] ...',
    variables: [
      ['list=FILE', 'calls of hooks, one a line; /etc/xen/network-multi-bridge.conf unless told'],
      ...GUARDS,
    ],
  },
  'network-nat': {
    purpose: "lets guests reach the outside with this host's address",
    usage: NETWORK_USAGE,
    variables: [
      ['netdev=NAME', "the device that leads outside; the default route's unless told"],
      ['dhcp=yes|no|dhcpd|dnsmasq', 'hand out addresses; yes where a dhcpd.conf is there'],
      ['antispoof=yes', 'drop what no rule lets pass; vif-nat adds rules for each guest'],
      ['ipv6=yes', 'IPv6 as well'],
      ...GUARDS,
    ],
  },
  'network-route': {
    purpose: 'lets guests be reached by a route through this host',
    usage: NETWORK_USAGE,
    variables: [
      ['netdev=NAME', "the device that leads outside; the default route's unless told"],
      ['ipv6=yes', 'IPv6 as well'],
      ...GUARDS,
    ],
  },
  'network-virtual': {
    purpose: 'gives guests a network of their own, on a bridge with no network card',
    usage: NETWORK_USAGE,
    variables: [
      ['bridge=NAME', 'the bridge; xenbrN unless told; null does nothing'],
      ['vifnum=N', 'the number in xenbrN; 0 unless told'],
      ['bridgeip=ADDRESS/LENGTH', "dom0's address on it, IPv4 or IPv6; several with commas between"],
      ['brnet=NETWORK/LENGTH', 'networks that are reached by it; guests are then reached from outside'],
      ['masquerade=yes', "guests reach the outside with this host's address"],
      ['netdev=NAME', "the device that leads outside; the default route's unless told"],
      ['dhcp=yes|dnsmasq|dhcpd', 'hand out the upper half of the subnet; not unless told'],
      ...ANTISPOOF,
      ...SPANNING_TREE,
      ...GUARDS,
    ],
  },
  'vif-bridge': {
    purpose: "puts a guest's network card on a bridge; called by xl, xend or udev",
    usage: VIF_USAGE,
    variables: [
      ['bridge=NAME', "the bridge; the host's first unless told"],
      IP_LIST,
      ['mtu=BYTES', "the device's and the guest's MTU; the bridge's unless told"],
      ['vlan=TERMS', 'the VLANs of its port, where the bridge filters VLANs: 10, or 10p/20/30-39/50u'],
      [
        'antispoof=strict',
        'drop what the guest sends from any other MAC address or ip (nftables, bridge family)',
      ],
      ['locking=locked|unlocked|disabled', 'under that: only itself, anything, or nothing'],
      ['notrack=yes|no|auto', "keep the guest's bridged packets out of connection tracking"],
      ...VIF_COMMON,
    ],
  },
  'vif-nat': {
    purpose: "gives a guest's network card a private network of its own; called by xl, xend or udev",
    usage: VIF_USAGE,
    variables: [
      ['ip=ADDRESS[/LENGTH]', "the guest's address; 10.(domid/256).(domid%256).(devid+1)/16 unless told"],
      [
        'dhcp=yes|no|dhcpd|dnsmasq',
        'an entry for the guest; yes where the ISC server is installed, unless told',
      ],
      ['netdev=NAME', "the network's device, for IPv6 addresses; eth0 unless told"],
      MTU,
      ...VIF_COMMON,
    ],
  },
  'vif-openvswitch': {
    purpose: "puts a guest's network card on an Open vSwitch bridge; called by xl, xend or udev",
    usage: VIF_USAGE,
    variables: [
      ['bridge=NAME[.TAG][:TRUNK...]', 'the bridge, the VLAN of untagged frames, those of tagged frames'],
      ['iface-id=NAME', "what OVN calls the port; the card's MAC address unless told"],
      MTU,
      ...VIF_COMMON.filter(([name]) => name !== 'filter=no'),
    ],
  },
  'vif-route': {
    purpose: "routes a guest's addresses to its network card; called by xl, xend or udev",
    usage: VIF_USAGE,
    variables: [
      IP_LIST,
      ['netdev=NAME', "the network's device, whose main address is the guest's gateway; eth0 unless told"],
      MTU,
      ...VIF_COMMON,
    ],
  },
  'vif-setup': {
    purpose: "runs a guest's own script, or vif-bridge; called by udev for a guest of xend",
    usage: VIF_USAGE,
    variables: [['script=FILE [ARGUMENTS]', `from the environment only: a hook's name or a file's path`]],
  },
};

/**
 * What hooks take, for who completes words.
 * @returns by the hooks' names
 */
export function hookTables(): ReadonlyMap<string, HookTable> {
  return new Map(
    Object.entries(HOOKS).map(([hook, { purpose, usage, variables }]) => [
      hook,
      { purpose, commands: (/\{(.*?)\}/.exec(usage)?.[1] ?? '').split('|'), variables },
    ]),
  );
}

/**
 * The text of `HOOK --help`.
 * @param hook a hook's name
 */
export function helpText(hook: string): string {
  const help = HOOKS[hook];
  if (help === undefined) return '';
  const width = Math.max(...help.variables.map(([name]) => name.length));
  return [
    `${hook}: ${help.purpose}.`,
    '',
    `Usage: ${hook} ${help.usage} [--dry-run] [--json] [--help] [--version]`,
    '',
    'Variables:',
    ...help.variables.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`),
    '',
    '--dry-run, -n or XEN_NETWORK_DRY_RUN=1 prints the commands and changes nothing.',
    '',
  ].join('\n');
}
