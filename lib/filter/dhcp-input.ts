import type { FirewallChain } from '../wire/firewall-rules.ts';
import { fateIn, namesDevice } from './walk.ts';

/** Matches the port of DHCP servers, or the service's name, in a rule. */
const OF_DHCP = /\b(67|bootps|dhcp)\b/;

/**
 * The chain that drops guests' DHCP requests before a dnsmasq on this host receives them. dhcpd receives them all the
 * same, since it uses a packet socket.
 * @param chains all chains of the firewall
 * @param device the device by which the request comes
 * @returns undefined where the request passes, as far as it can be told
 */
export function chainThatDropsDhcp(
  chains: readonly FirewallChain[],
  device: string,
): FirewallChain | undefined {
  const asked = chains.map((chain) => ({
    ...chain,
    rules: chain.rules.map((rule) =>
      OF_DHCP.test([rule.text, ...rule.others].join(' ')) ? { ...rule, others: [] } : rule,
    ),
  }));
  return asked
    .filter(({ hook, table }) => hook === 'input' && /^(ip|inet) /.test(table))
    .find(
      (chain) =>
        fateIn(
          asked,
          chain,
          (match) =>
            match.direction === 'in' && match.by === 'name' && namesDevice(match, device) !== match.negated,
        ) === 'drop',
    );
}

/**
 * The warning about that chain, with the rule that helps.
 * @param chain the chain
 * @param device the device; "*" at its end stands for any rest
 */
export function dhcpDropText({ table, name }: FirewallChain, device: string): string {
  const rule =
    table === 'ip filter' && name === 'INPUT'
      ? `iptables -I INPUT -i ${device.replace(/\*$/, '+')} -p udp --dport 67 -j ACCEPT`
      : `nft insert rule ${table} ${name} iifname "${device}" udp dport 67 accept`;
  return `The firewall drops guests' DHCP requests that come by ${device} (chain ${name} of the table ${table}), so they get no address. Let them in: ${rule}`;
}
