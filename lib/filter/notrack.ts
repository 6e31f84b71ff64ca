import type { Family, Prefix } from '../request/addresses.ts';
import { prefixText } from '../request/addresses.ts';
import type { RuleSet } from './forward.ts';

/**
 * The rules by which a guest's bridged packets bypass connection tracking: all packets from it, and packets to its
 * addresses, except those to the host itself, whose firewall may match connections. Where the host routes or
 * masquerades the guest's packets these rules must not exist, because NAT needs the connections.
 * @param port the port's name, vif or tap
 * @param addresses the guest's addresses and ranges; without any, only the packets from it can be matched
 * @param families the families whose packets bypass tracking
 * @param owner the comment of ownerComment
 */
export function untrackRules(
  port: string,
  addresses: readonly Prefix[],
  families: readonly Family[],
  owner: string,
): RuleSet {
  const untrack = (match: string) => `PREROUTING ${match} ${owner} -j CT --notrack`;
  const rules = (family: Family): string[] => {
    if (!families.includes(family)) return [];
    // A range of all addresses would also match packets on other bridges.
    const own = addresses.filter((prefix) => prefix.family === family && prefix.length > 0);
    return [
      untrack(`-m physdev --physdev-in ${port} -m addrtype ! --dst-type LOCAL`),
      ...own.map((prefix) => untrack(`-d ${prefixText(prefix)} -m physdev --physdev-is-in`)),
    ];
  };
  return { 4: rules(4), 6: rules(6) };
}

/**
 * The rules by which packets from a network card to guests bypass connection tracking.
 * @param ports those ports of the bridge that are no guest's
 */
export function cardUntrackRules(ports: readonly string[]): string[] {
  return ports.map(
    (port) => `PREROUTING -m physdev --physdev-in ${port} -m addrtype ! --dst-type LOCAL -j CT --notrack`,
  );
}
