import { wrappedDrops, wrappedRemoval } from '../../filter/wrapped.ts';
import type { Present } from '../../observe/forward/forwarding.ts';
import { BRIDGE_NF_FOLDER } from '../../record/paths.ts';
import { type Claim, claimKey, type Held, type Ledger } from '../../record/shared-settings.ts';
import { planStrictStart, planStrictStop } from '../filter/strict.ts';
import { type Command, lastingStep, type Step, setting } from '../step.ts';

/** The state of shared settings on the host. */
export interface SharedFacts {
  /** The state of each setting that is held or wanted. */
  readonly present: Present;
  /** For a setting's path: the other settings that the kernel changes with it, and their values. */
  readonly beside: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Whether bridged packets can be passed to iptables, because br_netfilter is loaded. */
  readonly filtersBridges: boolean;
}

/** The new shared settings, and the steps that make the host agree with them. */
export interface SharedChange {
  readonly steps: readonly Step[];
  /** The record while the steps are done, so that after a kill everything that was done still has a holder. */
  readonly meanwhile: Ledger;
  readonly ledger: Ledger;
}

/**
 * Whether a shared setting has the wanted state.
 * @param claim the setting
 * @param now its present state
 */
export function isMet(claim: Claim, now: string | undefined): boolean {
  return 'value' in claim ? now === claim.value : now !== undefined;
}

/**
 * Makes a holder hold exactly the shared settings that it needs (docs/contract.md, "Network hooks"). What another
 * holder or the administrator has set already is left as it is. The value from before the first holder is recorded and
 * never overwritten. The last holder restores that value, unless somebody has changed the setting since.
 * @param ledger all shared settings so far
 * @param facts the host
 * @param user the holder: hook and device
 * @param claims the settings that it needs from now on, in order; empty when it stops
 */
export function share(
  ledger: Ledger,
  facts: SharedFacts,
  user: string,
  claims: readonly Claim[],
): SharedChange {
  const kept = new Set(claims.map(claimKey));
  const left = ledger.map((held) => (kept.has(claimKey(held.claim)) ? held : without(held, user)));
  const taken = take(left.filter(isUsed), facts, user, claims);
  const released = left.filter((held) => !isUsed(held) && !kept.has(claimKey(held.claim)));
  return {
    steps: [...giveBack(released, facts.present), ...taken.steps],
    meanwhile: [
      ...taken.ledger,
      ...ledger.filter(({ claim }) => released.some((held) => held.claim === claim)),
    ],
    ledger: taken.ledger,
  };
}

/**
 * Restores the shared settings that somebody removed, as a flush of the firewall does.
 * @param ledger all shared settings
 * @param facts the host
 */
export function restore(ledger: Ledger, facts: SharedFacts): Step[] {
  const missing = ledger.filter((held) => !isMet(held.claim, facts.present.get(claimKey(held.claim))));
  return topFirst([...moduleStep(missing, facts), ...missing.flatMap(takeSteps)]);
}

const isUsed = ({ users }: Held): boolean => users.length > 0;

function without(held: Held, user: string): Held {
  return { ...held, users: held.users.filter((other) => other !== user) };
}

function take(
  ledger: Ledger,
  facts: SharedFacts,
  user: string,
  claims: readonly Claim[],
): Pick<SharedChange, 'steps' | 'ledger'> {
  const held = new Map(ledger.map((entry) => [claimKey(entry.claim), entry]));
  const missing: Held[] = [];
  for (const wanted of claims) {
    const key = claimKey(wanted);
    const now = facts.present.get(key);
    const known = held.get(key) ?? {
      claim: wanted,
      before: now,
      beside: wanted.kind === 'setting' ? (facts.beside.get(wanted.path) ?? {}) : {},
      users: [],
    };
    held.set(key, { ...known, users: known.users.includes(user) ? known.users : [...known.users, user] });
    if (!isMet(wanted, now)) missing.push(known);
  }
  // Each rule goes to the top, so the last one is added first.
  return {
    steps: topFirst([...moduleStep(missing, facts), ...missing.flatMap(takeSteps)]),
    ledger: [...held.values()],
  };
}

