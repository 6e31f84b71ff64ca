import type { Family, Prefix } from '../../request/addresses.ts';

/** An address of the host, and its network. */
export interface OwnAddress {
  readonly device: string;
  readonly address: string;
  readonly network: Prefix;
}

/** A bridge of the host. */
export interface BridgeFacts {
  readonly name: string;
  /** The networks in which the host itself has an address on this bridge. */
  readonly networks: readonly Prefix[];
  readonly filtersVlans: boolean;
  /** How a hook of this program started it. */
  readonly antispoof: 'no' | 'yes' | 'strict';
}

/** The facts about the host with which guests' files are compared. */
export interface HostFacts {
  readonly devices: readonly string[];
  readonly bridges: readonly BridgeFacts[];
  readonly addresses: readonly OwnAddress[];
  /** The routers that the host uses. */
  readonly gateways: readonly { readonly family: Family; readonly address: string }[];
  /** The script and the bridge of a guest's card that names none (xl.conf). */
  readonly usualScript: string;
  readonly usualBridge: string | undefined;
  /** Why the host cannot run a script; undefined if it can. */
  readonly scriptFault: (script: string) => string | undefined;
}
