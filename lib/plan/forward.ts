import { bridgedRule, masqueradeRule, natForwardRules, repliesRule } from '../filter/masquerade.ts';
import { IP_FORWARD, IP6_FORWARD } from '../record/paths.ts';
import type { SharedSetting } from '../record/shared-settings.ts';
import type { Family } from '../request/addresses.ts';

/**
 * What network-nat does in FORWARD: sets the policy to DROP, accepts guests' packets where the policy is DROP already,
 * or nothing.
 */
export type ForwardFilter = 'antispoof' | 'pass' | 'none';

/**
 * The firewall rules that network-nat needs (docs/contract.md, "network-nat").
 * @param netdev the outgoing device
 * @param family 4 or 6
 * @param masquerade whether guests' packets leave with this host's address in that family
 * @param forwardFilter what to do in FORWARD
 * @param isBridge whether the device is a bridge that guests may also join
 */
export function natSettings(
  netdev: string,
  family: Family,
  masquerade: boolean,
  forwardFilter: ForwardFilter,
  isBridge = false,
): SharedSetting[] {
  const passing = { antispoof: [repliesRule(netdev)], pass: natForwardRules(netdev), none: [] }[
    forwardFilter
  ];
  return [
    ...passing.map((rule): SharedSetting => ({ kind: 'rule', family, table: 'filter', rule, place: 'top' })),
    ...(forwardFilter === 'antispoof' ? [{ kind: 'policy', family, value: 'DROP' } as const] : []),
    ...(masquerade && isBridge
      ? [{ kind: 'rule', family, table: 'nat', rule: bridgedRule(netdev), place: 'top' } as const]
      : []),
    ...(masquerade
      ? [{ kind: 'rule', family, table: 'nat', rule: masqueradeRule(netdev), place: 'end' } as const]
      : []),
  ];
}

/**
 * The settings that turn forwarding on, in the order in which they must be made. A device that learns its default route
 * from router advertisements would lose it, unless it is set to accept them while it forwards (ip-sysctl, accept_ra).
 * @param ipv6 whether to forward IPv6 too
 * @param listening the accept_ra paths of devices that accept router advertisements
 */
export function forwardingSettings(ipv6: boolean, listening: readonly string[]): SharedSetting[] {
  const set = (path: string, value: string): SharedSetting => ({ kind: 'setting', path, value });
  if (!ipv6) return [set(IP_FORWARD, '1')];
  return [set(IP_FORWARD, '1'), ...listening.map((path) => set(path, '2')), set(IP6_FORWARD, '1')];
}
