import { type Claim, claimKey, type Held, type Ledger } from '../contract/claims.ts';
import { natRecordPath } from '../contract/paths.ts';
import type { Move } from '../filter/void-rules.ts';
import type { Present } from '../observe/forwarding.ts';
import type { NatRecord } from '../observe/nat.ts';
import { ledgerSteps } from './forwarding.ts';
import { remember } from './remember.ts';
import type { Step } from './step.ts';

/** Hooks whose notes name the device that leads outside. */
const BY_DEVICE = /^(network-nat|network-route) (.+)$/;

/**
 * Lets what started hooks hold for a device follow where another one takes its addresses: rules are put anew, and what
 * is noted names the new device. Its kernel settings move with the addresses.
 * @param ledger who holds what
 * @param present the state of the ledger's claims
 * @param nats what network-nat left
 * @param move from which device to which
 */
export function movedClaims(
  ledger: Ledger,
  present: Present,
  nats: readonly NatRecord[],
  move: Move,
): Step[] {
  if (move.from === move.to) return [];
  const moved = ledger.map((held) => movedHeld(held, move));
  const steps = ledger.flatMap((held, i) => {
    const to = moved[i]?.claim;
    const isThere = present.get(claimKey(held.claim)) !== undefined;
    return to === undefined || !isThere ? [] : ruleSteps(held.claim, to);
  });
  const nat = nats.find(({ netdev }) => netdev === move.from);
  const what = `what network-nat did on ${move.to}`;
  const renamed =
    nat === undefined
      ? []
      : [
          ...remember(natRecordPath(move.to), undefined, { ...nat, netdev: move.to }, what),
          ...remember(natRecordPath(move.from), nat, undefined, `what network-nat did on ${move.from}`),
        ];
  return [...steps, ...renamed, ...ledgerSteps(ledger, merged(moved))];
}

function ruleSteps(from: Claim, to: Claim): Step[] {
  if (from.kind !== 'rule' || to.kind !== 'rule' || from.rule === to.rule) return [];
  const { table, place } = from;
  const tool = from.family === 4 ? 'iptables' : 'ip6tables';
  const put = place === 'top' ? '-I' : '-A';
  const line = (word: string, rule: string) => ({ tool, table, line: `${word} ${rule}` }) as const;
  return [
    { do: line(put, to.rule), undo: [line('-D', to.rule)], why: `have the rule "${to.rule}"` },
    { do: line('-D', from.rule), undo: [line(put, from.rule)], why: `drop the rule "${from.rule}"` },
  ];
}

function movedHeld(held: Held, { from, to }: Move): Held {
  const users = held.users.map((user) => {
    const [, hook, device] = BY_DEVICE.exec(user) ?? [];
    return device === from ? `${hook} ${to}` : user;
  });
  return { ...held, claim: movedClaim(held.claim, from, to), before: held.before, users };
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