function giveBack(released: readonly Held[], present: Present): Step[] {
  const there = released.filter((held) => isMet(held.claim, present.get(claimKey(held.claim))));
  return topFirst(
    [...there].reverse().flatMap((held) => giveBackSteps(held, present.get(claimKey(held.claim)))),
  );
}

/** Reverses the order of the rules that go to the top of a table. */
function topFirst(steps: readonly Step[]): Step[] {
  const tops = new Map<string, Step[]>();
  for (const step of steps) tops.set(topOf(step), [step, ...(tops.get(topOf(step)) ?? [])]);
  return steps.map((step) => (topOf(step) === '' ? step : (tops.get(topOf(step))?.shift() ?? step)));
}

function topOf({ do: command }: Step): string {
  return 'table' in command && command.line.startsWith('-I ') ? `${command.tool} ${command.table}` : '';
}

/** Without the module its settings do not exist. */
function moduleStep(missing: readonly Held[], { filtersBridges }: SharedFacts): Step[] {
  const needed = missing.some(
    ({ claim }) => claim.kind === 'setting' && claim.path.startsWith(BRIDGE_NF_FOLDER),
  );
  if (filtersBridges || !needed) return [];
  return [
    lastingStep(
      { tool: 'run', argv: ['modprobe', 'br_netfilter'] },
      'let bridged packets be filtered by iptables',
    ),
  ];
}

function takeSteps({ claim }: Held): Step[] {
  const why = reason(claim);
  switch (claim.kind) {
    case 'setting':
      return [lastingStep(setting(claim.path, claim.value), why)];
    case 'strict':
      return planStrictStart();
    case 'wrapped':
      return [lastingStep({ tool: 'nft', line: wrappedDrops(claim) }, why)];
    case 'policy':
      return [lastingStep(policy(claim.family, claim.value), why)];
    case 'rule':
      return [lastingStep(ruleLine(claim, claim.place === 'top' ? '-I' : '-A'), why)];
  }
}

function giveBackSteps({ claim, before, beside }: Held, now: string | undefined): Step[] {
  const why = `take back: ${reason(claim)}`;
  switch (claim.kind) {
    case 'setting': {
      if (before === claim.value) return [];
      const all = Object.entries({ [claim.path]: before ?? '', ...beside });
      return all.map(([path, value]) => lastingStep(setting(path, value), why));
    }
    case 'strict':
      // The last holder removes the table, whoever made it, unless it contains a guest or something of the
      // administrator's.
      return now === 'bare' ? [planStrictStop()] : [];
    case 'wrapped':
      return [lastingStep({ tool: 'nft', line: wrappedRemoval(claim.bridge) }, why)];
    case 'policy':
      return before === claim.value ? [] : [lastingStep(policy(claim.family, before ?? 'ACCEPT'), why)];
    case 'rule':
      return before !== undefined ? [] : [lastingStep(ruleLine(claim, '-D'), why)];
  }
}

const toolOf = ({ family }: { readonly family: 4 | 6 }) => (family === 4 ? 'iptables' : 'ip6tables');

function policy(family: 4 | 6, value: string): Command {
  return { tool: toolOf({ family }), table: 'filter', line: `:FORWARD ${value} [0:0]` };
}

/**
 * A line of iptables-restore for a shared rule.
 * @param claim the rule
 * @param verb -I adds it at the top, -A at the end, -D deletes it
 */
export function ruleLine(claim: Claim & { readonly kind: 'rule' }, verb: '-I' | '-A' | '-D'): Command {
  return { tool: toolOf(claim), table: claim.table, line: `${verb} ${claim.rule}` };
}

function reason(wanted: Claim): string {
  if (wanted.kind === 'setting') return `set ${wanted.path.replace(/^\/proc\/sys\//, '')} to ${wanted.value}`;
  if (wanted.kind === 'strict') return 'make the table of the strict filter';
  if (wanted.kind === 'wrapped')
    return `drop packets of guests of ${wanted.bridge} that iptables does not see`;
  if (wanted.kind === 'policy') return `make ${wanted.value} the policy of FORWARD`;
  return `add the rule "${wanted.rule}" to the table ${wanted.table}`;
}
