import { type Fits, fateIn, type Holds, namesDevice } from '../../filter/walk.ts';
import type { Family } from '../../request/addresses.ts';
import { usesNft } from '../../system/kernel/firewall.ts';
import type { ForwardingChain } from '../../system/kernel/nf-tables.ts';
import type { System } from '../../system/system.ts';
import {
  type DeviceMatch,
  type FirewallChain,
  parseIptablesSave,
  parseNftRuleset,
} from '../../wire/firewall-rules.ts';

const TOOLS: readonly (readonly [family: Family, tool: string])[] = [
  [4, 'iptables'],
  [6, 'ip6tables'],
];

/**
 * The families whose bridged packets go through iptables now, by the host's setting or by the bridge's own
 * (Documentation/networking/ip-sysctl, bridge-nf-call-*; br_netfilter_hooks.c).
 * @param system the way to /proc/sys and /sys
 * @param bridge the bridge's name
 */
export function bridgedFamilies(system: System, bridge: string): Family[] {
  return TOOLS.filter(([, tool]) => isOn(system, ofHost(tool)) || isOn(system, ofBridge(bridge, tool))).map(
    ([family]) => family,
  );
}

/**
 * How an administrator keeps bridged packets out of iptables.
 * @param system the way to /proc/sys and /sys
 * @param bridge the bridge's name
 * @returns words such as "set net.bridge.bridge-nf-call-iptables and -ip6tables to 0"
 */
export function unfilterWords(system: System, bridge: string): string {
  const own = TOOLS.some(([, tool]) => isOn(system, ofBridge(bridge, tool)));
  const all = TOOLS.some(([, tool]) => isOn(system, ofHost(tool)));
  const names = [
    ...(all || !own ? ['net.bridge.bridge-nf-call-iptables and -ip6tables'] : []),
    ...(own ? [`nf_call_iptables and nf_call_ip6tables in /sys/class/net/${bridge}/bridge`] : []),
  ];
  return `set ${names.join(', and ')} to 0`;
}

const ofHost = (tool: string): string => `/proc/sys/net/bridge/bridge-nf-call-${tool}`;

const ofBridge = (bridge: string, tool: string): string => `/sys/class/net/${bridge}/bridge/nf_call_${tool}`;

const isOn = (system: System, path: string): boolean => system.readText(path) === '1';

/** A chain that drops forwarded packets unless a rule accepts them. */
export interface ForwardDrop {
  readonly family: Family;
  /** Such as "ip filter FORWARD". */
  readonly chain: string;
  /** Whether an iptables rule can accept packets there; a table of nft's own needs a rule of its owner. */
  readonly byIptables: boolean;
}

/**
 * The chains in which a guest's bridged packets are dropped, by the policy or by a final rule. The chains are walked
 * for such a packet, of which only the bridge is known, by which it comes in and goes out.
 * @param system the way to /proc/sys and the firewall
 * @param bridge the bridge's name
 * @returns empty where bridged packets go through no such chain, and where nft is not installed
 */
export function forwardDrops(system: System, bridge: string): ForwardDrop[] {
  const families = bridgedFamilies(system, bridge);
  if (families.length === 0) return [];
  const fits = (match: DeviceMatch) => namesDevice(match, bridge) !== match.negated;
  const byNft = families.flatMap((family) =>
    stoppingChains(system, family).flatMap(({ table, name }) => {
      const chains = listTable(system, table);
      const base = chains.find((chain) => chain.table === table && chain.name === name);
      const byIptables = name === 'FORWARD' && /^ip6? filter$/.test(table);
      const isDropped =
        base !== undefined &&
        fateIn(chains, base, fits) === 'drop' &&
        // nft's listing does not show the arguments of iptables' matches.
        (!byIptables || iptablesDrops(system, family, fits));
      return isDropped ? [{ family, chain: `${table} ${name}`, byIptables }] : [];
    }),
  );
  return [...byNft, ...legacyDrops(system, families, fits)];
}

/**
 * The base chains of forwarding that may stop a packet: their policy is not accept, or a rule of theirs does more than
 * accept. No child is needed where the kernel answers; where it does not, any rule may do so.
 * @param system the way to the firewall
 * @param family IPv4 or IPv6; chains of both are among those of each
 */
