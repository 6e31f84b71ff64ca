import { listed } from '../text.ts';
import type { MapFacts, Network } from './map.ts';
import { hostMap } from './map.ts';

/** Something that the doctor found. */
export interface Complaint {
  /** What it is about, such as "network", "guests" or "host". */
  readonly topic: string;
  /** error: something does not work; warning: it may not be meant. */
  readonly level: 'error' | 'warning';
  /** What is so, and what to do. */
  readonly text: string;
  /** The guest that it is about. */
  readonly guest?: string;
}

/** What the doctor looks at, beside what the map is drawn from. */
export interface DoctorFacts extends MapFacts {
  /** Sentences about bridges that somebody took apart. */
  readonly damages: readonly string[];
  /** Kernel settings by their path below /proc/sys; those that there are not are left out. */
  readonly settings: Readonly<Record<string, string>>;
  /** Sentences about programs that manage cards and guests' devices, too. */
  readonly owners: readonly string[];
  /** Hooks whose file in /etc/xen/scripts is not this program, by what is there instead. */
  readonly hooks: Readonly<Record<string, string>>;
  /** Devices of which a killed run, or one that never came, left rules, records or a journal. */
  readonly leftovers: readonly string[];
  /** Keys of journals of interrupted runs. */
  readonly interrupted: readonly string[];
  /** Starts that wait for their confirmation, with the seconds left. */
  readonly pending: readonly { readonly id: string; readonly seconds: number }[];
  /** Chains that drop guests' frames which cross a bridge, and in which no rule of ours can stand, by the bridge. */
  readonly dropping: ReadonlyMap<string, readonly string[]>;
  /** Rules of guests' records that are not in FORWARD, by the device. */
  readonly missingRules: ReadonlyMap<string, readonly string[]>;
  /** Devices that lead outside and by which guests' packets are masqueraded. */
  readonly masqueraded: readonly string[];
  /** Servers of started networks that do not run. */
  readonly idleServers: readonly string[];
  readonly switchRuns: boolean;
}

type Rule = (facts: DoctorFacts, networks: readonly Network[]) => readonly Complaint[];

/** From so many guests on the compatible rules in FORWARD cost each packet noticeably (docs/speed.md). */
const MANY_GUESTS = 200;
/** Of the table of connections. */
const FULL = 0.8;

/**
 * Looks for what is wrong with a host's networks and guests.
 * @param facts what is so on the host
 * @returns errors first
 */
export function diagnose(facts: DoctorFacts): Complaint[] {
  const { networks, warnings } = hostMap(facts);
  const found = [
    ...warnings.map((text) => complaint('host', 'error', text)),
    ...RULES.flatMap((rule) => rule(facts, networks)),
  ];
  const rank = ({ level }: Complaint) => (level === 'error' ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}

function complaint(topic: string, level: Complaint['level'], text: string, guest?: string): Complaint {
  return { topic, level, text, ...(guest === undefined ? {} : { guest }) };
}

const takenApart: Rule = ({ damages }) =>
  damages.map((text) =>
    complaint('network', 'error', `${text} Run "xen-network recover", or stop and start the network.`),
  );

const downBridges: Rule = (_, networks) =>
  networks
    .filter(
      ({ isUp, kind, startedBy, guests }) =>
        !isUp && kind === 'bridge' && (startedBy ?? guests[0]) !== undefined,
    )
    .map(({ name }) =>
      complaint('network', 'error', `The bridge ${name} is down. Run "ip link set dev ${name} up".`),
    );

const cardsWithoutCarrier: Rule = (_, networks) =>
  networks.flatMap(({ name, cards, startedBy }) =>
    cards
      .filter(({ hasCarrier }) => !hasCarrier && startedBy !== undefined)
      .map(({ device }) =>
        complaint(
          'network',
          'error',
          `${device}, the card of ${name}, has no carrier: guests reach nobody outside. Look at the cable and the switch port.`,
        ),
      ),
  );

const guestsOffNetwork: Rule = (facts, networks) => {
  const attached = new Set(networks.flatMap(({ guests }) => guests.map(({ device }) => device)));
  return facts.guests.flatMap(({ guest, hotplug, bridge, script, devices }) =>
    devices
      .filter(
        ({ name }) => hotplug === 'connected' && !attached.has(name) && !/vif-(route|nat)/.test(script ?? ''),
      )
      .map(({ name }) =>
        complaint(
          'guests',
          'error',
          `${name} of ${guest} is on no network, though it should be on ${bridge ?? 'its bridge'}. Run "xen-network reattach ${guest}".`,
          guest,
        ),
      ),
  );
};

const otherBridge: Rule = (facts, networks) =>
  networks
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, guests }) =>
      guests.flatMap(({ guest, device, domid }) => {
        const card = facts.guests.find(
          (one) => one.domid === domid && one.devices.some((each) => each.name === device),
        );
        const wanted = card?.bridge;
        if (wanted === undefined || wanted === '' || wanted === name) return [];
        return [
          complaint(
            'guests',
            'warning',
            `${device} of ${guest} is on ${name}; xenstore says ${wanted}. Somebody moved it by hand.`,
            guest,
          ),
        ];
      }),
    );

