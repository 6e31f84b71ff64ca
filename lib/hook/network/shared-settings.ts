import { applyTeardown } from '../../apply/apply.ts';
import { sharedFacts } from '../../apply/shared-settings.ts';
import { readGuestLedger, readLedger } from '../../observe/filter/ledger.ts';
import { readPresent } from '../../observe/forward/forwarding.ts';
import { namedGuests } from '../../observe/vif/guest-names.ts';
import { isMet, restore, share } from '../../plan/shared/shared-settings.ts';
import { type Step, shareStep } from '../../plan/step.ts';
import { bridgeRecordPath, damagedPath, natRecordPath, virtualRecordPath } from '../../record/paths.ts';
import { type Claim, claimKey, claimsOf, claimText, type Ledger } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/**
 * The step after which a started hook holds the shared settings that it needs, in addition to those from an earlier
 * start.
 * @param system the way to the host
 * @param user the holder: hook and device, such as "network-nat eth0"
 * @param claims the shared settings
 * @returns empty where it holds all of them
 */
export function holdShared(system: System, user: string, claims: readonly Claim[]): Step[] {
  const ledger = readLedger(system);
  const keys = new Set(claims.map(claimKey));
  const earlier = claimsOf(ledger, user);
  // The strict table is not kept from an earlier start: filtered guests hold it themselves.
  const others = earlier.filter((claim) => claim.kind !== 'strict' && !keys.has(claimKey(claim)));
  const wanted = [...claims, ...others];
  const change = share(ledger, sharedFacts(system, ledger, wanted), user, wanted);
  const isHeld = change.steps.length === 0 && earlier.length === wanted.length;
  return isHeld ? [] : [shareStep(user, earlier, wanted)];
}

/**
 * The step that ends what a holder holds.
 * @param system the way to the host
 * @param user the holder: hook and device
 * @returns empty where it holds nothing
 */
export function letGoShared(system: System, user: string): Step[] {
  const held = claimsOf(readLedger(system), user);
  return held.length === 0 ? [] : [shareStep(user, held, [])];
}

/**
 * The steps that restore all shared settings, as after a flush of the firewall.
 * @param system the way to the host
 */
export function restoreShared(system: System): Step[] {
  // The guests may have changed since a table was made that names them.
  const ledger = readLedger(system).map((held) =>
    held.claim.kind === 'wrapped' && !held.claim.byBridge
      ? { ...held, claim: { ...held.claim, guests: namedGuests(system, held.claim.bridge) } }
      : held,
  );
  return restore(ledger, sharedFacts(system, ledger, []));
}

/**
 * Ends what forgotten holders hold: hooks whose records are gone, and guests that went without an offline. The caller
 * must hold the lock of the network hooks.
 * @param system the way to the host
 * @returns a sentence for each holder
 */
export async function collectShared(system: System): Promise<string[]> {
  const users = (ledger: Ledger) => new Set(ledger.flatMap((held) => held.users));
  const ledger = readLedger(system);
  const there = users(readGuestLedger(system));
  const left = [...users(ledger)].filter((user) => !there.has(user) || isForgotten(system, user));
  const steps = left.map((user) => shareStep(user, claimsOf(ledger, user), []));
  const failures = await applyTeardown(system, { steps, warnings: [] });
  return [
    ...left.map((user) => `The shared settings of ${user} were released, since it has no record any more.`),
    ...failures,
  ];
}

const RECORDS: ReadonlyMap<string, (name: string) => string> = new Map([
  ['bridge', bridgeRecordPath],
  ['virtual', virtualRecordPath],
  ['nat', natRecordPath],
]);

/** A record that cannot be read still counts, and network-route has no other record than the shared settings. */
function isForgotten(system: System, user: string): boolean {
  const [, hook = '', name = ''] = /^network-(bridge|virtual|nat) (.+)$/.exec(user) ?? [];
  const path = RECORDS.get(hook)?.(name);
  return path !== undefined && !system.exists(path) && !system.exists(damagedPath(path));
}

/**
 * Checks that the host has the shared settings that a hook needs.
 * @param system the way to the host
 * @param claims the shared settings
 * @returns a sentence for each that is missing
 */
export function unmetClaims(system: System, claims: readonly Claim[]): string[] {
  return lacking(system, claims).map(
    (wanted) => `${claimText(wanted)} is not as it was set: something else changes it at the same time.`,
  );
}

/**
 * The shared settings that are missing on the host, as after a flush of the firewall.
 * @param system the way to the host
 * @returns a sentence for each holder that lacks one
 */
export function lostClaims(system: System): string[] {
  // `strictDamage` reports what the strict table lacks.
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