export function stoppingChains(system: System, family: Family): readonly ForwardingChain[] {
  const all = system.forwardingChains?.(family) ?? listedChains(system, family);
  return all.filter(({ policy, mayStop }) => policy !== 'accept' || mayStop);
}

function listedChains(system: System, family: Family): ForwardingChain[] {
  const listing = system.run(['nft', '-j', '-t', 'list', 'ruleset'], { isListing: true });
  return parseNftRuleset(listing.stdout)
    .filter(({ hook, table }) => hook === 'forward' && /^(ip6?|inet) /.test(table))
    .filter(({ table }) => !table.startsWith(family === 4 ? 'ip6 ' : 'ip '))
    .map(({ table, name, policy, rules }) => ({ table, name, policy, mayStop: rules.length > 0 }));
}

/**
 * The chains of one table, with their rules.
 * @param system access to nft
 * @param table the family and the name, such as "inet firewalld"
 */
export function listTable(system: System, table: string): FirewallChain[] {
  const [family = '', name = ''] = table.split(' ');
  const listing = system.run(['nft', '-j', '-t', 'list', 'table', family, name], { isListing: true });
  return parseNftRuleset(listing.stdout);
}

/**
 * Whether a rule or the policy of iptables' FORWARD drops or rejects a packet.
 * @param system the way to the firewall
 * @param family IPv4 or IPv6
 * @param fits whether the devices of a match are those of the packet
 * @param holds checks the other conditions of a rule; by default for a bridged packet
 * @param tool the tool that lists the rules; by default that of the usual back end
 */
export function iptablesDrops(
  system: System,
  family: Family,
  fits: Fits,
  holds: Holds = isBridged,
  tool = family === 4 ? 'iptables-save' : 'ip6tables-save',
): boolean {
  const text = system.run([tool, '-t', 'filter'], { isListing: true }).stdout;
  const chains = parseIptablesSave(text, family === 4 ? 'ip' : 'ip6');
  const forward = chains.find(({ hook }) => hook === 'forward');
  return forward !== undefined && fateIn(chains, forward, fits, holds) === 'drop';
}

/**
 * Whether the legacy back end has a table filter, which no other listing shows.
 * @param system the way to /proc/net
 * @param family IPv4 or IPv6
 */
export function hasLegacyFilter(system: System, family: Family): boolean {
  const tool = family === 4 ? 'ip' : 'ip6';
  return /^filter$/m.test(system.readText(`/proc/net/${tool}_tables_names`) ?? '');
}

const BRIDGED = /^(-m|physdev|--physdev-is-bridged)$/;

function isBridged(conditions: readonly string[]): boolean {
  if (conditions.length === 0) return true;
  return conditions.includes('--physdev-is-bridged') && conditions.every((word) => BRIDGED.test(word));
}

function legacyDrops(system: System, families: readonly Family[], fits: Fits): ForwardDrop[] {
  return families.flatMap((family) => {
    if (!hasLegacyFilter(system, family)) return [];
    const tool = family === 4 ? 'iptables' : 'ip6tables';
    const drops = iptablesDrops(system, family, fits, isBridged, `${tool}-legacy-save`);
    return drops ? [legacyDrop(system, family)] : [];
  });
}

/**
 * The FORWARD chain of the legacy back end, if it drops packets.
 * @param system access to iptables
 * @param family IPv4 or IPv6
 */
export function legacyDrop(system: System, family: Family): ForwardDrop {
  const tool = family === 4 ? 'iptables' : 'ip6tables';
  return { family, chain: `FORWARD of ${tool}-legacy`, byIptables: !usesNft(system, family) };
}

/**
 * Which program set a policy, if it is known.
 * @param system the way to /sys
 * @param chain the chain's name and table
 */
export function policyOwner(system: System, chain: string): string {
  if (/ firewalld /.test(chain)) return 'firewalld';
  if (system.exists('/sys/class/net/docker0')) return 'Docker, most likely';
  if (/^ENABLED=yes/m.test(system.readText('/etc/ufw/ufw.conf') ?? '')) return 'ufw, most likely';
  return 'somebody else than these hooks';
}
