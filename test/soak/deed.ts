import type { Act } from '../support/overlap/overlap.ts';
import type { Guest, Model } from './model.ts';

/** Something that somebody does on the host; what it comes to when nothing disturbs it. */
export interface Deed {
  readonly what: string;
  /** Deeds about different things may be done at the same time. */
  readonly about: string;
  /** The last one is the program's, if it has one; the others prepare it. */
  readonly acts: readonly Act[];
  /** Acts of the guest's side, the hypervisor's and the administrator's after the program's. */
  readonly later: readonly Act[];
  readonly model: Model;
  /** What takes it back, however far it had come. */
  readonly opposite?: Deed;
  /** Nobody calls the program again for it: what it leaves when it is killed is left to others. */
  readonly isLast?: true;
  /** It is a mishap and what mends it: nothing comes of it. */
  readonly isMishap?: true;
  /** It is undone or confirmed by something that comes later by itself. */
  readonly isOpen?: true;
}

/** Deeds of one kind. */
export interface DeedKind {
  readonly weight: number;
  /** All that are possible on a host. */
  readonly all: (model: Model) => readonly Deed[];
}

export type DeedKinds = Readonly<Record<string, DeedKind>>;

/**
 * The guests of a host.
 * @param model the host
 */
export function guestsOf(model: Model): [domid: number, guest: Guest][] {
  return Object.entries(model.guests).map(([domid, guest]) => [Number(domid), guest]);
}

/**
 * What a guest's card is called.
 * @param domid its domain
 * @param guest the guest
 */
export function deviceOf(domid: number, { vifname }: Guest): string {
  return vifname ? `web${domid}` : `vif${domid}.0`;
}
