import type { Family, Prefix } from '../../request/addresses.ts';

/** An address of the host, with the network that it is in. */
export interface OwnAddress {
  readonly device: string;
  readonly address: string;
  readonly network: Prefix;
}

/** A bridge of the host. */
export interface BridgeFacts {
  readonly name: string;
  /** The networks in which the host itself has an address by this bridge. */
  readonly networks: readonly Prefix[];
  readonly filtersVlans: boolean;
  /** How it was started by a hook of this program. */
  readonly antispoof: 'no' | 'yes' | 'strict';
}

/** What a file about guests is compared with. */
export interface HostFacts {
  readonly devices: readonly string[];
  readonly bridges: readonly BridgeFacts[];
  readonly addresses: readonly OwnAddress[];
  /** Routers that the host sends by. */
  readonly gateways: readonly { readonly family: Family; readonly address: string }[];
  /** The script of a guest's card that names none, and its bridge (xl.conf). */
  readonly usualScript: string;
  readonly usualBridge: string | undefined;
  /** Why a script cannot be run; undefined where it can. */
  readonly scriptFault: (script: string) => string | undefined;
}
