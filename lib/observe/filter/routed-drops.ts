import { virtualForwardWay } from '../../filter/masquerade.ts';
import { holdsFor } from '../../filter/packet.ts';
import { type Fits, fateIn, namesDevice } from '../../filter/walk.ts';
import type { Claim } from '../../record/shared-settings.ts';
import { type Family, type Prefix, parsePrefix } from '../../request/addresses.ts';
import { usesNft } from '../../system/kernel/firewall.ts';
import type { ForwardingChain } from '../../system/kernel/nf-tables.ts';
import type { System } from '../../system/system.ts';
import { type FirewallChain, parseIptablesSave, parseNftRuleset } from '../../wire/firewall-rules.ts';
import { defaultRouteDevice } from '../host/kernel-routes.ts';
import { type ForwardDrop, hasLegacyFilter, legacyDrop, policyOwner } from './forward-policy.ts';

/** The first packet of a connection that a guest opens, which this host routes. */
export interface RoutedPacket {
  /** The device that it comes in by. */
  readonly device: string;
  /** Where it may come from: the guest's addresses, or the range that they are in. */
  readonly sources: readonly Prefix[];
  /** The devices that it may go out by. */
  readonly ways: readonly string[];
}

/**
 * What is asked of iptables' FORWARD: 'policy' has it drop by a policy of DROP, whatever rules stand before it; 'rules'
 * has those looked at as well; 'nothing' leaves it out.
 */
export type Asked = 'policy' | 'rules' | 'nothing';

/** Rules of our own that let this very guest pass. */
const OURS = '--comment "xen-network ';

/**
 * The chains in which such a packet ends, whatever way it goes. No child is needed where nobody has a rule that forwards
 * anything but by letting it pass, and no policy drops.
 * @param system the way to the firewall
 * @param family the packet's
 * @param packet what is known of it
 * @param of which chains are asked
 */
export function routedDrops(system: System, family: Family, packet: RoutedPacket, of: Asked): ForwardDrop[] {
  const isDropped = (chains: readonly FirewallChain[], isBase: (chain: FirewallChain) => boolean) =>
    chains.filter(isBase).some((chain) => endsIn(chains, chain, packet));
  const own = family === 4 ? 'ip filter' : 'ip6 filter';
  const isForward = ({ table, name }: { readonly table: string; readonly name: string }) =>
    table === own && name === 'FORWARD';
  const drops: ForwardDrop[] = [];
  for (const chain of forwardingChains(system, family)) {
    const { table, name, policy, mayStop } = chain;
    if (policy === 'accept' && !mayStop) continue;
    const byIptables = isForward(chain) && usesNft(system, family);
    if (byIptables && of === 'nothing') continue;
    const isCertain = byIptables && of === 'policy' && policy === 'drop';
    const chains = (): readonly FirewallChain[] =>
      byIptables ? listIptables(system, family) : listTable(system, table);
    if (isCertain || isDropped(chains(), (other) => other.table === table && other.name === name))
      drops.push({ family, chain: `${table} ${name}`, byIptables });
  }
  if (of === 'nothing' || !hasLegacyFilter(system, family)) return drops;
  const legacy = listIptables(system, family, usesNft(system, family) ? '-legacy' : '');
  const isCertain = of === 'policy' && legacy.some((chain) => isForward(chain) && chain.policy === 'drop');
  return isCertain || isDropped(legacy, isForward) ? [...drops, legacyDrop(system, family)] : drops;
}

/**
 * The chains of others in which packets end that come from a bridge of network-virtual.
 * @param system the way to the firewall
 * @param bridge the bridge's name
 * @param claims what the bridge holds, its rules among them
 * @returns none for a bridge that forwards nothing
 */
export function virtualDrops(system: System, bridge: string, claims: readonly Claim[]): ForwardDrop[] {
  return claims.flatMap((claim) => {
    const way = claim.kind === 'rule' ? virtualForwardWay(claim.rule) : undefined;
    const source = parsePrefix(way?.range ?? '');
    if (way === undefined || source === undefined) return [];
    const outside = way.outside ?? defaultRouteDevice(system);
    const ways = outside === undefined ? [] : [outside];
    return routedDrops(system, source.family, { device: bridge, sources: [source], ways }, 'nothing');
  });
}

/**
 * That a device's packets end in a chain, and what is to be done.
 * @param system the way to /sys
 * @param device the guest's, or the bridge that its packets are routed from
 * @param drop what `routedDrops` gives
 */
export function routedDropText(system: System, device: string, { chain, byIptables }: ForwardDrop): string {
  const rules = `iifname "${device}" accept, and oifname "${device}" accept`;
  return (
    `${device} is cut off from what this host forwards to: the chain ${chain} drops what no rule lets pass ` +
    `(${policyOwner(system, chain)}). ${byIptables ? 'Leave filter=no out' : `Add rules there (${rules})`}.`
  );
}

/** Where the kernel cannot be asked, any chain may hold anything. */
function forwardingChains(system: System, family: Family): readonly ForwardingChain[] {
  const asked = system.forwardingChains?.(family);
  if (asked !== undefined) return asked;
  const listing = system.run(['nft', '-j', '-t', 'list', 'ruleset'], { isListing: true });
  return parseNftRuleset(listing.stdout)
    .filter(({ hook, table }) => hook === 'forward' && /^(ip6?|inet) /.test(table))
    .filter(({ table }) => !table.startsWith(family === 4 ? 'ip6 ' : 'ip '))
    .map(({ table, name, policy, rules }) => ({ table, name, policy, mayStop: rules.length > 0 }));
}

function listIptables(system: System, family: Family, backEnd = ''): FirewallChain[] {
  const [tool, word] = family === 4 ? (['iptables', 'ip'] as const) : (['ip6tables', 'ip6'] as const);
  const { stdout } = system.run([`${tool}${backEnd}-save`, '-t', 'filter'], { isListing: true });
  return parseIptablesSave(stdout, word).map((chain) => ({
    ...chain,
    rules: chain.rules.filter(({ text }) => !text.includes(OURS)),
  }));
}

function listTable(system: System, table: string): FirewallChain[] {
  const [family = '', name = ''] = table.split(' ');
  const listing = system.run(['nft', '-j', '-t', 'list', 'table', family, name], { isListing: true });
  return parseNftRuleset(listing.stdout);
}

/** A guest is not cut off as long as one of its addresses passes by one of the ways. */
function endsIn(
  chains: readonly FirewallChain[],
  chain: FirewallChain,
  { device, sources, ways }: RoutedPacket,
): boolean {
  const fitsBy =
    (way: string | undefined): Fits =>
    (match) => {
      const name = match.direction === 'in' ? device : way;
      return name === undefined ? undefined : namesDevice(match, name) !== match.negated;
    };
  const outs = ways.length === 0 ? [undefined] : ways;
  return sources.every((source) =>
    outs.every((way) => fateIn(chains, chain, fitsBy(way), holdsFor(source)) === 'drop'),
  );
}
