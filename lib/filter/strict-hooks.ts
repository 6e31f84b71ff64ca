/** What chains of a routed guest's device cannot do. */
export const ROUTED_TABLE = 'inet xen_network';

/** The group of routed guests' devices (ip-link(8)), which stays with a device that is renamed. */
export const ROUTED_GROUP = '30830';

/** The sets of the table for routed guests. */
export const ROUTED_SETS: readonly string[] = [
  // Guests whose device has a chain in the table of the netdev family.
  'set held { type ifname; }',
  // Guests that may not receive, where the kernel has no chains for what goes out by a device.
  'set disabled { type ifname; }',
  // Guests whose packets bypass connection tracking, and their addresses.
  'set untracked { type ifname; }',
  'set untracked4 { type ipv4_addr; flags interval; }',
  'set untracked6 { type ipv6_addr; flags interval; }',
];

/** Sets keyed by port, so that the work for a packet does not grow with the number of guests. */
export const SETS: readonly string[] = [
  // A guest's MAC address, and the same as a plain number, as DHCP and neighbour discovery carry it.
  'set macs { type ifname . ether_addr; }',
  'set hw { typeof iifname . @th,288,48; }',
  // A guest's single addresses together with its MAC address, so that one lookup checks both.
  'set own4 { type ifname . ether_addr . ipv4_addr; }',
  'set own6 { type ifname . ether_addr . ipv6_addr; }',
  // Its IPv6 addresses again, as targets of neighbour discovery: nft before 1.0.8 can only match these as 128 bits.
  'set targets { typeof iifname . @th,64,128; }',
  // Its IPv4 addresses again, as DHCP carries them.
  'set leases { typeof iifname . @th,160,32; }',
  // Guests with a range of IPv4 or IPv6 addresses, and their ranges as blocks, for the same three uses.
  'set ranged4 { type ifname; }',
  'set ranged6 { type ifname; }',
  'set blocks4 { type ifname . ipv4_addr; }',
  'set blocks6 { type ifname . ipv6_addr; }',
  'set target_blocks { typeof iifname . @th,64,128; }',
  'set lease_blocks { typeof iifname . @th,160,32; }',
  // The VLANs whose tag a guest may use, and blocks of them.
  'set tags { typeof iifname . vlan id; }',
  'set tag_blocks { typeof iifname . vlan id; }',
  // Guests without an address of their own: they may use any.
  'set anyaddress { type ifname; }',
  // Guests that may neither send nor receive.
  'set disabled { type ifname; }',
  // Guests whose frames bypass connection tracking, their MAC addresses, and the host's MAC addresses on their bridges.
  'set untracked { type ifname; }',
  'set untracked_macs { type ether_addr; }',
  'set host_macs { type ifname . ether_addr; }',
  // Ethertypes that guests may use besides ARP, IPv4 and IPv6; the administrator adds them.
  'set ethertypes { type ether_type; }',
  // Counts each guest's dropped packets.
  'set refused { type ifname; counter; }',
  // Guests whose dropped packets are logged, each at a rate of its own.
  'set logged { type ifname; limit rate 10/second burst 20 packets; }',
  // The chain for each guest's frames.
  'map guests { type ifname : verdict; }',
];

/**
 * Sets of a version before, which the kernel kept as ranges. Elements in records still have these names: `elementLine`
 * makes blocks of them.
 */
export const FORMER_SETS: ReadonlySet<string> = new Set([
  'net4',
  'net6',
  'target_nets',
  'lease_nets',
  'vlans',
]);

/** The sets that only the chains of the bridge family use. */
export const BRIDGE_SETS: readonly string[] = ['disabled', 'untracked', 'untracked_macs', 'host_macs'];

/** The hooks. Their policy is accept, so that other bridges are not affected by this table. */
export const BASES: readonly (readonly [name: string, hook: string, rules: readonly string[]])[] = [
  ['from_guests', 'prerouting priority -300', ['iifname vmap @guests']],
  // A bridge never forwards frames to 01:80:c2:00:00:02 to 0f: they pass this hook and not prerouting.
  [
    'to_host',
    'input priority -300',
    ['ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname vmap @guests'],
  ],
];

/**
 * Base chains that are only made once their set is used, since they cost time for every frame of every bridge, or every
 * packet of the host. A set of the table for routed guests has the family before its name.
 */
export const BASES_ON_DEMAND: Readonly<
  Record<string, readonly [name: string, hook: string, rules: readonly string[]]>
> = {
  disabled: ['to_guests', 'postrouting priority 300', ['oifname @disabled drop']],
  // Before iptables sees bridged packets (priority 0). Packets to the host itself stay tracked: its own firewall may
  // need that, and NAT does where the host routes or masquerades the guest's packets.
  untracked: [
    'untrack',
    'prerouting priority -290',
    [
      'ether daddr @untracked_macs notrack',
      'iifname . ether daddr @host_macs return',
      'iifname @untracked notrack',
    ],
  ],
  'inet disabled': ['to_guests', 'postrouting priority 300', ['oifname @disabled drop']],
  // Packets to the host itself stay tracked, as those of bridged guests do.
  'inet untracked': [
    'untrack',
    'prerouting priority -300',
    [
      'iifname @untracked fib daddr type != local notrack',
      'ip daddr @untracked4 notrack',
      'ip6 daddr @untracked6 notrack',
    ],
  ],
  // The chain of a renamed device has let go of it, or does not find its name among the guests.
  'inet held': ['renamed', 'prerouting priority -400', [`iifgroup ${ROUTED_GROUP} iifname != @held drop`]],
};
