import { type Prefix, prefixText } from '../contract/addresses.ts';

/** Replies of connections that a guest has opened. */
const REPLIES = '-m conntrack --ctstate RELATED,ESTABLISHED';

/**
 * The rule of the table nat that lets guests appear as this host (contract 4), without -A, in the words of
 * `iptables -t nat -S`.
 * @param netdev the device that leads outside
 * @param source whose packets; everybody's unless told
 */
export function masqueradeRule(netdev: string, source?: Prefix): string {
  const from = source === undefined || source.length === 0 ? '' : `-s ${prefixText(source)} `;
  return `POSTROUTING ${from}-o ${netdev} -j MASQUERADE`;
}

/**
 * What a host that drops what no rule lets pass has to let in, so that guests behind it get their answers.
 * @param netdev the device that leads outside
 */
export function repliesRule(netdev: string): string {
  return `FORWARD -i ${netdev} ${REPLIES} -j ACCEPT`;
}

/**
 * What lets the guests of vif-nat pass on a host whose administrator drops the rest; in the order to be listed.
 * @param netdev the device that leads outside
 */
export function natForwardRules(netdev: string): string[] {
  return [
    `FORWARD -i vif+ -o ${netdev} -j ACCEPT`,
    'FORWARD -i vif+ -o vif+ -j ACCEPT',
    `FORWARD -i ${netdev} -o vif+ ${REPLIES} -j ACCEPT`,
  ];
}

/**
 * What lets the guests on a bridge of network-virtual pass where the rest is dropped; in the order to be listed. What
 * they send to each other crosses the bridge, and vif-bridge has a rule for each of them.
 * @param bridge the bridge
 * @param subnet whose packets; others that come from it are spoofed
 * @param outside the device by which guests go outside as this host, which is all they may and from where they only get
 * replies; undefined where they are reached under their own addresses
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
 * What keeps a host-only bridge to itself, whatever others forward. In the table mangle, since that comes before every
 * rule that lets packets pass, those that are put before ours later included.
 * @param bridge the bridge
 */
export function isolationRules(bridge: string): string[] {
  return [`FORWARD -i ${bridge} ! -o ${bridge} -j DROP`, `FORWARD ! -i ${bridge} -o ${bridge} -j DROP`];
}
