import { type Claim, claimKey, type Held, type Ledger } from '../contract/claims.ts';
import { LEDGER } from '../contract/paths.ts';
import type { Present } from '../observe/forwarding.ts';
import { remember } from './remember.ts';
import { type Command, type Step, setting } from './step.ts';

/** What the ledger becomes, and the steps that make the host agree with it. */
export interface LedgerChange {
  readonly steps: readonly Step[];
  readonly ledger: Ledger;
}

/**
 * Whether a claim is met.
 * @param claim the claim
 * @param now its state now
 */
export function isMet(claim: Claim, now: string | undefined): boolean {
  return claim.kind === 'rule' ? now !== undefined : now === claim.value;
}

/**
 * Lets a started hook have what it needs (contract 4). What is there already, by another hook or by the administrator,
 * is left as it is; what was there before the first hook is remembered and never overwritten.
 * @param ledger who holds what so far
 * @param present the state of the ledger's claims and of these
 * @param beside what the kernel would change together with a setting, by its path: other settings and their values
 * @param claims what is needed, in order
 * @param user hook and device
 */
export function claim(
  ledger: Ledger,
  present: Present,
  beside: ReadonlyMap<string, Readonly<Record<string, string>>>,
  claims: readonly Claim[],
  user: string,
): LedgerChange {
  const held = new Map(ledger.map((entry) => [claimKey(entry.claim), entry]));
  const steps: Step[] = [];
  for (const wanted of claims) {
    const key = claimKey(wanted);
    const now = present.get(key);
    const known = held.get(key) ?? {
      claim: wanted,
      before: now,
      beside: wanted.kind === 'setting' ? (beside.get(wanted.path) ?? {}) : {},
      users: [],
    };
    held.set(key, { ...known, users: known.users.includes(user) ? known.users : [...known.users, user] });
    if (!isMet(wanted, now)) steps.push(takeStep({ ...known, before: now }));
  }
  // Rules that go to the top come in the order of the claims when the last one is put there first.
  return { steps: topFirst(steps), ledger: [...held.values()] };
}

/** Turns round the order of each table's rules that are put at the top, or that an undo would put there again. */
function topFirst(steps: readonly Step[]): Step[] {
  const tops = new Map<string, Step[]>();
  for (const step of steps) tops.set(topOf(step), [step, ...(tops.get(topOf(step)) ?? [])]);
  return steps.map((step) => (topOf(step) === '' ? step : (tops.get(topOf(step))?.shift() ?? step)));
}

function topOf({ do: command, undo }: Step): string {
  const top = [command, ...undo].find((other) => 'table' in other && other.line.startsWith('-I '));
  return top !== undefined && 'table' in top ? `${top.tool} ${top.table}` : '';
}

/**
 * Takes back what a hook needed, the last first, where nobody else needs it; what somebody changed since is left alone.
 * @param ledger who holds what
 * @param present the state of the ledger's claims
 * @param user hook and device
 */
export function release(ledger: Ledger, present: Present, user: string): LedgerChange {
  const steps: Step[] = [];
  const rest: Held[] = [];
  for (const held of [...ledger].reverse()) {
    const users = held.users.filter((other) => other !== user);
    if (users.length > 0) rest.push({ ...held, users });
    else if (held.users.length > 0 && isMet(held.claim, present.get(claimKey(held.claim))))
      steps.push(...giveBackSteps(held));
  }
  return { steps: topFirst(steps), ledger: rest.reverse() };
}

/**
 * Writes the ledger down.
 * @param before as it lies there
 * @param after as it is to be; no step where that is the same
 */
export function ledgerSteps(before: Ledger, after: Ledger): Step[] {
  const saved = (ledger: Ledger) => (ledger.length === 0 ? undefined : ledger);
  return remember(LEDGER, saved(before), saved(after), 'what of the host is changed for whom');
}

function takeStep(held: Held): Step {
  const [take, giveBack] = commandsOf(held);
  return { do: take, undo: giveBack, why: reason(held.claim) };
}

function giveBackSteps(held: Held): Step[] {
  if (held.claim.kind === 'rule' ? held.before !== undefined : held.before === held.claim.value) return [];
  const [take, giveBack] = commandsOf(held);
  return giveBack.map((command, i) => ({
    do: command,
    undo: i === 0 ? [take] : [],
    why: `take back: ${reason(held.claim)}`,
  }));
}

/** What meets a claim, and what restores the state before. */
function commandsOf({ claim: wanted, before, beside }: Held): readonly [Command, readonly Command[]] {
  if (wanted.kind === 'setting') {
    const back = Object.entries({ [wanted.path]: before ?? '', ...beside });
    return [setting(wanted.path, wanted.value), back.map(([path, value]) => setting(path, value))];
  }
  const tool = wanted.family === 4 ? 'iptables' : 'ip6tables';
  if (wanted.kind === 'policy') {
    const policy = (value: string): Command => ({ tool, table: 'filter', line: `:FORWARD ${value} [0:0]` });
    return [policy(wanted.value), [policy(before ?? 'ACCEPT')]];
  }
  const { table, rule, place } = wanted;
  const put = place === 'top' ? '-I' : '-A';
  return [{ tool, table, line: `${put} ${rule}` }, [{ tool, table, line: `-D ${rule}` }]];
}

function reason(wanted: Claim): string {
  if (wanted.kind === 'setting') return `set ${wanted.path.replace(/^\/proc\/sys\//, '')} to ${wanted.value}`;
  if (wanted.kind === 'policy') return `make ${wanted.value} the policy of FORWARD`;
  return `have the rule "${wanted.rule}" in the table ${wanted.table}`;
}
