import type { Family, Prefix } from '../request/addresses.ts';
import { prefixText } from '../request/addresses.ts';
import { parseSavedTables } from '../wire/iptables-save.ts';

/**
 * Rules of one family, without the leading -A, in the order and the exact words in which `iptables-save` lists them, so
 * that a comparison tells whether they exist. FORWARD is in the filter table, PREROUTING in the raw table.
 */
export type RuleSet = Readonly<Record<Family, readonly string[]>>;

export const NO_RULES: RuleSet = { 4: [], 6: [] };

/** The beginning of the comment of every rule of ours. */
const OURS = '-m comment --comment "xen-network ';
const OWNED = / -m comment --comment "xen-network (\S+) /;

/**
 * The comment that marks a guest's rules, so that only they are deleted, and not the rules of another guest or of the
 * administrator with the same address.
 * @param call the device's kernel name, and its domain id
 * @param domain the domain's name, where it is known
 */
export function ownerComment(call: { readonly device: string; readonly domid: number }, domain = ''): string {
  const named = /^[\w.+-]{1,64}$/.test(domain) ? ` ${domain}` : '';
  return `${OURS}${call.device} domain ${call.domid}${named}"`;
}

/**
 * The rules that accept a guest's bridged packets, in the form that administrators know (docs/contract.md, "Filter
 * rules"): from each of its addresses, its DHCP requests, and everything that goes to it. A guest without addresses may
 * send anything.
 * @param device the port's name, vif or tap
 * @param addresses the guest's addresses and ranges
 * @param families the families in which a guest without addresses needs a rule
 * @param owner the comment of ownerComment
 * @param sources the ports from which packets may come to the guest, where FORWARD drops the rest; undefined for any.
 * Other guests' ports are not among them, since the rules of the senders accept their honest packets
 */
export function vifForwardRules(
  device: string,
  addresses: readonly Prefix[],
  families: readonly Family[],
  owner: string,
  sources?: readonly string[],
): RuleSet {
  const from = `-m physdev --physdev-in ${device} --physdev-is-bridged`;
  const out = `--physdev-out ${device} --physdev-is-bridged`;
  const to = sources?.map((port) => `-m physdev --physdev-in ${port} ${out}`) ?? [`-m physdev ${out}`];
  const accept = (match: string) => `FORWARD ${match} ${owner} -j ACCEPT`;
  const rules = (family: Family): string[] => {
    if (addresses.length === 0) return families.includes(family) ? [from, ...to] : [];
    const own = addresses.filter((prefix) => prefix.family === family);
    if (own.length === 0) return [];
    return [...own.map((prefix) => `${source(prefix)}${from}`), ...companions(family, from), ...to];
  };
  return { 4: rules(4).map(accept), 6: rules(6).map(accept) };
}

/**
 * The rules that accept a routed guest's packets: those that administrators know (docs/contract.md, "Filter rules")
 * and, where antispoof drops the rest, rules by device, since these packets cross no bridge.
 * @param device the guest's device, vif or tap
 * @param addresses the guest's addresses and ranges
 * @param families the families in which a guest without addresses needs a rule; both only under antispoof
 * @param owner the comment of ownerComment
 * @param outside the devices from which packets may come to the guest where antispoof drops the rest, none of them a
 * guest's; undefined for any
 */
export function routedForwardRules(
  device: string,
  addresses: readonly Prefix[],
  families: readonly Family[],
  owner: string,
  outside?: readonly string[],
): RuleSet {
  const known = vifForwardRules(device, addresses, families, owner);
  if (families.length < 2) return known;
  const direct = (family: Family): string[] =>
    addresses.length === 0 && families.includes(family)
      ? deviceRules(device, '', '', owner, outside)
      : directRules(device, addresses, family, owner, outside);
  return { 4: [...known[4], ...direct(4)], 6: [...known[6], ...direct(6)] };
}

/**
 * The rules that accept a routed guest's packets in one family where FORWARD drops the rest; empty without addresses.
 * @param device the guest's device
 * @param addresses the guest's addresses and ranges
 * @param family the family
 * @param owner the comment of ownerComment
 * @param outside as for routedForwardRules
 */
export function directRules(
  device: string,
  addresses: readonly Prefix[],
  family: Family,
  owner: string,
  outside?: readonly string[],
): string[] {
  return addresses
    .filter((prefix) => prefix.family === family)
    .map(source)
    .flatMap((from) => deviceRules(device, from, from.replace('-s ', '-d '), owner, outside));
}

function deviceRules(
  device: string,
  from: string,
  to: string,
  owner: string,
  outside: readonly string[] | undefined,
): string[] {
  return [
    `FORWARD ${from}-i ${device} ${owner} -j ACCEPT`,
    ...(outside?.map((netdev) => `-i ${netdev} `) ?? ['']).map(
      (by) => `FORWARD ${to}${by}-o ${device} ${owner} -j ACCEPT`,
    ),
  ];
}

/** A range of all addresses restricts nothing, and iptables lists none. */
function source(prefix: Prefix): string {
  return prefix.length === 0 ? '' : `-s ${prefixText(prefix)} `;
}

/**
 * What an honest guest sends from other addresses than its own: DHCP requests; in IPv6 link-local packets and duplicate
 * address detection.
 */
function companions(family: Family, from: string): string[] {
  if (family === 4) return [`-p udp ${from} -m udp --sport 68 --dport 67`];
  return [
    `-s fe80::/10 ${from}`,
    `-s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 135`,
    `-s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 143`,
  ];
}

/**
 * The rules in a listing that belong to a device, by their comment.
 * @param listing the output of `iptables-save`
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @returns the rules of FORWARD, then those of PREROUTING in the raw table, in the hooks' words without the leading -A
 */
export function rulesOf(listing: string, device: string): readonly string[] {
  return rulesByDevice(listing).get(device) ?? [];
}

/**
 * The same for all devices that have rules in a listing, which may be long.
 * @param listing the output of `iptables-save`
 */
export function rulesByDevice(listing: string): ReadonlyMap<string, readonly string[]> {
  const tables = parseSavedTables(listing);
  const found = new Map<string, string[]>();
  for (const table of ['filter', 'raw'])
    for (const rule of tables.find(({ name }) => name === table)?.rules ?? []) {
      const device = OWNED.exec(rule)?.[1];
      if (device === undefined || tableOf(rule) !== table) continue;
      const own = found.get(device) ?? [];
      own.push(rule);
      found.set(device, own);
    }
  return found;
}

/**
 * The table of a rule of ours.
 * @param rule without the leading -A
 */
export function tableOf(rule: string): 'filter' | 'raw' {
  return rule.startsWith('PREROUTING ') ? 'raw' : 'filter';
}
