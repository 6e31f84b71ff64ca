/** Where a guest's card goes: its hook, and what it needs. */
export type Place = 'bridged' | 'virtual' | 'nat' | 'routed';
export type Network = 'bridge' | 'virtual' | 'nat' | 'route';
/** What holds a guest that says to be somebody else: nothing, the rules in FORWARD, or the strict filter. */
export type Antispoof = 'no' | 'yes' | 'strict';
export type Mode = 'locked' | 'unlocked' | 'disabled';

/** A guest's network card. */
export interface Guest {
  readonly place: Place;
  /** What xenstore says of antispoof; undefined where it says nothing. */
  readonly antispoof: Antispoof | undefined;
  readonly vifname: boolean;
  readonly isOnline: boolean;
  /** Its emulated card: none, made by QEMU, or attached by the hook. */
  readonly tap: 'none' | 'made' | 'added';
  readonly mode: Mode | undefined;
}

/** What a host has to be like. */
export interface Model {
  /** The networks that are started, each with its antispoof. */
  readonly networks: Readonly<Partial<Record<Network, Antispoof>>>;
  readonly guests: Readonly<Record<number, Guest>>;
}

export const NOTHING: Model = { networks: {}, guests: {} };

/** The network that guests at a place are on; guests that are routed need none. */
export const NETWORK_OF: Readonly<Record<Place, Network | undefined>> = {
  bridged: 'bridge',
  virtual: 'virtual',
  nat: undefined,
  routed: undefined,
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
 * A model with one network changed.
 * @param model the model
 * @param network which
 * @param antispoof what it was started with; undefined when it is stopped
 */
export function withNetwork(model: Model, network: Network, antispoof: Antispoof | undefined): Model {
  const { [network]: _old, ...others } = model.networks;
  return { ...model, networks: antispoof === undefined ? others : { ...others, [network]: antispoof } };
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

/** What becomes of a guest's packets; undefined where nothing is promised. */
export interface Passage {
  /** Those with its own address. */
  readonly honest: boolean | undefined;
  /** Those with another's. */
  readonly forged: boolean | undefined;
}

/**
 * What has to become of packets that a guest sends to machines beyond the host's card.
 * @param model the host
 * @param domid the guest's domain
 */
export function passageOf(model: Model, domid: number): Passage {
  const guest = model.guests[domid];
  if (guest === undefined || !guest.isOnline || guest.mode === 'disabled')
    return { honest: false, forged: false };
  const { nat, route, virtual } = model.networks;
  const isForwarded = nat !== undefined || route !== undefined || virtual !== undefined;
  const leads = guest.place === 'bridged' || isForwarded;
  if (!leads) return { honest: undefined, forged: undefined };
  const filter = holds(model, guest);
  if (filter === 'strict') return { honest: true, forged: guest.mode === 'unlocked' ? undefined : false };
  // Packets of routed guests pass FORWARD always, those on a bridge where it has antispoof=yes.
  const isHeld = guest.place === 'bridged' ? filter === 'yes' : isForwardClosed(model);
  return { honest: true, forged: isHeld ? false : undefined };
}
