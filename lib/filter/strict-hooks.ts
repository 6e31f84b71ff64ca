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