const sameTwice: Rule = ({ guests }) => {
  const uses = guests.flatMap(({ guest, mac, addresses }) => [
    ...(mac === '' ? [] : [{ what: `the MAC address ${mac.toLowerCase()}`, guest }]),
    ...addresses
      .filter((word) => !word.includes('/'))
      .map((word) => ({ what: `the address ${word}`, guest })),
  ]);
  const byWhat = new Map<string, string[]>();
  for (const { what, guest } of uses) byWhat.set(what, [...(byWhat.get(what) ?? []), guest]);
  return [...byWhat]
    .filter(([, users]) => users.length > 1)
    .map(([what, users]) =>
      complaint(
        'guests',
        'error',
        `${listed([...new Set(users)])} have ${what} ${users.length} times. Give each card its own ("xen-network mac" draws one).`,
      ),
    );
};

const differingMtu: Rule = (facts, networks) =>
  networks
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, mtu, cards, guests }) => {
      const link = (device: string) => facts.state.links.find((one) => one.name === device);
      const smaller = cards.filter(({ device }) => (link(device)?.mtu ?? 0) < (mtu ?? 0));
      const odd = guests.filter((port) => mtu !== undefined && port.mtu > mtu);
      return [
        ...smaller.map(({ device }) =>
          complaint(
            'network',
            'warning',
            `${device} has the MTU ${link(device)?.mtu}, its bridge ${name} ${mtu}: large packets are lost there. Set both alike.`,
          ),
        ),
        ...odd.map(({ device, guest, mtu: own }) =>
          complaint(
            'guests',
            'warning',
            `${device} of ${guest} has the MTU ${own}, its bridge ${name} ${mtu}: large packets are lost. Set mtu= of the guest, or the bridge's.`,
            guest,
          ),
        ),
      ];
    });

const notForwarding: Rule = ({ settings }, networks) => {
  const guests = networks.filter(({ kind }) => kind === 'routed').flatMap((network) => network.guests);
  if (guests.length === 0 || settings['net/ipv4/ip_forward'] !== '0') return [];
  return [
    complaint(
      'network',
      'error',
      `net.ipv4.ip_forward is 0, and ${listed(guests.map(({ guest }) => guest))} are routed to. Run "network-route start", or "network-nat start".`,
    ),
  ];
};

const notMasqueraded: Rule = (facts) => {
  const nat = facts.guests.filter(
    ({ script, devices }) => /vif-nat/.test(script ?? '') && devices.length > 0,
  );
  if (nat.length === 0 || facts.masqueraded.length > 0) return [];
  return [
    complaint(
      'network',
      'error',
      `${listed(nat.map(({ guest }) => guest))} are behind NAT (vif-nat), and nothing masquerades their packets. Run "network-nat start".`,
    ),
  ];
};

const firewallDrops: Rule = ({ dropping }) =>
  [...dropping].flatMap(([bridge, chains]) =>
    chains.map((chain) =>
      complaint(
        'firewall',
        'warning',
        `Frames between guests of ${bridge} and its card go through the chain ${chain}, which drops what no rule lets pass, and no rule of this program can stand there. Add one (iifname "${bridge}" oifname "${bridge}" accept).`,
      ),
    ),
  );

const rulesGone: Rule = ({ missingRules }) =>
  [...missingRules].map(([device, rules]) =>
    complaint(
      'firewall',
      'error',
      `${device} lacks ${rules.length} of its rules in FORWARD (${rules[0]}). Run "xen-network refilter".`,
    ),
  );

