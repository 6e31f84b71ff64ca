import type { Family } from './addresses.ts';

/** Something that belongs to the whole host and that several started hooks may need at once. */
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
  | { readonly kind: 'policy'; readonly family: Family; readonly value: 'DROP' };

/** A claim, who holds it, and what was there before the first of them. */
export interface Held {
  readonly claim: Claim;
  /** The value before; for a rule undefined when it was not there. */
  readonly before: string | undefined;
  /** Other settings that the kernel changes together with this one, as they were. */
  readonly beside: Readonly<Record<string, string>>;
  /** Hook and device, such as "network-nat eth0". */
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
  }
}
