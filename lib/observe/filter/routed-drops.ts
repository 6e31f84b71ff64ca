import { virtualForwardWay } from '../../filter/masquerade.ts';
import { holdsFor } from '../../filter/packet.ts';
import { type Fits, fateIn, namesDevice } from '../../filter/walk.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import { type Family, type Prefix, parsePrefix } from '../../request/addresses.ts';
import { usesNft } from '../../system/kernel/firewall.ts';
import type { System } from '../../system/system.ts';
import { type FirewallChain, parseIptablesSave } from '../../wire/firewall-rules.ts';
import { defaultRouteDevice } from '../host/kernel-routes.ts';
import {
  type ForwardDrop,
  hasLegacyFilter,
  legacyDrop,
  listTable,
  policyOwner,
  stoppingChains,
} from './forward-policy.ts';

/** The first packet of a connection that a guest opens and that this host routes. */
export interface RoutedPacket {
  /** The device by which it comes in. */
  readonly device: string;
  /** Its possible sources: the guest's addresses, or their range. */
  readonly sources: readonly Prefix[];
  /** The devices by which it may leave. */
  readonly ways: readonly string[];
}

/**
 * How to ask iptables' FORWARD. 'policy': a policy of DROP counts as a drop, whatever the rules; 'rules': the rules are
 * checked too; 'nothing': FORWARD is left out.
 */
export type Asked = 'policy' | 'rules' | 'nothing';

/** Our own rules that accept this guest's packets. */
const OURS = '--comment "xen-network ';

/**
 * The chains that drop such a packet, whatever way it takes. No child is needed where all forwarding rules of others
 * only accept packets and no policy is DROP.
 * @param system the way to the firewall
 * @param family the packet's family
 * @param packet what is known of the packet
 * @param of which chains to ask
 */
export function routedDrops(system: System, family: Family, packet: RoutedPacket, of: Asked): ForwardDrop[] {
  const isDropped = (chains: readonly FirewallChain[], isBase: (chain: FirewallChain) => boolean) =>
    chains.filter(isBase).some((chain) => endsIn(chains, chain, packet));
  const own = family === 4 ? 'ip filter' : 'ip6 filter';
  const isForward = ({ table, name }: { readonly table: string; readonly name: string }) =>
    table === own && name === 'FORWARD';
  const drops: ForwardDrop[] = [];
  for (const chain of stoppingChains(system, family)) {
    const { table, name, policy } = chain;
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
 * The chains of others that drop packets from a bridge of network-virtual.
 * @param system the way to the firewall
 * @param bridge the bridge's name
 * @param sharedSettings the bridge's shared settings, its rules among them
 * @returns empty for a bridge that forwards nothing
 */
export function virtualDrops(
  system: System,
  bridge: string,
  sharedSettings: readonly SharedSetting[],
): ForwardDrop[] {
  return sharedSettings.flatMap((setting) => {
    const way = setting.kind === 'rule' ? virtualForwardWay(setting.rule) : undefined;
    const source = parsePrefix(way?.range ?? '');
    if (way === undefined || source === undefined) return [];
    const outside = way.outside ?? defaultRouteDevice(system);
    const ways = outside === undefined ? [] : [outside];
    return routedDrops(system, source.family, { device: bridge, sources: [source], ways }, 'nothing');
  });
}

/**
 * The warning that a chain drops a device's packets, with the remedy.
 * @param system the way to /sys
 * @param device the guest's device, or the bridge from which its packets are routed
 * @param drop the chain, from `routedDrops`
 */
export function routedDropText(system: System, device: string, { chain, byIptables }: ForwardDrop): string {
  const rules = `iifname "${device}" accept, and oifname "${device}" accept`;
  return (
    `${device} is cut off from what this host forwards to: the chain ${chain} drops what no rule lets pass ` +
    `(${policyOwner(system, chain)}). ${byIptables ? 'Leave filter=no out' : `Add rules there (${rules})`}.`
  );
}

function listIptables(system: System, family: Family, backEnd = ''): FirewallChain[] {
  const [tool, word] = family === 4 ? (['iptables', 'ip'] as const) : (['ip6tables', 'ip6'] as const);
  const { stdout } = system.run([`${tool}${backEnd}-save`, '-t', 'filter'], { isListing: true });
  return parseIptablesSave(stdout, word).map((chain) => ({
    ...chain,
    rules: chain.rules.filter(({ text }) => !text.includes(OURS)),
  }));
}

/** A guest still has a network as long as one of its addresses can use one of the ways. */
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
