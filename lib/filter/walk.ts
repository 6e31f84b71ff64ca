import type { DeviceMatch, FirewallChain, FirewallRule, Verdict } from '../wire/firewall-rules.ts';

/** Whether a match fits the packet's devices; undefined where that is unknown. */
export type Fits = (match: DeviceMatch) => boolean | undefined;

/** Whether all that a rule asks for beside devices is known to hold. */
export type Holds = (conditions: readonly string[]) => boolean;

/** What becomes of a packet that meets no rule's further conditions. */
export type Fate = 'accept' | 'drop';

/** Limits the walk: no sane firewall nests chains deeper than this, and no chain calls itself. */
const DEPTH = 16;

/**
 * Walks a base chain for a packet of which little is known: a rule that asks for more does not fit.
 * @param chains all chains
 * @param start the base chain
 * @param fits whether the packet's devices are those of a match
 * @param holds what else is known of it; nothing unless told
 */
export function fateIn(
  chains: readonly FirewallChain[],
  start: FirewallChain,
  fits: Fits,
  holds: Holds = (conditions) => conditions.length === 0,
): Fate {
  const found = walk(chains, start, { fits, holds }, 0);
  return found === 'return' ? start.policy : found;
}

interface Packet {
  readonly fits: Fits;
  readonly holds: Holds;
}

function walk(
  chains: readonly FirewallChain[],
  chain: FirewallChain,
  packet: Packet,
  depth: number,
): Fate | 'return' {
  for (const rule of chain.rules) {
    const { verdict } = rule;
    if (!packet.holds(rule.others) || !rule.devices.every((match) => packet.fits(match) === true)) continue;
    if (verdict.kind === 'accept' || verdict.kind === 'drop' || verdict.kind === 'return')
      return verdict.kind;
    const target = targetOf(chains, chain, verdict);
    if (target === undefined || depth >= DEPTH) continue;
    const found = walk(chains, target, packet, depth + 1);
    if (found !== 'return' || verdict.kind === 'goto') return found;
  }
  return 'return';
}

/**
 * The chain to which a rule jumps.
 * @param chains all chains
 * @param from the rule's own chain
 * @param verdict the rule's verdict
 * @returns undefined where the rule does not jump
 */
export function targetOf(
  chains: readonly FirewallChain[],
  from: FirewallChain,
  verdict: Verdict,
): FirewallChain | undefined {
  if (!('target' in verdict)) return undefined;
  return chains.find(({ table, name }) => table === from.table && name === verdict.target);
}

/**
 * Whether a match names a device.
 * @param match the match
 * @param name the device's name
 */
export function namesDevice({ names }: DeviceMatch, name: string): boolean {
  return names.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : each === name));
}

/**
 * Whether a rule accepts packets, itself or in a chain to which it jumps.
 * @param chains all chains
 * @param chain the rule's chain
 * @param rule the rule
 */
export function letsPass(
  chains: readonly FirewallChain[],
  chain: FirewallChain,
  rule: FirewallRule,
): boolean {
  return accepts(chains, chain, rule, 0);
}

function accepts(
  chains: readonly FirewallChain[],
  chain: FirewallChain,
  { verdict }: FirewallRule,
  depth: number,
): boolean {
  if (verdict.kind === 'accept') return true;
  const target = targetOf(chains, chain, verdict);
  return depth < DEPTH && target?.rules.some((rule) => accepts(chains, target, rule, depth + 1)) === true;
}
