/** Where a guest's card goes: its hook, and what it needs. */
export type Place = 'bridged' | 'virtual' | 'nat' | 'routed' | 'switched';
export type Network = 'bridge' | 'virtual' | 'nat' | 'route';
/** What holds a guest that says to be somebody else: nothing, the rules in FORWARD, or the strict filter. */
export type Antispoof = 'no' | 'yes' | 'strict';
export type Topology = 'plain' | 'rename' | 'classic';
export type Mode = 'locked' | 'unlocked' | 'disabled';

/** A guest's network card. */
export interface Guest {
  readonly place: Place;
  /** What xenstore says of antispoof; undefined where it says nothing. */
  readonly antispoof: Antispoof | undefined;
  readonly vifname: boolean;
  /** Its emulated card: none, or attached by the hook. */
  readonly tap: 'none' | 'added';
  readonly mode: Mode | undefined;
}

/** What a host has to be like. */
export interface Model {
  /** The networks that are started, each with its antispoof. */
  readonly networks: Readonly<Partial<Record<Network, Antispoof>>>;
  /** Whether network-multi-bridge started those that it can. */
  readonly isListed: boolean;
  /** That of network-bridge, where it is started. */
  readonly topology: Topology;
  /** Whether it has an Open vSwitch, which nobody starts or stops. */
  readonly hasSwitch: boolean;
  readonly guests: Readonly<Record<number, Guest>>;
}

export const NOTHING: Model = {
  networks: {},
  isListed: false,
  topology: 'plain',
  hasSwitch: false,
  guests: {},
};

/** The network that guests at a place are on; guests that are routed need none. */
export const NETWORK_OF: Readonly<Record<Place, Network | undefined>> = {
  bridged: 'bridge',
  virtual: 'virtual',
  nat: undefined,
  routed: undefined,
  switched: undefined,
};

/**
 * A model with one guest changed.
 * @param model the model
 * @param domid the guest's domain
 * @param guest what it is from now on; undefined when it is gone
 */
export function withGuest(model: Model, domid: number, guest: Guest | undefined): Model {
  const { [domid]: _old, ...others } = model.guests;
  return { ...model, guests: guest === undefined ? others : { ...others, [domid]: guest } };
}

/**
 * A model with networks changed.
 * @param model the model
 * @param changes what each is started with; undefined when it is stopped
 * @param how by whom, and in which topology
 */
export function withNetworks(
  model: Model,
  changes: Readonly<Partial<Record<Network, Antispoof | undefined>>>,
  how: Partial<Pick<Model, 'isListed' | 'topology'>> = {},
): Model {
  const all = Object.entries({ ...model.networks, ...changes });
  return { ...model, ...how, networks: Object.fromEntries(all.filter(([, value]) => value !== undefined)) };
}

/** What holds a guest, after its own setting and that of its network (docs/contract.md, "Filter rules"). */
export function holds(model: Model, guest: Guest): Antispoof {
  const network = NETWORK_OF[guest.place];
  if (guest.antispoof !== undefined) return guest.antispoof;
  return (network === undefined ? undefined : model.networks[network]) ?? 'no';
}

/** Whether FORWARD drops what no rule accepts. */
export function isForwardClosed({ networks }: Model): boolean {
  return Object.values(networks).includes('yes');
}

/**
 * What a filter lets nobody forge: nothing, sources of IP packets that are not of the guest's network, all sources of IP
 * packets, or anything of a frame.
 */
export type Refused = 'nothing' | 'foreign IP' | 'IP' | 'all';

/** What has to become of a guest's frames on one of its ways out. */
export interface Passage {
  /** Those that are its own; undefined where nothing is promised. */
  readonly honest: boolean | undefined;
  readonly refused: Refused;
}

const CUT_OFF: Passage = { honest: false, refused: 'all' };

/** Whether a guest's card is a port of a bridge. */
export function isPort({ place }: Guest): boolean {
  return NETWORK_OF[place] !== undefined;
}

/**
 * What has to become of frames that a guest sends to others on its bridge.
 * @param model the host
 * @param domid the guest's domain
 * @returns undefined where it is on none
 */
export function passageOnBridge(model: Model, domid: number): Passage | undefined {
  const guest = model.guests[domid];
  if (guest === undefined || !isPort(guest)) return undefined;
  if (guest.mode === 'disabled') return CUT_OFF;
  const filter = holds(model, guest);
  return { honest: true, refused: filter === 'yes' ? 'IP' : refusedByStrict(filter, guest) };
}

/**
 * What has to become of packets that a guest sends to machines beyond the host, which routes them.
 * @param model the host
 * @param domid the guest's domain
 * @returns undefined where the host routes nothing for it
 */
export function passageBeyond(model: Model, domid: number): Passage | undefined {
  const guest = model.guests[domid];
  if (guest === undefined || guest.place === 'bridged' || guest.place === 'switched') return undefined;
  if (guest.mode === 'disabled') return CUT_OFF;
  const { nat, route, virtual } = model.networks;
  if (nat === undefined && route === undefined && virtual === undefined) return undefined;
  const strict = refusedByStrict(holds(model, guest), guest);
  if (strict !== 'nothing' || !isForwardClosed(model)) return { honest: true, refused: strict };
  // Packets of routed guests pass FORWARD always. There a rule accepts all of network-virtual's network, whose ports are only
  // checked where it was started with antispoof=yes (docs/antispoof.md, "antispoof=yes and the host itself").
  const isByNetwork = guest.place === 'virtual' && virtual !== 'yes';
  return { honest: true, refused: isByNetwork ? 'foreign IP' : 'IP' };
}

/** Whether the strict filter holds what a guest sends, so that the host learns nothing false of it either. */
export function isHeldStrictly(model: Model, domid: number): boolean {
  const guest = model.guests[domid];
  return guest !== undefined && refusedByStrict(holds(model, guest), guest) === 'all';
}

function refusedByStrict(filter: Antispoof, { mode }: Guest): Refused {
  return filter === 'strict' && mode !== 'unlocked' ? 'all' : 'nothing';
}
