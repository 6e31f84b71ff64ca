import type { Family } from '../contract/addresses.ts';
import type { System } from '../system/system.ts';

const SWITCHES: readonly (readonly [family: Family, path: string])[] = [
  [4, '/proc/sys/net/bridge/bridge-nf-call-iptables'],
  [6, '/proc/sys/net/bridge/bridge-nf-call-ip6tables'],
];

/**
 * The families whose bridged packets go through iptables now (Documentation/networking/ip-sysctl, bridge-nf-call-*).
 * @param system the way to /proc/sys
 */
export function bridgedFamilies(system: System): Family[] {
  return SWITCHES.filter(([, path]) => system.readText(path) === '1').map(([family]) => family);
}

/** A chain of somebody's that drops what it forwards unless a rule lets it pass. */
export interface ForwardDrop {
  readonly family: Family;
  /** Such as "ip filter FORWARD". */
  readonly chain: string;
  /** iptables can let packets pass it; what stands in a table of nft's own takes a rule of its owner's. */
  readonly byIptables: boolean;
}

/**
 * The chains whose policy drops bridged packets.
 * @param system the way to /proc/sys and the firewall
 * @returns none where bridged packets go through no such chain, and where nft is not installed
 */
export function forwardDrops(system: System): ForwardDrop[] {
  const families = bridgedFamilies(system);
  if (families.length === 0) return [];
  const chains = parseChains(system.run(['nft', 'list', 'chains']).stdout);
  const isDrop = ({ family, words }: Chain) =>
    /^(ip|ip6|inet)$/.test(family) && /hook forward .*policy drop/.test(words);
  const byNft = chains.filter(isDrop).flatMap(({ family, table, name }) =>
    families
      .filter((own) => family === 'inet' || family === (own === 4 ? 'ip' : 'ip6'))
      .map((own) => ({
        family: own,
        chain: `${family} ${table} ${name}`,
        byIptables: table === 'filter' && name === 'FORWARD' && family !== 'inet',
      })),
  );
  return [...byNft, ...legacyDrops(system, families)];
}

/** Tables of iptables-legacy show nowhere else, and only where they are used. */
function legacyDrops(system: System, families: readonly Family[]): ForwardDrop[] {
  return families.flatMap((family) => {
    const tool = family === 4 ? 'ip' : 'ip6';
    if (!/^filter$/m.test(system.readText(`/proc/net/${tool}_tables_names`) ?? '')) return [];
    const listing = system.run([`${tool}tables-legacy`, '-w', '-S', 'FORWARD']);
    const drops = /^-P FORWARD DROP/m.test(listing.stdout);
    return drops ? [{ family, chain: `FORWARD of ${tool}tables-legacy`, byIptables: true }] : [];
  });
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly words: string;
}

/** What `nft list chains` prints: tables with their chains, and of base chains a line that says where they hang. */
function parseChains(text: string): Chain[] {
  const chains: Chain[] = [];
  let [family, table, name] = ['', '', ''];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [first = '', second = '', third = ''] = line.split(' ');
    if (first === 'table') [family, table] = [second, third];
    else if (first === 'chain') name = second;
    else if (first === 'type') chains.push({ family, table, name, words: line });
  }
  return chains;
}

/**
 * Who set a policy, as far as that can be told.
 * @param system the way to /sys
 */
export function policyOwner(system: System): string {
  if (system.exists('/sys/class/net/docker0')) return 'Docker, most likely';
  if (/^ENABLED=yes/m.test(system.readText('/etc/ufw/ufw.conf') ?? '')) return 'ufw, most likely';
  return 'somebody else than these hooks';
}
