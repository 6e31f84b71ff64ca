import { type Prefix, prefixText } from '../request/addresses.ts';
import { NAT_SUBNET } from '../request/dhcp.ts';

/** Matches replies to connections that a guest has opened. */
const REPLIES = '-m conntrack --ctstate RELATED,ESTABLISHED';

/**
 * The rule of the nat table that gives guests' packets this host's address (docs/contract.md, "network-nat"), without
 * -A, in the words of `iptables -t nat -S`.
 * @param netdev the outgoing device
 * @param source the packets' source; any where it is left out
 */
export function masqueradeRule(netdev: string, source?: Prefix): string {
  const from = source === undefined || source.length === 0 ? '' : `-s ${prefixText(source)} `;
  return `POSTROUTING ${from}-o ${netdev} -j MASQUERADE`;
}

/**
 * The rule that exempts packets which only cross a bridge from masquerading, in case they go through iptables there:
 * their addresses are valid on the network that they go to. It must come before `masqueradeRule`.
 * @param netdev the outgoing bridge
 */
export function bridgedRule(netdev: string): string {
  return `POSTROUTING -o ${netdev} -m physdev --physdev-is-bridged -j ACCEPT`;
}

/**
 * The rule that accepts replies to guests behind a host whose policy of FORWARD is DROP.
 * @param netdev the outgoing device
 */
export function repliesRule(netdev: string): string {
  return `FORWARD -i ${netdev} ${REPLIES} -j ACCEPT`;
}

/**
 * The rules that accept packets of vif-nat's guests where the administrator's policy of FORWARD is DROP; in the order
 * in which they are to be listed.
 * @param netdev the outgoing device
 */
export function natForwardRules(netdev: string): string[] {
  return [
    `FORWARD -i vif+ -o ${netdev} -j ACCEPT`,
    'FORWARD -i vif+ -o vif+ -j ACCEPT',
    `FORWARD -i ${netdev} -o vif+ ${REPLIES} -j ACCEPT`,
  ];
}

/**
 * The outgoing device in a rule of `natForwardRules`.
 * @param rule the rule, without -A
 * @returns undefined for any other rule
 */
export function natForwardDevice(rule: string): string | undefined {
  return /^FORWARD -i vif\+ -o (?!vif\+)(\S+) -j ACCEPT$/.exec(rule)?.[1];
}

/**
 * The same for one guest whose device has a name that `vif+` does not match; in the order in which they are to be
 * listed.
 * @param device the guest's device
 * @param addresses the guest's IPv4 addresses
 * @param outside the outgoing devices
 * @param owner the comment of ownerComment
 */
export function namedForwardRules(
  device: string,
  addresses: readonly Prefix[],
  outside: readonly string[],
  owner: string,
): string[] {
  const own = addresses.filter(({ family }) => family === 4).map(prefixText);
  return [
    ...outside.map((netdev) => `FORWARD -i ${device} -o ${netdev} ${owner} -j ACCEPT`),
    `FORWARD -i ${device} -o vif+ ${owner} -j ACCEPT`,
    `FORWARD -i vif+ -o ${device} ${owner} -j ACCEPT`,
    // From other guests with such names.
    ...own.map(
      (address) => `FORWARD -s ${prefixText(NAT_SUBNET)} -d ${address} -o ${device} ${owner} -j ACCEPT`,
    ),
    ...outside.map((netdev) => `FORWARD -i ${netdev} -o ${device} ${REPLIES} ${owner} -j ACCEPT`),
  ];
}

/**
 * The rules that accept packets of guests on a bridge of network-virtual where the rest is dropped; in the order in
 * which they are to be listed. Packets between these guests cross the bridge; vif-bridge has rules for them.
 * @param bridge the bridge
 * @param subnet the guests' subnet; packets from the bridge with any other source are spoofed
 * @param outside the outgoing device where guests are masqueraded: they may only send there, and only replies come
 * back. undefined where they are reached under their own addresses
 */
export function virtualForwardRules(bridge: string, subnet: Prefix, outside: string | undefined): string[] {
  const range = prefixText(subnet);
  if (outside !== undefined)
    return [
      `FORWARD -s ${range} -i ${bridge} -o ${outside} -j ACCEPT`,
      `FORWARD -d ${range} -i ${outside} -o ${bridge} ${REPLIES} -j ACCEPT`,
    ];
  return [
    `FORWARD -s ${range} -i ${bridge} ! -o ${bridge} -j ACCEPT`,
    `FORWARD -d ${range} ! -i ${bridge} -o ${bridge} -j ACCEPT`,
  ];
}

/**
 * The source addresses and the outgoing device of a rule of `virtualForwardRules` that lets packets go outside.
 * @param rule the rule, without -A
 * @returns undefined for any other rule; no device if the rule matches all devices
 */
export function virtualForwardWay(
  rule: string,
): { readonly range: string; readonly outside: string | undefined } | undefined {
  const [, range, outside] = /^FORWARD -s (\S+) -i \S+ (?:-o (\S+)|! -o \S+) -j ACCEPT$/.exec(rule) ?? [];
  return range === undefined ? undefined : { range, outside };
}

/**
 * The rules that isolate a host-only bridge, whatever other rules forward. They are in the mangle table, which comes
 * before every rule that accepts packets, even one that is added above ours later.
 * @param bridge the bridge
 */
export function isolationRules(bridge: string): string[] {
  return [`FORWARD -i ${bridge} ! -o ${bridge} -j DROP`, `FORWARD ! -i ${bridge} -o ${bridge} -j DROP`];
}
