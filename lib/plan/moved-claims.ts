import type { Family } from '../contract/addresses.ts';
import { type Claim, claimKey, type Held, type Ledger } from '../contract/claims.ts';
import { natRecordPath } from '../contract/paths.ts';
import { bridgedRule, masqueradeRule } from '../filter/masquerade.ts';
import type { Move } from '../filter/void-rules.ts';
import type { Present } from '../observe/forwarding.ts';
import type { NatRecord } from '../observe/nat.ts';
import { ledgerSteps } from './forwarding.ts';
import { remember } from './remember.ts';
import type { Command, Step } from './step.ts';

/** Hooks whose notes name the device that leads outside. */
const BY_DEVICE = /^(network-nat|network-route) (.+)$/;

/**
 * Lets what started hooks hold for a device follow where another one takes its addresses: rules are put anew, and what
 * is noted names the new device. Its kernel settings move with the addresses. Where it is a bridge by then, packets that
 * cross it are kept from being masqueraded; where it is none any more, there are none such.
 * @param ledger who holds what
 * @param present the state of the ledger's claims
 * @param nats what network-nat left
 * @param move from which device to which
 * @param isBridge whether the device that gets the addresses is a bridge
 */
export function movedClaims(
  ledger: Ledger,
  present: Present,
  nats: readonly NatRecord[],
  move: Move,
  isBridge: boolean,
): Step[] {
  const isThere = (held: Held) => present.get(claimKey(held.claim)) !== undefined;
  // Before the rules for their device get another name: -I puts it on top of them.
  const exempt = isBridge ? exemptions(ledger, move) : [];
  const needless = isBridge ? [] : ledger.filter(({ claim }) => isExemption(claim, move.from));
  const staying = ledger.filter((held) => !needless.includes(held));
  const moved = staying.map((held) => movedHeld(held, move));
  const steps = staying.flatMap((held, i) => {
    const to = moved[i]?.claim;
    return to === undefined || !isThere(held) ? [] : ruleSteps(held.claim, to);
  });
  return [
    ...steps,
    ...exempt.flatMap(({ claim }) => swap(undefined, claim)),
    ...needless
      .filter((held) => held.before === undefined && isThere(held))
      .flatMap(({ claim }) => swap(claim)),
    ...renamedNat(nats, move),
    ...ledgerSteps(ledger, merged([...moved, ...exempt])),
  ];
}

/** What has to be held, for whoever masquerades by the device, once it is a bridge. */
function exemptions(ledger: Ledger, { from, to }: Move): Held[] {
  return ledger.flatMap((held): Held[] => {
    const { claim } = held;
    const isMasquerade =
      claim.kind === 'rule' && claim.table === 'nat' && claim.rule === masqueradeRule(from);
    if (!isMasquerade || ledger.some((other) => isExemption(other.claim, from, claim.family))) return [];
    const rule: Claim = { ...claim, rule: bridgedRule(to), place: 'top' };
    const users = held.users.map((user) => movedUser(user, { from, to }));
    return [{ claim: rule, before: undefined, beside: {}, users }];
  });
}

function isExemption(claim: Claim, device: string, family?: Family): boolean {
  return (
    claim.kind === 'rule' &&
    claim.rule === bridgedRule(device) &&
    (family === undefined || claim.family === family)
  );
}

function renamedNat(nats: readonly NatRecord[], move: Move): Step[] {
  const nat = nats.find(({ netdev }) => netdev === move.from);
  if (nat === undefined || move.from === move.to) return [];
  return [
    ...remember(
      natRecordPath(move.to),
      undefined,
      { ...nat, netdev: move.to },
      `what network-nat did on ${move.to}`,
    ),
    ...remember(natRecordPath(move.from), nat, undefined, `what network-nat did on ${move.from}`),
  ];
}

function ruleSteps(from: Claim, to: Claim): Step[] {
  return claimKey(from) === claimKey(to) ? [] : swap(from, to);
}

/** Puts a rule in the place of another one; either may be left out. */
function swap(from?: Claim, to?: Claim): Step[] {
  return [
    ...(to?.kind === 'rule'
      ? [{ do: line(to, true), undo: [line(to, false)], why: `have the rule "${to.rule}"` }]
      : []),
    ...(from?.kind === 'rule'
      ? [{ do: line(from, false), undo: [line(from, true)], why: `drop the rule "${from.rule}"` }]
      : []),
  ];
}

function line({ family, table, place, rule }: Extract<Claim, { kind: 'rule' }>, isThere: boolean): Command {
  const word = !isThere ? '-D' : place === 'top' ? '-I' : '-A';
  return { tool: family === 4 ? 'iptables' : 'ip6tables', table, line: `${word} ${rule}` };
}

function movedHeld(held: Held, move: Move): Held {
  const users = held.users.map((user) => movedUser(user, move));
  return { ...held, claim: movedClaim(held.claim, move.from, move.to), users };
}

function movedUser(user: string, { from, to }: Move): string {
  const [, hook, device] = BY_DEVICE.exec(user) ?? [];
  return device === from ? `${hook} ${to}` : user;
}

function movedClaim(claim: Claim, from: string, to: string): Claim {
  if (claim.kind === 'setting') {
    const parts = claim.path.split('/');
    return {
      ...claim,
      path: parts.map((part, i) => (i === parts.length - 2 && part === from ? to : part)).join('/'),
    };
  }
  if (claim.kind === 'policy') return claim;
  const words = claim.rule.split(' ');
  const isDevice = (i: number) => words[i] === from && /^-[io]$/.test(words[i - 1] ?? '');
  return { ...claim, rule: words.map((word, i) => (isDevice(i) ? to : word)).join(' ') };
}

/** What was held for both devices is held once. */
function merged(ledger: Ledger): Ledger {
  const all = new Map<string, Held>();
  for (const held of ledger) {
    const key = claimKey(held.claim);
    const known = all.get(key);
    all.set(
      key,
      known === undefined ? held : { ...known, users: [...new Set([...known.users, ...held.users])] },
    );
  }
  return [...all.values()];
}
