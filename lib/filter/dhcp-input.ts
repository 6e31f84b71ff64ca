import type { FirewallChain } from '../wire/firewall-rules.ts';
import { fateIn, namesDevice } from './walk.ts';

/** Rules that speak of DHCP servers' port, or of the service by its name. */
const OF_DHCP = /\b(67|bootps|dhcp)\b/;

/**
 * The chain in which a DHCP request of a guest ends before a server on this host hears it. dhcpd hears it all the same, by
 * a packet socket; dnsmasq does not.
 * @param chains all chains of the firewall
 * @param device by which the request comes
 * @returns undefined where it gets through, as far as can be told
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
 * A sentence on that chain, with the way out.
 * @param chain the chain
 * @param device the device, with "*" at its end for all that begin so
 */
export function dhcpDropText({ table, name }: FirewallChain, device: string): string {
  const rule =
    table === 'ip filter' && name === 'INPUT'
      ? `iptables -I INPUT -i ${device.replace(/\*$/, '+')} -p udp --dport 67 -j ACCEPT`
      : `nft insert rule ${table} ${name} iifname "${device}" udp dport 67 accept`;
  return `The firewall drops guests' DHCP requests that come by ${device} (chain ${name} of the table ${table}), so they get no address. Let them in: ${rule}`;
}
