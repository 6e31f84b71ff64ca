import type { KeptBridge } from '../../observe/bridge/kept.ts';
import type { BridgeRecord, Settings } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { DeviceMark } from '../step.ts';
import { freeName } from './layout.ts';

/** All facts that a stop needs. */
export interface StopFacts {
  readonly state: HostState;
  readonly record: BridgeRecord;
  /** The card, which is a port now. */
  readonly nic: Link;
  /** The device with the host's addresses; undefined where somebody deleted it. */
  readonly top: Link | undefined;
  readonly bridge: Link | undefined;
  /** Kernel settings by device: of the devices above, of the host's own port, and of 'default'. */
  readonly settings: ReadonlyMap<string, Settings>;
  /** The state of bridge and ports, to restore it on a bridge that is made again. */
  readonly kept: KeptBridge;
  /** The shared settings that the bridge holds. */
  readonly held: readonly SharedSetting[];
}

/**
 * The bridge's ports except the card and the host's own.
 * @param facts the host and the bridge's record
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
 * Kernel settings of a device; empty where they are not known.
 * @param facts all facts of the stop
 * @param name the device's name, or 'default'
 */
export function settingsOf({ settings }: StopFacts, name: string): Settings {
  return settings.get(name) ?? new Map<string, string>();
}

/**
 * The mark of a device that exists before stop and that an undo may make again, with another index.
 * @param link the device
 * @param name its name after the step
 */
export function presentMark(link: Link, name: string): DeviceMark {
  return { name, index: link.index, orNew: true };
}

/**
 * The name that the device with the addresses gets when the card takes its own name back: vethN for the classic pair. A
 * bridge that has the card's name gets a temporary name until it is removed.
 * @param facts the host and the bridge's record
 */
export function spareName({ record: saved, top, state }: StopFacts): string {
  if (saved.topology !== 'classic' && top?.name !== saved.netdev) return top?.name ?? saved.bridge;
  const wanted =
    saved.topology === 'classic' ? `veth${top?.peer?.replace(/^vif0\./, '') ?? '0'}` : `b${saved.netdev}`;
  return freeName(state, wanted);
}
