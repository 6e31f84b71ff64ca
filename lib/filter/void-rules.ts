import type { DeviceMatch, FirewallChain, FirewallRule } from '../wire/firewall-rules.ts';
import { holdsFor } from './packet.ts';
import { fateIn, type Holds, letsPass, namesDevice, targetOf } from './walk.ts';

/** A move of addresses from one device to another. */
export interface Move {
  /** The device that has the addresses now. */
  readonly from: string;
  /** The device that will have them, under the name that it has then. */
  readonly to: string;
  /** The present name of that device, where it exists already under another name. */
  readonly present?: string;
}

/** The firewall rules that no longer apply to the host after a move. */
export interface VoidRules {
  /** Such as "inet filter input: iif eth0 accept", in the firewall's order. */
  readonly rules: readonly string[];
  /** Those without which the host no longer accepts what it accepted before. */
  readonly closing: readonly string[];
  /** Those without which the host answers nobody any more. */
  readonly silencing: readonly string[];
}

/**
 * The rules that match a device whose addresses move, and do not match the device that gets them. A rule by name stays
 * right where the name stays with the addresses; a rule by index does not, nor does a chain that is hooked to the
 * device.
 * @param chains all chains of the host
 * @param move the old and the new device
 */
export function voidRules(chains: readonly FirewallChain[], move: Move): VoidRules {
  const hanging = chains
    .filter(({ devices }) => devices.includes(move.from))
    .map(({ table, name, hook }) => `${table} ${name}: hook ${hook} device ${move.from}`);
  const found = chains.flatMap((chain) =>
    chain.rules
      .filter((rule) => isVoid(rule, move) && !isCovered(chain, rule, move))
      .map((rule) => ({ chain, rule, text: `${chain.table} ${chain.name}: ${rule.text}` })),
  );
  const inHook = (hook: 'input' | 'output', holds?: Holds) =>
    chains
      .filter((chain) => chain.hook === hook && !chain.table.startsWith('arp '))
      .filter((chain) => fateIn(chains, chain, (match) => fitsAfter(match, move), holds) === 'drop')
      .flatMap((chain) => {
        const reached = reachable(chains, chain);
        const direction = hook === 'input' ? 'in' : 'out';
        return found.filter((each) => reached.has(each.chain) && closes(chains, each, move, direction));
      });
  const texts = (some: readonly { readonly text: string }[]) => [...new Set(some.map(({ text }) => text))];
  return {
    rules: [...hanging, ...found.map(({ text }) => text)],
    closing: texts(inHook('input')),
    // Who comes in is answered by packets of a connection that is known.
    silencing: texts(inHook('output', holdsFor(undefined, 'established'))),
  };
}

/** Whether the rule accepted packets before the move, or will drop packets after it. */
function closes(
  chains: readonly FirewallChain[],
  { chain, rule }: { readonly chain: FirewallChain; readonly rule: FirewallRule },
  move: Move,
  direction: DeviceMatch['direction'],
): boolean {
  const own = rule.devices.filter((match) => match.direction === direction);
  const before = own.every((match) => fitsBefore(match, move));
  return before ? letsPass(chains, chain, rule) : rule.verdict.kind === 'drop';
}

/** A rule that only matches after the move was written for the new device. */
function isVoid({ devices }: FirewallRule, move: Move): boolean {
  return devices.some((match) => {
    const [before, after] = [fitsBefore(match, move), fitsAfter(match, move)];
    return before !== after && (before || match.negated);
  });
}

/** Whether another rule beside it does the same for the device that gets the addresses. */
function isCovered(chain: FirewallChain, rule: FirewallRule, move: Move): boolean {
  if (!rule.devices.every((match) => fitsBefore(match, move))) return false;
  return chain.rules.some(
    (other) =>
      other !== rule &&
      JSON.stringify(other.verdict) === JSON.stringify(rule.verdict) &&
      other.others.every((condition) => rule.others.includes(condition)) &&
      other.devices.every((match) => fitsAfter(match, move)),
  );
}

function fitsBefore(match: DeviceMatch, { from }: Move): boolean {
  return namesDevice(match, from) !== match.negated;
}

/** A match by index keeps matching the device that has the index. */
function fitsAfter(match: DeviceMatch, { from, to, present = to === from ? undefined : to }: Move): boolean {
  const name = match.by === 'name' ? to : present;
  return (name !== undefined && namesDevice(match, name)) !== match.negated;
}

function reachable(chains: readonly FirewallChain[], start: FirewallChain): Set<FirewallChain> {
  const reached = new Set([start]);
  for (const chain of reached) {
    for (const { verdict } of chain.rules) {
      const target = targetOf(chains, chain, verdict);
      if (target !== undefined) reached.add(target);
    }
  }
  return reached;
}
