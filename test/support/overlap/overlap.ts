/** Something that is done on a host; one of `run`, `card`, `tap`, `unplug` and `shell`. */
export interface Act {
  /** A hook, or xen-network, with its words. */
  readonly run?: readonly string[];
  /** The guest that it is called for as xl does. */
  readonly guest?: number;
  /** It is called for the guest's emulated card. */
  readonly emulated?: true;
  /** The domain of a guest that gets a network card, with its entries in xenstore. */
  readonly card?: number;
  /** What xenstore holds of that card beside the usual. */
  readonly values?: Readonly<Record<string, string>>;
  /** The domain of a guest whose emulated network card QEMU makes. */
  readonly tap?: number;
  /** The domain of a guest whose network cards and entries go. */
  readonly unplug?: number;
  /** A script for sh. */
  readonly shell?: string;
}

/** Two runs, of which the second comes between two steps of the first. */
export interface Overlap {
  /** What is done once, for all boundaries of all pairs. */
  readonly stage: readonly Act[];
  /** What is done once for all boundaries of this pair: networks and guests that it is not about. */
  readonly beside: readonly Act[];
  /** What takes that away again. */
  readonly besideEnd: readonly Act[];
  /** What leads from there to the host on which both begin. */
  readonly before: readonly Act[];
  readonly first: Act;
  readonly second: Act;
  /** paused: the first goes on once the second has ended or waits for a lock. killed: it is no more. */
  readonly how: 'paused' | 'killed';
  /** They are about different things, and come to the same in either order. */
  readonly anyOrder: boolean;
  /** What follows both. */
  readonly after: readonly Act[];
  /** What leads back to the host as it was before that. */
  readonly end: readonly Act[];
  /** What leads back to the host as it was at the very first. */
  readonly strike: readonly Act[];
  /** Every so many-th boundary. */
  readonly every: number;
}

/** How it came out. */
export interface OverlapOutcome {
  /** The steps of the first, or those after which it went wrong. */
  readonly steps: number;
  /** How many boundaries were tried. */
  readonly tried: number;
  /** How the host differs from what comes of both in turn, and from what it was before. */
  readonly wrong: readonly string[];
}

export const tool = (...words: string[]): Act => ({ run: ['xen-network', ...words] });
export const hook = (...words: string[]): Act => ({ run: words });
export const online = (guest: number, vif = 'vif-bridge'): Act => ({
  run: [vif, 'online', 'type_if=vif'],
  guest,
});
export const offline = (guest: number, vif = 'vif-bridge'): Act => ({
  run: [vif, 'offline', 'type_if=vif'],
  guest,
});
export const add = (guest: number, vif = 'vif-bridge'): Act => ({
  run: [vif, 'add', 'type_if=tap'],
  guest,
  emulated: true,
});
export const remove = (guest: number, vif = 'vif-bridge'): Act => ({
  run: [vif, 'remove', 'type_if=tap'],
  guest,
  emulated: true,
});
export const tap = (domid: number): Act => ({ tap: domid });
export const card = (domid: number, values: Readonly<Record<string, string>>): Act => ({
  card: domid,
  values,
});
export const unplug = (domid: number): Act => ({ unplug: domid });
export const shell = (text: string): Act => ({ shell: text });
