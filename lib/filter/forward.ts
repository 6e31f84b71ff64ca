import type { Family, Prefix } from '../contract/addresses.ts';
import { prefixText } from '../contract/addresses.ts';

/**
 * Rules for one family, in the order and the very words in which `iptables -S FORWARD` shows them, so that what is in
 * place can be told by comparing; without the leading -A.
 */
export type RuleSet = Readonly<Record<Family, readonly string[]>>;

export const NO_RULES: RuleSet = { 4: [], 6: [] };

/**
 * What lets a guest's bridged packets pass, as administrators know it (contract 3): each of its addresses, its DHCP
 * requests and all that goes to it; a guest with no addresses passes unrestricted.
 * @param device the port's name, vif or tap
 * @param addresses the guest's addresses and ranges
 * @param families the families in which a guest without any address needs a rule
 */
export function vifForwardRules(
  device: string,
  addresses: readonly Prefix[],
  families: readonly Family[],
): RuleSet {
  const from = `-m physdev --physdev-in ${device} --physdev-is-bridged`;
  const to = `FORWARD -m physdev --physdev-out ${device} --physdev-is-bridged -j ACCEPT`;
  const rules = (family: Family): string[] => {
    if (addresses.length === 0) return families.includes(family) ? [`FORWARD ${from} -j ACCEPT`, to] : [];
    const own = addresses.filter((prefix) => prefix.family === family);
    if (own.length === 0) return [];
    return [
      ...own.map((prefix) => `FORWARD ${source(prefix)}${from} -j ACCEPT`),
      ...companions(family, from),
      to,
    ];
  };
  return { 4: rules(4), 6: rules(6) };
}

/** A range that holds every address is no condition, and iptables lists none. */
function source(prefix: Prefix): string {
  return prefix.length === 0 ? '' : `-s ${prefixText(prefix)} `;
}

/** What an honest guest sends from other addresses than its own: DHCP requests; in IPv6 all that is link-local, and duplicate address detection. */
function companions(family: Family, from: string): string[] {
  if (family === 4) return [`FORWARD -p udp ${from} -m udp --sport 68 --dport 67 -j ACCEPT`];
  return [
    `FORWARD -s fe80::/10 ${from} -j ACCEPT`,
    `FORWARD -s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 135 -j ACCEPT`,
    `FORWARD -s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 143 -j ACCEPT`,
  ];
}

/**
 * Those lines of a chain's listing that speak of one port.
 * @param listing what `iptables -S FORWARD` prints
 * @param device the port's name
 * @returns the rules without the leading -A
 */
export function rulesOfPort(listing: string, device: string): string[] {
  return listing
    .split('\n')
    .filter((line) => line.startsWith('-A FORWARD ') && line.endsWith(' -j ACCEPT'))
    .filter((line) => / --physdev-(in|out) (\S+)/.exec(line)?.[2] === device)
    .map((line) => line.slice('-A '.length));
}
