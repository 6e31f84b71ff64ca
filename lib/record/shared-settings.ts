import type { Family } from '../request/addresses.ts';

/** Something that belongs to the whole host and that several started hooks, or guests, may need at once. */
export type Claim =
  | {
      readonly kind: 'setting';
      readonly path: string;
      readonly value: string;
    }
  | {
      readonly kind: 'rule';
      readonly family: Family;
      readonly table: string;
      /** Without the -A before it, in the words of `iptables -S`. */
      readonly rule: string;
      /** Before all other rules of its chain, or after them. */
      readonly place: 'top' | 'end';
    }
  | { readonly kind: 'policy'; readonly family: Family; readonly value: 'DROP' }
  /** The table of the strict filter. */
  | { readonly kind: 'strict' }
  /** The table that drops what a bridge's guests wrap so that iptables does not see it. */
  | {
      readonly kind: 'wrapped';
      readonly bridge: string;
      /** The bridge's card; undefined where it has none. */
      readonly card?: string;
      /** The kernel tells by which bridge a frame came; else guests' ports are told by their names. */
      readonly byBridge: boolean;
    };

/** A claim, who holds it, and what was there before the first of them. */
export interface Held {
  readonly claim: Claim;
  /** The value before; for a rule or the table undefined when it was not there. */
  readonly before: string | undefined;
  /** Other settings that the kernel changes together with this one, as they were. */
  readonly beside: Readonly<Record<string, string>>;
  /** Hook and device, such as "network-nat eth0", or "vif vif1.0" for a guest's. */
  readonly users: readonly string[];
}

export type Ledger = readonly Held[];

/**
 * What tells one claim from another.
 * @param claim the claim
 */
export function claimKey(claim: Claim): string {
  switch (claim.kind) {
    case 'setting':
      return claim.path;
    case 'rule':
      return `${claim.family} ${claim.table} ${claim.rule}`;
    case 'policy':
      return `${claim.family} policy`;
    case 'strict':
      return 'strict';
    case 'wrapped':
      return `wrapped ${claim.bridge}`;
  }
}

/**
 * What a bridge of network-bridge is called among the users.
 * @param bridge the bridge's name
 */
export function bridgeUser(bridge: string): string {
  return `network-bridge ${bridge}`;
}

/**
 * What a bridge of network-virtual is called among the users.
 * @param bridge the bridge's name
 */
export function virtualUser(bridge: string): string {
  return `network-virtual ${bridge}`;
}

/**
 * What network-nat is called among the users.
 * @param netdev the device that leads outside
 */
export function natUser(netdev: string): string {
  return `network-nat ${netdev}`;
}

/** How guests are told among the users. */
export const GUEST = 'vif ';

/**
 * What a guest's device is called among the users.
 * @param device the kernel's name, vif1.0
 */
export function guestUser(device: string): string {
  return `${GUEST}${device}`;
}

/**
 * What a user holds.
 * @param ledger who holds what
 * @param user hook and device
 */
export function claimsOf(ledger: Ledger, user: string): Claim[] {
  return ledger.flatMap(({ claim, users }) => (users.includes(user) ? [claim] : []));
}

/**
 * A claim in words that an administrator knows.
 * @param claim the claim
 */
export function claimText(claim: Claim): string {
  if (claim.kind === 'setting') return `${claim.path} = ${claim.value}`;
  if (claim.kind === 'strict') return 'the table of the strict filter';
  if (claim.kind === 'wrapped') return `the table that drops what guests of ${claim.bridge} wrap`;
  const tool = claim.family === 4 ? 'iptables' : 'ip6tables';
  return claim.kind === 'rule'
    ? `the rule "${tool} -t ${claim.table} -A ${claim.rule}"`
    : `FORWARD's policy ${claim.value} (${tool})`;
}
