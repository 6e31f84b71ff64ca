import { ROUTED_TABLE } from '../../filter/strict-hooks.ts';
import { INGRESS_TABLE, STRICT_TABLE } from '../../filter/strict-rules.ts';
import { wrappedTable } from '../../filter/wrapped.ts';
import type { System } from '../../system/system.ts';
import { type FirewallChain, parseIptablesSave } from '../../wire/firewall-rules.ts';
import { TRAFFIC_TABLE } from '../../wire/traffic/nf-counters.ts';
import { hasLegacyFilter, listTable } from '../filter/forward-policy.ts';

const TRAFFIC = `${TRAFFIC_TABLE.family} ${TRAFFIC_TABLE.name}`;
/** The tables that iptables-nft makes; nft does not know all of their words. */
const OF_IPTABLES = /^ip6? (filter|nat|mangle|raw|security)$/;

/**
 * The chains of iptables for IPv4, and those of tables that neither this program nor iptables made.
 * @param system the way to iptables and nft
 * @param bridges the host's bridges, each of which may have a table of this program's
 */
export function readForeignChains(system: System, bridges: readonly string[]): FirewallChain[] {
  const save = (tool: string) => parseIptablesSave(system.run([tool], { isListing: true }).stdout, 'ip');
  const usual = save('iptables-save');
  const legacy = hasLegacyFilter(system, 4) ? save('iptables-legacy-save') : [];
  const own = new Set([STRICT_TABLE, INGRESS_TABLE, ROUTED_TABLE, TRAFFIC, ...bridges.map(wrappedTable)]);
  const listing = system.run(['nft', 'list', 'tables'], { isListing: true }).stdout;
  const tables = [...listing.matchAll(/^table (\S+ \S+)$/gm)].map(([, name = '']) => name);
  const foreign = tables.filter((name) => !own.has(name) && !OF_IPTABLES.test(name));
  return [...usual, ...legacy, ...foreign.flatMap((name) => listTable(system, name))];
}
