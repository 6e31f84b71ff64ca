import { type Fits, fateIn, namesDevice } from '../../filter/walk.ts';
import type { Family } from '../../request/addresses.ts';
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
  const chains = parseNftRuleset(
    system.run(['nft', '-j', '-t', 'list', 'ruleset'], { isListing: true }).stdout,
  );
  const byNft = chains
    .filter(({ hook, table }) => hook === 'forward' && /^(ip|ip6|inet) /.test(table))
    .filter((chain) => fateIn(chains, chain, fits) === 'drop')
    .flatMap(({ table, name }) =>
      families
        .filter((own) => !table.startsWith(own === 4 ? 'ip6 ' : 'ip '))
        .map((own) => ({
          family: own,
          chain: `${table} ${name}`,
          byIptables: name === 'FORWARD' && /^ip6? filter$/.test(table),
        })),
    )
    // nft's listing does not show the arguments of iptables' matches.
    .filter(({ family, byIptables }) => !byIptables || iptablesDrops(system, family, fits));
  return [...byNft, ...legacyDrops(system, families, fits)];
}

/**
 * Whether a packet of which only the devices are known is dropped in iptables' FORWARD.
 * @param system the way to the firewall
 * @param family 4 or 6
 * @param fits whether a match fits the packet's devices
 * @param tool the program that lists the rules; by default the usual back end's
 */
export function iptablesDrops(
  system: System,
  family: Family,
  fits: Fits,
  tool = family === 4 ? 'iptables-save' : 'ip6tables-save',
): boolean {
  const text = system.run([tool, '-t', 'filter'], { isListing: true }).stdout;
  const chains = parseIptablesSave(text, family === 4 ? 'ip' : 'ip6').map(withoutBridged);
  const forward = chains.find(({ hook }) => hook === 'forward');
  return forward !== undefined && fateIn(chains, forward, fits) === 'drop';
}

/**
 * Whether the policy of iptables' FORWARD is DROP for routed packets. Starts a child only for the legacy back end,
 * where its table is used.
 * @param system the way to the firewall
 * @param family 4 or 6
 */
export function forwardPolicyDrops(system: System, family: Family): boolean {
  const known = system.forwardDrops?.(family);
  if (known !== undefined) return known;
  const tool = family === 4 ? 'ip' : 'ip6';
  if (!/^filter$/m.test(system.readText(`/proc/net/${tool}_tables_names`) ?? '')) return false;
  return /^-P FORWARD DROP/m.test(system.run([`${tool}tables`, '-w', '-S', 'FORWARD']).stdout);
}

/** This match needs no test, since the packet is known to be bridged. */
const BRIDGED = /^(-m|physdev|--physdev-is-bridged)$/;

function withoutBridged(chain: FirewallChain): FirewallChain {
  const rules = chain.rules.map((rule) =>
    rule.others.includes('--physdev-is-bridged') && rule.others.every((word) => BRIDGED.test(word))
      ? { ...rule, others: [] }
      : rule,
  );
  return { ...chain, rules };
}

/** Tables of iptables-legacy are in no other listing, and exist only once somebody used them. */
function legacyDrops(system: System, families: readonly Family[], fits: Fits): ForwardDrop[] {
  return families.flatMap((family) => {
    const tool = family === 4 ? 'ip' : 'ip6';
    if (!/^filter$/m.test(system.readText(`/proc/net/${tool}_tables_names`) ?? '')) return [];
    const drops = iptablesDrops(system, family, fits, `${tool}tables-legacy-save`);
    return drops ? [{ family, chain: `FORWARD of ${tool}tables-legacy`, byIptables: true }] : [];
  });
}

/**
 * Who set a policy, as far as it can be told.
 * @param system the way to /sys
 */
export function policyOwner(system: System): string {
  if (system.exists('/sys/class/net/docker0')) return 'Docker, most likely';
  if (/^ENABLED=yes/m.test(system.readText('/etc/ufw/ufw.conf') ?? '')) return 'ufw, most likely';
  return 'somebody else than these hooks';
}
