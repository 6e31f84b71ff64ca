import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { Settings } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { Claim } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import type { SpanningTree } from '../../request/bridge.ts';
import type { BridgeLayout } from './layout.ts';

/** All that a start has to know. */
export interface StartFacts {
  readonly state: HostState;
  readonly link: Link;
  readonly layout: BridgeLayout;
  /** The card's kernel settings. */
  readonly settings: Settings;
  /** Those of the device that takes its place: an existing bridge's, else the kernel's defaults. */
  readonly topSettings: Settings;
  /** ifupdown brought the card up. */
  readonly ifupdown: boolean;
  /** Set when antispoof=yes: the families of the host. */
  readonly filtered: readonly Family[] | undefined;
  /** Under antispoof=yes, that its guests' wrapped frames are dropped; undefined where nft cannot. */
  readonly wrapped?: Claim | undefined;
  /** Under antispoof=yes, what goes past the host stays out of connection tracking. */
  readonly untracked?: boolean;
  /** Families in which somebody else's FORWARD drops bridged packets that no rule lets pass. */
  readonly dropping?: readonly Family[];
  /** The bridge's part in the spanning tree, as wanted and as it is. */
  readonly spanningTree?: { readonly wanted: SpanningTree | undefined; readonly now: SpanningState };
  /** antispoof=strict. */
  readonly strict?: boolean;
}
