import type { KeptBridge } from '../../observe/bridge/kept.ts';
import type { BridgeRecord, Settings } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { Claim } from '../../record/shared-settings.ts';
import type { DeviceMark } from '../step.ts';
import { freeName } from './layout.ts';

/** All that a stop has to know. */
export interface StopFacts {
  readonly state: HostState;
  readonly record: BridgeRecord;
  /** The card, a port now. */
  readonly nic: Link;
  /** The device that holds the host's addresses now; undefined where somebody deleted it. */
  readonly top: Link | undefined;
  readonly bridge: Link | undefined;
  /** Kernel settings by device; of all that is named above, of the host's own port, and of 'default'. */
  readonly settings: ReadonlyMap<string, Settings>;
  /** What bridge and ports have there, for a bridge that is made again. */
  readonly kept: KeptBridge;
  /** What the bridge needs of the whole host. */
  readonly held: readonly Claim[];
}

/**
 * The bridge's ports that are neither the card nor the host's own.
 * @param facts the host and what start left
 */
export function guestsOf({ state, bridge, nic, top }: StopFacts): Link[] {
  return state.links.filter(
    (link) =>
      bridge !== undefined &&
      link.master === bridge.name &&
      link.index !== nic.index &&
      link.name !== top?.peer,
  );
}

/**
 * Kernel settings of a device; none where they are not known.
 * @param facts what is known
 * @param name the device's name, or 'default'
 */
export function settingsOf({ settings }: StopFacts, name: string): Settings {
  return settings.get(name) ?? new Map<string, string>();
}

/**
 * The mark of a device that was there before stop and that an undo may have to make again, with another index.
 * @param link the device
 * @param name what it is called once the step is done
 */
export function presentMark(link: Link, name: string): DeviceMark {
  return { name, index: link.index, orNew: true };
}

/**
 * The name that the device which holds the addresses gets once it has to free the card's: vethN again for the classic
 * pair; a bridge that has the card's name steps aside until it goes.
 * @param facts the host and what start left
 */
export function spareName({ record: saved, top, state }: StopFacts): string {
  if (saved.topology !== 'classic' && top?.name !== saved.netdev) return top?.name ?? saved.bridge;
  const wanted =
    saved.topology === 'classic' ? `veth${top?.peer?.replace(/^vif0\./, '') ?? '0'}` : `b${saved.netdev}`;
  return freeName(state, wanted);
}
