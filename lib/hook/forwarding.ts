import { type Claim, claimKey } from '../contract/claims.ts';
import { bridgeRecordPath } from '../contract/paths.ts';
import { readBeside, readPresent } from '../observe/forwarding.ts';
import { readLedger } from '../observe/ledger.ts';
import { readBridgeRecords } from '../observe/uplink.ts';
import { claim, isMet, ledgerSteps, release } from '../plan/forwarding.ts';
import { handOver, isAntispoofClaim, trueBefore } from '../plan/shared-antispoof.ts';
import type { Step } from '../plan/step.ts';
import type { System } from '../system/system.ts';

/** Steps on what several hooks share, and the writing down of who needs what, which comes last. */
export interface SharedChange {
  readonly steps: readonly Step[];
  readonly remembering: readonly Step[];
}

/**
 * What has to be done so that a started hook has what it needs of the whole host.
 * @param system the way to the host
 * @param user hook and device, such as "network-nat eth0"
 * @param claims what it needs
 */
export function claimShared(system: System, user: string, claims: readonly Claim[]): SharedChange {
  const before = readLedger(system);
  const { steps, ledger } = claim(before, readPresent(system, claims), readBeside(system), claims, user);
  return { steps, remembering: ledgerSteps(before, trueBefore(ledger, readBridgeRecords(system))) };
}

/**
 * What has to be done once a hook needs nothing more of the whole host.
 * @param system the way to the host
 * @param user hook and device
 */
export function releaseShared(system: System, user: string): SharedChange {
  const before = readLedger(system);
  const mine = before.filter(({ users }) => users.includes(user));
  const bridges = readBridgeRecords(system);
  const isNeeded = bridges.some(({ antispoof }) => antispoof !== undefined);
  const alone = mine.filter(({ users }) => isNeeded && users.length === 1);
  // What a bridge goes on needing is as if somebody else had changed it: it stays.
  const present = readPresent(
    system,
    mine.map((held) => held.claim).filter((wanted) => !(isNeeded && isAntispoofClaim(wanted))),
  );
  const { steps, ledger } = release(before, present, user);
  return {
    steps,
    remembering: [...handOver(alone, bridges, bridgeRecordPath), ...ledgerSteps(before, ledger)],
  };
}

/**
 * Looks again whether a hook has what it needs.
 * @param system the way to the host
 * @param claims what it needs
 * @returns a sentence for each thing that it has not
 */
export function unmetClaims(system: System, claims: readonly Claim[]): string[] {
  const present = readPresent(system, claims);
  return claims
    .filter((wanted) => !isMet(wanted, present.get(claimKey(wanted))))
    .map(
      (wanted) => `${claimText(wanted)} is not as it was set: something else changes it at the same time.`,
    );
}

/**
 * What of the whole host started hooks need and is not there any more, as after a flush of the firewall.
 * @param system the way to the host
 * @returns a sentence for each hook that lacks something
 */
export function lostClaims(system: System): string[] {
  const ledger = readLedger(system);
  if (ledger.length === 0) return [];
  const present = readPresent(
    system,
    ledger.map(({ claim: held }) => held),
  );
  const lost = ledger.filter(({ claim: held }) => !isMet(held, present.get(claimKey(held))));
  const users = [...new Set(lost.flatMap((held) => held.users))];
  return users.map((user) => {
    const what = lost.filter((held) => held.users.includes(user)).map((held) => claimText(held.claim));
    const more = what.length > MOST_NAMED ? ` and ${what.length - MOST_NAMED} more` : '';
    return `${user} lacks ${what.slice(0, MOST_NAMED).join('; ')}${more}: "xen-network refilter" puts it back.`;
  });
}

const MOST_NAMED = 3;

function claimText(wanted: Claim): string {
  if (wanted.kind === 'setting') return `${wanted.path} = ${wanted.value}`;
  const tool = wanted.family === 4 ? 'iptables' : 'ip6tables';
  return wanted.kind === 'rule'
    ? `the rule "${tool} -t ${wanted.table} -A ${wanted.rule}"`
    : `FORWARD's policy ${wanted.value} (${tool})`;
}
