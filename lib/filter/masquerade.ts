import { type Prefix, prefixText } from '../request/addresses.ts';
import { NAT_SUBNET } from '../request/dhcp.ts';

/** Replies of connections that a guest has opened. */
const REPLIES = '-m conntrack --ctstate RELATED,ESTABLISHED';

/**
 * The rule of the table nat that lets guests appear as this host (docs/contract.md, "network-nat"), without -A, in the
 * words of `iptables -t nat -S`.
 * @param netdev the device that leads outside
 * @param source whose packets; everybody's unless told
 */
export function masqueradeRule(netdev: string, source?: Prefix): string {
  const from = source === undefined || source.length === 0 ? '' : `-s ${prefixText(source)} `;
  return `POSTROUTING ${from}-o ${netdev} -j MASQUERADE`;
}

/**
 * What keeps packets that cross a bridge, and go through iptables there, from appearing as this host's: they have an
 * address of the network that they go to. It has to stand before `masqueradeRule`.
 * @param netdev the bridge that leads outside
 */
export function bridgedRule(netdev: string): string {
  return `POSTROUTING -o ${netdev} -m physdev --physdev-is-bridged -j ACCEPT`;
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
 * The device that leads outside, told by a rule of `natForwardRules`.
 * @param rule without -A
 * @returns undefined for any other rule
 */
export function natForwardDevice(rule: string): string | undefined {
  return /^FORWARD -i vif\+ -o (\S+) -j ACCEPT$/.exec(rule)?.[1];
}

/**
 * The same for one guest whose device has a name that `vif+` does not match; in the order to be listed.
 * @param device the guest's device
 * @param addresses the guest's IPv4 addresses
 * @param outside the devices that lead outside
 * @param owner what ownerComment gives
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
