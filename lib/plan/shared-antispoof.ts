import { type Claim, claimKey, type Held, type Ledger } from '../contract/claims.ts';
import { BRIDGE_NF } from '../contract/paths.ts';
import type { AntispoofRecord, BridgeRecord } from '../observe/uplink.ts';
import { inherit } from './antispoof.ts';
import { remember } from './remember.ts';
import type { Step } from './step.ts';

/**
 * Whether network-bridge keeps track of it too, by records of its own, when it is told antispoof=yes.
 * @param claim any claim
 */
export function isAntispoofClaim(claim: Claim): boolean {
  return claim.kind === 'policy' || (claim.kind === 'setting' && BRIDGE_NF.includes(claim.path));
}

/**
 * The ledger with the true memory of what was there before antispoof=yes: a bridge that is started has it already.
 * @param ledger who holds what
 * @param bridges records of all started bridges
 */
export function trueBefore(ledger: Ledger, bridges: readonly BridgeRecord[]): Ledger {
  const records = bridges.flatMap(({ antispoof }) => (antispoof === undefined ? [] : [antispoof]));
  return ledger.map((held) => {
    const { claim } = held;
    if (!isAntispoofClaim(claim) || claim.kind === 'rule' || held.before !== claim.value) return held;
    const known = records
      .map((saved) => (claim.kind === 'policy' ? saved.policy[claim.family] : saved.settings[claim.path]))
      .find((value) => value !== undefined && value !== claim.value);
    return known === undefined ? held : { ...held, before: known };
  });
}

/**
 * What a bridge's record says was there before, but for what another started hook goes on needing.
 * @param saved the bridge's record
 * @param ledger who holds what
 */
export function unheld(saved: AntispoofRecord, ledger: Ledger): AntispoofRecord {
  const held = new Set(ledger.map(({ claim }) => claimKey(claim)));
  const kept = (key: string, value: string | undefined, needed: string) =>
    value === undefined || !held.has(key) ? value : needed;
  const policies = ([4, 6] as const).map((family) => {
    const key = claimKey({ kind: 'policy', family, value: 'DROP' });
    return [family, kept(key, saved.policy[family], 'DROP')] as const;
  });
  const settings = Object.entries(saved.settings).map(([path, value]) => [path, kept(path, value, '1')]);
  return {
    rules: saved.rules,
    policy: Object.fromEntries(policies.filter(([, value]) => value !== undefined)),
    settings: Object.fromEntries(settings),
  };
}

/**
 * Lets a bridge that goes on needing antispoof remember what a hook that stops found before it.
 * @param leaving what the hook alone held
 * @param bridges records of all started bridges
 * @param pathOf where a bridge's record lies
 */
export function handOver(
  leaving: readonly Held[],
  bridges: readonly BridgeRecord[],
  pathOf: (bridge: string) => string,
): Step[] {
  const staying = bridges.find(({ antispoof }) => antispoof !== undefined);
  if (staying?.antispoof === undefined) return [];
  const policy = leaving.flatMap(({ claim, before }) =>
    claim.kind === 'policy' && before !== undefined ? [[claim.family, before]] : [],
  );
  const settings = leaving.flatMap(({ claim, before }) =>
    claim.kind === 'setting' && isAntispoofClaim(claim) && before !== undefined ? [[claim.path, before]] : [],
  );
  const left = { rules: [], policy: Object.fromEntries(policy), settings: Object.fromEntries(settings) };
  const heir = { ...staying, antispoof: inherit(staying.antispoof, left) };
  return remember(pathOf(staying.bridge), staying, heir, `how the filter was before ${staying.bridge}`);
}
