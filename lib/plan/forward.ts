import { bridgedRule, masqueradeRule, natForwardRules, repliesRule } from '../filter/masquerade.ts';
import { IP_FORWARD, IP6_FORWARD } from '../record/paths.ts';
import type { Claim } from '../record/shared-settings.ts';
import type { Family } from '../request/addresses.ts';

/** What network-nat has to do in FORWARD: drop what no rule lets pass, let guests pass where others drop, or nothing. */
export type Guarding = 'antispoof' | 'pass' | 'none';

/**
 * What network-nat needs of the host's filter (docs/contract.md, "network-nat").
 * @param netdev the device that leads outside
 * @param family IPv4 or IPv6
 * @param masquerade whether guests appear as this host in that family
 * @param guarding what is to be done in FORWARD
 * @param isBridge whether guests may be bridged by that device, too
 */
export function natClaims(
  netdev: string,
  family: Family,
  masquerade: boolean,
  guarding: Guarding,
  isBridge = false,
): Claim[] {
  const passing = { antispoof: [repliesRule(netdev)], pass: natForwardRules(netdev), none: [] }[guarding];
  return [
    ...passing.map((rule): Claim => ({ kind: 'rule', family, table: 'filter', rule, place: 'top' })),
    ...(guarding === 'antispoof' ? [{ kind: 'policy', family, value: 'DROP' } as const] : []),
    ...(masquerade && isBridge
      ? [{ kind: 'rule', family, table: 'nat', rule: bridgedRule(netdev), place: 'top' } as const]
      : []),
    ...(masquerade
      ? [{ kind: 'rule', family, table: 'nat', rule: masqueradeRule(netdev), place: 'end' } as const]
      : []),
  ];
}

/**
 * The settings that make the host forward, in the order in which they have to be set: a device that learns its default
 * route from router advertisements would lose it, unless it is told to listen even while it forwards (ip-sysctl,
 * accept_ra).
 * @param ipv6 whether IPv6 is to be forwarded too
 * @param listening the accept_ra of devices that listen to router advertisements, by path
 */
export function forwardingClaims(ipv6: boolean, listening: readonly string[]): Claim[] {
  const set = (path: string, value: string): Claim => ({ kind: 'setting', path, value });
  if (!ipv6) return [set(IP_FORWARD, '1')];
  return [set(IP_FORWARD, '1'), ...listening.map((path) => set(path, '2')), set(IP6_FORWARD, '1')];
}
