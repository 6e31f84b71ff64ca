import type { Family, Prefix } from '../request/addresses.ts';
import { prefixText } from '../request/addresses.ts';

/**
 * Rules for one family, in the order and the very words in which `iptables-save` shows them, so that what is in place
 * can be told by comparing; without the leading -A. FORWARD is the filter table's, PREROUTING the raw table's.
 */
export type RuleSet = Readonly<Record<Family, readonly string[]>>;

export const NO_RULES: RuleSet = { 4: [], 6: [] };

/** How the comment of every rule of ours begins. */
const OURS = '-m comment --comment "xen-network ';
const OWNED = / -m comment --comment "xen-network (\S+) /;

/**
 * The comment by which a guest's rules are told from everybody else's, so that taking them out never takes another's
 * with the same address, nor an administrator's.
 * @param call the device as the kernel calls it, and its domain
 * @param domain the domain's name, where it is known
 */
export function ownerComment(call: { readonly device: string; readonly domid: number }, domain = ''): string {
  const named = /^[\w.+-]{1,64}$/.test(domain) ? ` ${domain}` : '';
  return `${OURS}${call.device} domain ${call.domid}${named}"`;
}

/**
 * What lets a guest's bridged packets pass, as administrators know it (docs/contract.md, "Filter rules"): each of its
 * addresses, its DHCP requests and all that goes to it; a guest with no addresses passes unrestricted.
 * @param device the port's name, vif or tap
 * @param addresses the guest's addresses and ranges
 * @param families the families in which a guest without any address needs a rule
 * @param owner what ownerComment gives
 * @param sources the ports from which packets may come to it, where FORWARD drops the rest: those of other guests are not
 * among them, whose honest packets pass by the senders' own rules; undefined for any
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
 * What lets a routed guest's packets pass: the rules that administrators know (docs/contract.md, "Filter rules") and,
 * where antispoof drops the rest, rules by device, since these packets cross no bridge.
 * @param device the guest's device, vif or tap
 * @param addresses the guest's addresses and ranges
 * @param families the families in which a guest without any address needs a rule; more than IPv4 under antispoof
 * @param owner what ownerComment gives
 * @param outside the devices from which packets may come to it where antispoof drops the rest: no guest's; undefined for any
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
 * What lets a routed guest's packets pass in one family where FORWARD drops the rest; none without addresses.
 * @param device the guest's device
 * @param addresses the guest's addresses and ranges
 * @param family the family
 * @param owner what ownerComment gives
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

/** A range that holds every address is no condition, and iptables lists none. */
function source(prefix: Prefix): string {
  return prefix.length === 0 ? '' : `-s ${prefixText(prefix)} `;
}

/** What an honest guest sends from other addresses than its own: DHCP requests; in IPv6 all that is link-local, and duplicate address detection. */
function companions(family: Family, from: string): string[] {
  if (family === 4) return [`-p udp ${from} -m udp --sport 68 --dport 67`];
  return [
    `-s fe80::/10 ${from}`,
    `-s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 135`,
    `-s ::/128 -p ipv6-icmp ${from} -m icmp6 --icmpv6-type 143`,
  ];
}

/**
 * Those lines of a listing that are a device's own, by their comment.
 * @param listing what `iptables-save` prints
 * @param device the kernel's name of the device, vif1.0 or vif1.0-emu
 * @returns the rules of FORWARD and then those of the raw table's PREROUTING, as hooks give them, without the leading -A
 */
export function rulesOf(listing: string, device: string): readonly string[] {
  return rulesByDevice(listing).get(device) ?? [];
}

/**
 * The same for all devices that have rules in a listing, which may be a long one.
 * @param listing what `iptables-save` prints
 */
export function rulesByDevice(listing: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, { readonly filter: string[]; readonly raw: string[] }>();
  let table = '';
  for (const line of listing.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    const device = line.startsWith('-A ') ? OWNED.exec(line)?.[1] : undefined;
    const rule = line.slice('-A '.length);
    if (device === undefined || tableOf(rule) !== table) continue;
    const own = found.get(device) ?? { filter: [], raw: [] };
    own[tableOf(rule)].push(rule);
    found.set(device, own);
  }
  return new Map([...found].map(([device, { filter, raw }]) => [device, [...filter, ...raw]]));
}

/**
 * The table that a rule of ours belongs to.
 * @param rule without the leading -A
 */
export function tableOf(rule: string): 'filter' | 'raw' {
  return rule.startsWith('PREROUTING ') ? 'raw' : 'filter';
}
