import type { Family, Prefix } from '../request/addresses.ts';
import { prefixText } from '../request/addresses.ts';
import type { RuleSet } from './forward.ts';

/**
 * What keeps a guest's bridged packets out of connection tracking: all that it sends, and what is sent to its addresses,
 * except to the host itself, whose own firewall may go by connections. Where the host routes or masquerades the guest's
 * packets these rules do not belong: there NAT needs the connections.
 * @param port the port's name, vif or tap
 * @param addresses the guest's addresses and ranges; without any, only what it sends can be told
 * @param families the families to be kept out
 * @param owner what ownerComment gives
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
    // A range of everything would take in what passes other bridges.
    const own = addresses.filter((prefix) => prefix.family === family && prefix.length > 0);
    return [
      untrack(`-m physdev --physdev-in ${port} -m addrtype ! --dst-type LOCAL`),
      ...own.map((prefix) => untrack(`-d ${prefixText(prefix)} -m physdev --physdev-is-in`)),
    ];
  };
  return { 4: rules(4), 6: rules(6) };
}

/**
 * What keeps packets that come in by a network card, and go on to guests, out of connection tracking.
 * @param ports the bridge's ports that are no guest's
 */
export function cardUntrackRules(ports: readonly string[]): string[] {
  return ports.map(
    (port) => `PREROUTING -m physdev --physdev-in ${port} -m addrtype ! --dst-type LOCAL -j CT --notrack`,
  );
}
