import type { BridgeRecord } from '../../observe/bridge/uplink.ts';
import type { CardFacts, GuestCard, SwitchFacts } from '../../observe/desk/facts.ts';
import type { StrictRecord } from '../../observe/filter/strict.ts';
import type { Drops } from '../../observe/filter/strict-listing.ts';
import type { VirtualRecord } from '../../observe/forward/virtual.ts';
import type { Address, HostState, Link } from '../../observe/host/host.ts';
import type { VifRecord } from '../../observe/records.ts';
import { TAP_SUFFIX } from '../../request/names.ts';

/** All that the map of a host is drawn from. */
export interface MapFacts {
  readonly host: string;
  readonly state: HostState;
  /** By the device's name. */
  readonly cards: ReadonlyMap<string, CardFacts>;
  readonly bridges: readonly BridgeRecord[];
  readonly virtuals: readonly VirtualRecord[];
  readonly switches: readonly SwitchFacts[];
  readonly guests: readonly GuestCard[];
  /** By the kernel's name of the device. */
  readonly records: ReadonlyMap<string, VifRecord>;
  /** By the port's name. */
  readonly strict: ReadonlyMap<string, StrictRecord>;
  readonly drops: ReadonlyMap<string, Drops>;
  /** Bridges that take part in the spanning tree. */
  readonly spanning: readonly string[];
  readonly warnings: readonly string[];
}

/** A device of a guest, as the map shows it. */
export interface GuestPort {
  readonly guest: string;
  readonly domid: number;
  readonly device: string;
  readonly mac: string;
  /** As the guest's configuration has them. */
  readonly addresses: readonly string[];
  readonly vlans: string;
  readonly mtu: number;
  /** "strict locked" and the like; "rules" where FORWARD has some for it, which filter under antispoof=yes; "no". */
  readonly filter: string;
  /** Packets that the strict filter dropped; undefined where it does not hold the device. */
  readonly dropped: number | undefined;
  /** hotplug-status of its card; undefined where the hook has not answered. */
  readonly hotplug: string | undefined;
  /** hotplug-error. */
  readonly error: string | undefined;
  readonly isUp: boolean;
}

/** A network card, or what stands for one, as a port. */
export interface CardPort {
  readonly device: string;
  /** The driver, or the kind of the device, such as bond. */
  readonly driver: string;
  /** Mbit/s. */
  readonly speed: number | undefined;
  readonly hasCarrier: boolean;
}

/** The host's own end of a network. */
export interface HostEnd {
  readonly device: string;
  /** Its port, where it is not the bridge itself. */
  readonly port: string | undefined;
  /** ADDRESS/LENGTH. */
  readonly addresses: readonly string[];
}

/** A bridge, a switch, or all that is routed by one device. */
export interface Network {
  readonly kind: 'bridge' | 'switch' | 'routed';
  readonly name: string;
  /** The hook that started it; undefined for what is not ours. */
  readonly startedBy: string | undefined;
  readonly mtu: number | undefined;
  readonly isUp: boolean;
  readonly antispoof: 'strict' | 'yes' | undefined;
  readonly hasSpanningTree: boolean;
  readonly cards: readonly CardPort[];
  readonly dom0: HostEnd | undefined;
  readonly guests: readonly GuestPort[];
  /** Ports of others. */
  readonly others: readonly string[];
}

/** The map of a host's networks. */
export interface HostMap {
  readonly version: 1;
  readonly host: string;
  readonly networks: readonly Network[];
  /** Devices of guests that are on no network. */
  readonly loose: readonly GuestPort[];
  readonly warnings: readonly string[];
}

/**
 * Draws the map of a host's networks, those that our hooks started first.
 * @param facts what is so on the host
 */
export function hostMap(facts: MapFacts): HostMap {
  const ports = guestPorts(facts);
  const bridges = facts.state.links.filter(({ kind }) => kind === 'bridge');
  const networks = [
    ...bridges.map((link) => bridgeNetwork(facts, link, ports)),
    ...facts.switches.map((found) => switchNetwork(facts, found, ports)),
    ...routedNetworks(facts, ports),
  ];
  const seen = new Set(networks.flatMap(({ guests }) => guests));
  const loose = [...ports.values()].filter((port) => !seen.has(port));
  const ours = (network: Network) => (network.startedBy === undefined ? 1 : 0);
  return {
    version: 1,
    host: facts.host,
    networks: networks.sort((a, b) => ours(a) - ours(b) || (a.name < b.name ? -1 : 1)),
    loose,
    warnings: [...facts.warnings, ...failures([...ports.values()])],
  };
}

/** All guests' devices on this host, by their present names. */
function guestPorts(facts: MapFacts): Map<string, GuestPort> {
  const links = new Map(facts.state.links.map((link) => [link.name, link]));
  const found = new Map<string, GuestPort>();
  for (const card of facts.guests) {
    for (const { device, name } of card.devices) {
      const link = links.get(name);
      if (link !== undefined) found.set(name, guestPort(facts, card, device, link));
    }
  }
  return found;
}

function guestPort(facts: MapFacts, card: GuestCard, device: string, link: Link): GuestPort {
  const strict = facts.strict.get(link.name);
  const record = facts.records.get(device);
  const hasRules = record !== undefined && record.rules[4].length + record.rules[6].length > 0;
  const isTap = device.endsWith(TAP_SUFFIX);
  return {
    guest: card.guest,
    domid: card.domid,
    device: link.name,
    mac: card.mac,
    addresses: card.addresses,
    vlans: record?.vlans?.text ?? '',
    mtu: link.mtu,
    filter: strict === undefined ? (hasRules ? 'rules' : 'no') : `strict ${strict.mode}`,
    dropped: strict === undefined ? undefined : (facts.drops.get(link.name)?.packets ?? 0),
    // The hooks tell the toolstack about the vif only, not the tap.
    hotplug: isTap ? undefined : card.hotplug,
    error: isTap ? undefined : card.error,
    isUp: link.flags.has('UP'),
  };
}

