import { HostError } from '../../errors.ts';
import { type RuleSet, rulesOf } from '../../filter/forward.ts';
import type { Family } from '../../request/addresses.ts';
import { failureText, silenceText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { readBridgeRecords } from '../bridge/uplink.ts';
import { families } from '../host/host.ts';
import { readSharedFile } from '../shared-settings.ts';
import type { ForwardDrop } from './forward-policy.ts';

/** A firewall line that adds or deletes a rule: "-I FORWARD …", "-A FORWARD …" or "-D FORWARD …". */
export interface RuleLine {
  readonly tool: 'iptables' | 'ip6tables';
  readonly table: string;
  readonly line: string;
}

/**
 * The present rules of one device in both families; empty for a family whose tool is missing or refuses.
 * @param system the way to iptables
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @throws HostError where a tool could not tell
 */
export function listRules(system: System, device: string): RuleSet {
  const list = (tool: string): readonly string[] => {
    const listing = system.run([`${tool}-save`], { isListing: true });
    return listing.status === 0 ? rulesOf(listing.stdout, device) : [];
  };
  return { 4: list('iptables'), 6: list('ip6tables') };
}

/**
 * Whether the rule of a firewall line exists now. It counts as existing where iptables could not tell.
 * @param system the way to iptables
 * @param line "-I CHAIN …" or "-D CHAIN …"
 */
export function isRuleInPlace(system: System, line: RuleLine): boolean {
  const words = line.line.match(/"[^"]*"|\S+/g) ?? [];
  const rule = words.slice(1).map((word) => word.replace(/^"|"$/g, ''));
  const result = system.run([line.tool, '-w', '-t', line.table, '-C', ...rule]);
  return result.status === 0 || silenceText(result) !== undefined;
}

/**
 * The families in which a guest without addresses needs a rule that accepts its packets: always IPv4, and IPv6 where
 * antispoof drops it.
 * @param system the way to the records
 */
export function unrestrictedFamilies(system: System): readonly Family[] {
  return isAntispoofed(system) ? [4, 6] : [4];
}

/**
 * Whether a started hook has set the policy of FORWARD to DROP.
 * @param system the way to the records
 */
export function isAntispoofed(system: System): boolean {
  return (
    readBridgeRecords(system).some((record) => record.antispoof !== undefined) ||
    readSharedFile(system).some(({ setting }) => setting.kind === 'policy')
  );
}

/**
 * Whether it was a started hook that sent bridged packets through iptables and set the policy of FORWARD to DROP.
 * @param system the way to the records
 */
export function filtersBridged(system: System): boolean {
  return (
    readBridgeRecords(system).some(({ antispoof }) => Object.keys(antispoof?.policy ?? {}).length > 0) ||
    readSharedFile(system).some(({ setting }) => setting.kind === 'policy')
  );
}

/**
 * The families in which bridged packets need an iptables rule that accepts them. A started hook's policy is assumed even if
 * somebody has changed FORWARD meanwhile, since a refilter restores the policy.
 * @param system the way to the records
 * @param drops where FORWARD drops them now
 */
export function droppedFamilies(system: System, drops: readonly ForwardDrop[]): readonly Family[] {
  if (filtersBridged(system)) return families(system);
  return [...new Set(drops.filter(({ byIptables }) => byIptables).map(({ family }) => family))];
}

/**
 * The families in which FORWARD can filter: all that the host has.
 * @param system the way to iptables
 * @throws HostError when iptables does not work here
 */
export function filteredFamilies(system: System): readonly Family[] {
  const all = families(system);
  for (const tool of all.map((family) => (family === 4 ? 'iptables' : 'ip6tables'))) {
    const listing = system.run([tool, '-w', '-S', 'FORWARD'], { isListing: true });
    if (/^-P FORWARD \S+/m.test(listing.stdout)) continue;
    throw new HostError(
      `antispoof=yes needs ${tool}, which does not work here (${failureText(listing)}). Install iptables, or leave antispoof out.`,
    );
  }
  return all;
}
