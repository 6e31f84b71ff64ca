import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { Settings } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import type { SpanningTree } from '../../request/bridge.ts';
import type { BridgeLayout } from './layout.ts';

/** All facts that a start needs. */
export interface StartFacts {
  readonly state: HostState;
  readonly link: Link;
  readonly layout: BridgeLayout;
  /** The card's kernel settings. */
  readonly settings: Settings;
  /**
   * The kernel settings of the device that gets the host's addresses: those of an existing bridge, otherwise the
   * kernel's defaults.
   */
  readonly topSettings: Settings;
  /** ifupdown brought the card up. */
  readonly ifupdown: boolean;
  /** The host's families; set when antispoof=yes. */
  readonly filtered: readonly Family[] | undefined;
  /** With antispoof=yes: the table that drops guests' wrapped frames; undefined where nft cannot do that. */
  readonly wrapped?: SharedSetting | undefined;
  /** With antispoof=yes: packets that only cross the bridge bypass connection tracking. */
  readonly untracked?: boolean;
  /** With antispoof=yes: the rules that let packets of other started bridges' cards pass. */
  readonly beside?: readonly SharedSetting[];
  /** The families in which FORWARD, by somebody else's policy, drops bridged packets. */
  readonly dropping?: readonly Family[];
  /** The bridge's spanning tree settings, as requested and at present. */
  readonly spanningTree?: { readonly wanted: SpanningTree | undefined; readonly now: SpanningState };
  /** antispoof=strict. */
  readonly strict?: boolean;
  /** account=yes. */
  readonly account?: boolean;
}
