import { wrappedDrops } from '../../filter/wrapped.ts';
import { readLedgerFile } from '../../observe/filter/ledger.ts';
import { type Claim, claimKey } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/** What a bridge needs of nft, and what is to be said where that cannot be had. */
export interface Wrapping {
  /** One, or none. */
  readonly claims: readonly Claim[];
  readonly warnings: readonly string[];
}

/** Of a bridge without antispoof=yes. */
export const NOT_WRAPPED: Wrapping = { claims: [], warnings: [] };

/**
 * What a bridge under antispoof=yes needs so that its guests send no IP that iptables does not see. The kernel is asked
 * whether it can tell a frame's bridge; nothing is changed.
 * @param system the way to nft and the ledger
 * @param bridge the bridge's name
 * @param card its card's name while it is a port; undefined where it has none
 */
export function wrappedClaim(system: System, bridge: string, card: string | undefined): Wrapping {
  const wanted = (byBridge: boolean) =>
    ({ kind: 'wrapped', bridge, byBridge, ...(card === undefined ? {} : { card }) }) as const;
  const held = readLedgerFile(system).find(({ claim }) => claimKey(claim) === claimKey(wanted(true)));
  if (held !== undefined) return { claims: [held.claim], warnings: [] };
  if (refusalOf(system, wrappedDrops(wanted(true))) === undefined)
    return { claims: [wanted(true)], warnings: [] };
  const refusal = refusalOf(system, wrappedDrops(wanted(false)));
  return refusal === undefined
    ? { claims: [wanted(false)], warnings: [] }
    : { claims: [], warnings: [unwrapped(refusal)] };
}

/** What nft says to all of it. */
function refusalOf(system: System, drops: string): string | undefined {
  const { status, stderr } = system.run(['nft', '-c', '-f', '-'], { input: `${drops}\n` });
  if (status === 0) return undefined;
  const said = /Error: ([^\n]+)/.exec(stderr)?.[1] ?? stderr.trim();
  return status === 127 || said === '' ? 'nft is not installed' : `nft says: ${said}`;
}

function unwrapped(refusal: string): string {
  return (
    `Guests can send packets past antispoof=yes that are wrapped in a second VLAN tag, in MPLS and the like, for ${refusal}. ` +
    'Install nftables, with a kernel that has its bridge family, and start the bridge again.'
  );
}