function bridgeNetwork(facts: MapFacts, link: Link, ports: ReadonlyMap<string, GuestPort>): Network {
  const { state } = facts;
  const bridged = facts.bridges.find(({ bridge }) => bridge === link.name);
  const virtual = facts.virtuals.find(({ bridge }) => bridge === link.name);
  const members = state.links.filter(({ master }) => master === link.name);
  const dom0 = hostEnd(state, link, members);
  const guests = members.flatMap(({ name }) => ports.get(name) ?? []);
  const others = members.filter(({ name }) => !ports.has(name) && name !== dom0?.port);
  const cards = others.flatMap(
    (member) => cardPort(facts, member) ?? (member.name === bridged?.nic ? bareCard(member) : []),
  );
  const isStrict = bridged?.strict === true || virtual?.strict === true;
  return {
    kind: 'bridge',
    name: link.name,
    startedBy:
      bridged !== undefined ? 'network-bridge' : virtual !== undefined ? 'network-virtual' : undefined,
    mtu: link.mtu,
    isUp: link.flags.has('UP'),
    antispoof: isStrict ? 'strict' : bridged?.antispoof === undefined ? undefined : 'yes',
    hasSpanningTree: facts.spanning.includes(link.name),
    cards,
    dom0,
    guests,
    others: others.map(({ name }) => name).filter((name) => !cards.some(({ device }) => device === name)),
  };
}

/** The other device of a pair, or the bridge itself. */
function hostEnd(state: HostState, bridge: Link, members: readonly Link[]): HostEnd | undefined {
  for (const member of members) {
    const peer = state.links.find(({ name }) => member.kind === 'veth' && name === member.peer);
    if (peer !== undefined && peer.master === undefined)
      return { device: peer.name, port: member.name, addresses: addressTexts(peer.addresses) };
  }
  const own = addressTexts(bridge.addresses);
  return own.length === 0 ? undefined : { device: bridge.name, port: undefined, addresses: own };
}

function addressTexts(addresses: readonly Address[]): string[] {
  return addresses.filter(({ scope }) => scope !== 'link').map(({ local, length }) => `${local}/${length}`);
}

function cardPort({ cards }: MapFacts, { name, kind, flags }: Link): CardPort | undefined {
  const card = cards.get(name);
  const stands = kind === 'bond' || kind === 'team' || kind === 'vlan' || kind === 'dummy';
  if (card?.driver === undefined && !stands) return undefined;
  return {
    device: name,
    driver: card?.driver ?? kind ?? '',
    speed: card?.speed,
    hasCarrier: flags.has('LOWER_UP'),
  };
}

function switchNetwork(
  facts: MapFacts,
  { name, ports }: SwitchFacts,
  guests: ReadonlyMap<string, GuestPort>,
): Network {
  const links = new Map(facts.state.links.map((link) => [link.name, link]));
  const own = links.get(name);
  const others = ports.filter((port) => !guests.has(port));
  const cards = others.flatMap((port) => {
    const link = links.get(port);
    return link === undefined ? [] : (cardPort(facts, link) ?? []);
  });
  const addresses = addressTexts(own?.addresses ?? []);
  return {
    kind: 'switch',
    name,
    startedBy: undefined,
    mtu: own?.mtu,
    isUp: own?.flags.has('UP') === true,
    antispoof: undefined,
    hasSpanningTree: false,
    cards,
    dom0: addresses.length === 0 ? undefined : { device: name, port: undefined, addresses },
    guests: ports.flatMap((port) => guests.get(port) ?? []),
    others: others.filter((port) => !cards.some(({ device }) => device === port)),
  };
}

/** Routed guests, by their own devices: dom0 is their network. */
function routedNetworks(facts: MapFacts, ports: ReadonlyMap<string, GuestPort>): Network[] {
  const names = new Set(
    [...facts.records.values()]
      .filter(({ assigned = [] }) => assigned.some(({ kind }) => kind === 'route'))
      .map(({ name }) => name),
  );
  const guests = [...ports.values()].filter(({ device }) => names.has(device));
  if (guests.length === 0) return [];
  const uplink = facts.state.routes.find(
    ({ destination, table }) => destination === 'default' && table === 'main',
  )?.hops[0]?.dev;
  const link = facts.state.links.find(({ name }) => name === uplink);
  return [
    {
      kind: 'routed',
      name: 'routed',
      startedBy: 'vif-route, vif-nat',
      mtu: undefined,
      isUp: true,
      antispoof: undefined,
      hasSpanningTree: false,
      cards: link === undefined ? [] : [cardPort(facts, link) ?? bareCard(link)],
      dom0:
        link === undefined
          ? undefined
          : { device: link.name, port: undefined, addresses: addressTexts(link.addresses) },
      guests,
      others: [],
    },
  ];
}

function bareCard({ name, kind, flags }: Link): CardPort {
  return { device: name, driver: kind ?? '', speed: undefined, hasCarrier: flags.has('LOWER_UP') };
}

/** The errors that hooks wrote to xenstore about guests' devices. */
function failures(ports: readonly GuestPort[]): string[] {
  return ports.flatMap(({ guest, device, hotplug, error }) => {
    if (error !== undefined) return [`${device} of ${guest}: ${error}`];
    if (hotplug === undefined || hotplug === 'connected') return [];
    return [`${device} of ${guest} is not connected: its hotplug-status is "${hotplug}".`];
  });
}