const full: Rule = ({ settings }) => {
  const count = Number(settings['net/netfilter/nf_conntrack_count'] ?? 0);
  const most = Number(settings['net/netfilter/nf_conntrack_max'] ?? 0);
  if (most === 0 || count < most * FULL) return [];
  return [
    complaint(
      'host',
      'warning',
      `Connection tracking holds ${count} of ${most} connections; from the last one on packets are dropped. Raise net.netfilter.nf_conntrack_max, or say notrack=yes for bridged guests.`,
    ),
  ];
};

const manyGuests: Rule = (_, networks) =>
  networks
    .filter(({ guests, antispoof }) => antispoof !== 'strict' && guests.length >= MANY_GUESTS)
    .map(({ name, guests }) =>
      complaint(
        'network',
        'warning',
        `${name} has ${guests.length} guests, whose rules in FORWARD each packet passes one by one. Start it with antispoof=strict, whose cost does not grow.`,
      ),
    );

const leftBehind: Rule = ({ leftovers, interrupted, pending }) => [
  ...(interrupted.length === 0
    ? []
    : [
        complaint(
          'host',
          'error',
          `${listed(interrupted)} ${interrupted.length === 1 ? 'was' : 'were'} interrupted half-way. Run "xen-network recover".`,
        ),
      ]),
  ...(leftovers.length === 0
    ? []
    : [
        complaint(
          'host',
          'warning',
          `Something is left of devices that are gone: ${listed(leftovers)}. Run "xen-network recover".`,
        ),
      ]),
  ...pending.map(({ id, seconds }) =>
    complaint('host', 'warning', `${id} is undone in ${seconds} s. Run "xen-network confirm" to keep it.`),
  ),
];

const owned: Rule = ({ owners }) => owners.map((text) => complaint('host', 'warning', text));

const hookFiles: Rule = ({ hooks }) =>
  Object.entries(hooks).map(([state, names]) =>
    complaint(
      'host',
      state === 'replaced' ? 'error' : 'warning',
      state === 'replaced'
        ? `${names} in /etc/xen/scripts: a file lies over the link to this program, as an upgrade of Xen leaves it. Run "xen-network hooks enable".`
        : `${names} in /etc/xen/scripts: not this program (${state}). "xen-network hooks enable" puts it there.`,
    ),
  );

const servers: Rule = ({ idleServers }) => idleServers.map((text) => complaint('network', 'error', text));

const noSwitch: Rule = ({ guests, switchRuns }) => {
  const wanting = guests.filter(({ script }) => /openvswitch/.test(script ?? ''));
  if (switchRuns || wanting.length === 0) return [];
  return [
    complaint(
      'network',
      'error',
      `Open vSwitch does not run, and ${listed(wanting.map(({ guest }) => guest))} are attached to it. Start openvswitch-switch.`,
    ),
  ];
};

const RULES: readonly Rule[] = [
  takenApart,
  downBridges,
  cardsWithoutCarrier,
  guestsOffNetwork,
  otherBridge,
  sameTwice,
  differingMtu,
  notForwarding,
  notMasqueraded,
  firewallDrops,
  rulesGone,
  full,
  manyGuests,
  leftBehind,
  owned,
  hookFiles,
  servers,
  noSwitch,
];

/** A place that a guest's packets pass, with what was counted there. */
export interface Hop {
  readonly device: string;
  readonly what: string;
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
}

/**
 * The way of a guest's packets, from its card to the wire.
 * @param facts what is so on the host
 * @param guest the guest's name or domain
 * @param counters what each device counted, by its name
 */
export function wayOf(
  facts: DoctorFacts,
  guest: string,
  counters: (device: string) => Omit<Hop, 'device' | 'what'>,
): Hop[] {
  const { networks } = hostMap(facts);
  const hop = (device: string, what: string): Hop => ({ device, what, ...counters(device) });
  return networks.flatMap(({ name, kind, guests, cards }) =>
    guests
      .filter((port) => port.guest === guest || `${port.domid}` === guest)
      .flatMap(({ device }) => [
        hop(device, "the guest's end in dom0"),
        ...(kind === 'routed' ? [] : [hop(name, kind)]),
        ...cards.map((card) => hop(card.device, 'card')),
      ]),
  );
}

/**
 * Whether a guest has a network card here.
 * @param facts what is so on the host
 * @param guest the guest's name or domain
 */
export function isKnownGuest({ guests }: Pick<MapFacts, 'guests'>, guest: string): boolean {
  return guests.some((one) => one.guest === guest || `${one.domid}` === guest);
}
