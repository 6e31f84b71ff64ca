import { applyTeardown } from '../../apply/apply.ts';
import { sharedFacts } from '../../apply/shared-settings.ts';
import { readGuestLedger, readLedger } from '../../observe/filter/ledger.ts';
import { readPresent } from '../../observe/forward/forwarding.ts';
import { isMet, restore, share } from '../../plan/shared/shared-settings.ts';
import { type Step, shareStep } from '../../plan/step.ts';
import { bridgeRecordPath, damagedPath, natRecordPath, virtualRecordPath } from '../../record/paths.ts';
import { type Claim, claimKey, claimsOf, claimText, type Ledger } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/**
 * Lets a started hook have what it needs of the whole host, beside what it has from an earlier start.
 * @param system the way to the host
 * @param user hook and device, such as "network-nat eth0"
 * @param claims what it needs
 * @returns no step where it has all of it
 */
export function holdShared(system: System, user: string, claims: readonly Claim[]): Step[] {
  const ledger = readLedger(system);
  const keys = new Set(claims.map(claimKey));
  const earlier = claimsOf(ledger, user);
  // A guest that is held stays so without its bridge's wish.
  const others = earlier.filter((claim) => claim.kind !== 'strict' && !keys.has(claimKey(claim)));
  const wanted = [...claims, ...others];
  const change = share(ledger, sharedFacts(system, ledger, wanted), user, wanted);
  const isHeld = change.steps.length === 0 && earlier.length === wanted.length;
  return isHeld ? [] : [shareStep(user, earlier, wanted)];
}

/**
 * Lets go of what a hook needed of the whole host.
 * @param system the way to the host
 * @param user hook and device
 * @returns no step where it holds nothing
 */
export function letGoShared(system: System, user: string): Step[] {
  const held = claimsOf(readLedger(system), user);
  return held.length === 0 ? [] : [shareStep(user, held, [])];
}

/**
 * Steps that put back what started hooks hold of the whole host, as after a flush of the firewall.
 * @param system the way to the host
 */
export function restoreShared(system: System): Step[] {
  const ledger = readLedger(system);
  return restore(ledger, sharedFacts(system, ledger, []));
}

/**
 * Lets go of what nobody answers for any more: users whose records are gone, and guests that are gone without a word. No
 * network hook may be under way.
 * @param system the way to the host
 * @returns a sentence for each user
 */
export async function collectShared(system: System): Promise<string[]> {
  const users = (ledger: Ledger) => new Set(ledger.flatMap((held) => held.users));
  const ledger = readLedger(system);
  const there = users(readGuestLedger(system));
  const left = [...users(ledger)].filter((user) => !there.has(user) || isForgotten(system, user));
  const steps = left.map((user) => shareStep(user, claimsOf(ledger, user), []));
  const failures = await applyTeardown(system, { steps, warnings: [] });
  return [
    ...left.map(
      (user) => `What ${user} needed of this host was let go of: nothing else is known of it any more.`,
    ),
    ...failures,
  ];
}

const RECORDS: ReadonlyMap<string, (name: string) => string> = new Map([
  ['bridge', bridgeRecordPath],
  ['virtual', virtualRecordPath],
  ['nat', natRecordPath],
]);

/** A record that cannot be read is not gone; and the ledger is all that network-route has. */
function isForgotten(system: System, user: string): boolean {
  const [, hook = '', name = ''] = /^network-(bridge|virtual|nat) (.+)$/.exec(user) ?? [];
  const path = RECORDS.get(hook)?.(name);
  return path !== undefined && !system.exists(path) && !system.exists(damagedPath(path));
}

/**
 * Looks again whether a hook has what it needs.
 * @param system the way to the host
 * @param claims what it needs
 * @returns a sentence for each thing that it has not
 */
export function unmetClaims(system: System, claims: readonly Claim[]): string[] {
  return lacking(system, claims).map(
    (wanted) => `${claimText(wanted)} is not as it was set: something else changes it at the same time.`,
  );
}

/**
 * What of the whole host started hooks need and is not there any more, as after a flush of the firewall.
 * @param system the way to the host
 * @returns a sentence for each hook that lacks something
 */
export function lostClaims(system: System): string[] {
  // What the strict filter lacks, its own look tells.
  const ledger = readLedger(system).filter(({ claim }) => claim.kind !== 'strict');
  if (ledger.length === 0) return [];
  const lost = new Set(
    lacking(
      system,
      ledger.map(({ claim }) => claim),
    ),
  );
  const users = [...new Set(ledger.filter(({ claim }) => lost.has(claim)).flatMap((held) => held.users))];
  return users.map((user) => lostText(user, ledger, lost));
}

const MOST_NAMED = 3;

function lostText(user: string, ledger: Ledger, lost: ReadonlySet<Claim>): string {
  const what = claimsOf(ledger, user)
    .filter((claim) => lost.has(claim))
    .map(claimText);
  const more = what.length > MOST_NAMED ? ` and ${what.length - MOST_NAMED} more` : '';
  return `${user} lacks ${what.slice(0, MOST_NAMED).join('; ')}${more}: "xen-network refilter" puts it back.`;
}

function lacking(system: System, claims: readonly Claim[]): Claim[] {
  const present = readPresent(system, claims);
  return claims.filter((wanted) => !isMet(wanted, present.get(claimKey(wanted))));
}
