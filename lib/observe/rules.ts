import type { Family } from '../contract/addresses.ts';
import { HostError } from '../errors.ts';
import { type RuleSet, rulesOfPort } from '../filter/forward.ts';
import type { ForwardFacts } from '../plan/antispoof.ts';
import type { RuleLine } from '../plan/pending-rules.ts';
import type { System } from '../system/system.ts';
import { readBridgeRecords } from './uplink.ts';

/**
 * The FORWARD rules of one port that are in place, in both families; a family whose tool is missing or refuses has none.
 * @param system the way to iptables
 * @param port the port's name
 */
export function listPortRules(system: System, port: string): RuleSet {
  const list = (tool: string): string[] => {
    const listing = system.run([tool, '-w', '-S', 'FORWARD']);
    return listing.status === 0 ? rulesOfPort(listing.stdout, port) : [];
  };
  return { 4: list('iptables'), 6: list('ip6tables') };
}

/**
 * Whether the rule that a restore line puts in or takes out is there now.
 * @param system the way to iptables
 * @param line "-I CHAIN …" or "-D CHAIN …", with no quoted words
 */
export function isRuleInPlace(system: System, line: RuleLine): boolean {
  const rule = line.line.split(' ').slice(1);
  return system.run([line.tool, '-w', '-t', line.table, '-C', ...rule]).status === 0;
}

/**
 * The families in which a guest without any address needs a rule to pass: IPv4 as ever, IPv6 where antispoof drops it.
 * @param system the way to the records
 */
export function unrestrictedFamilies(system: System): readonly Family[] {
  return readBridgeRecords(system).some((record) => record.antispoof !== undefined) ? [4, 6] : [4];
}

const BRIDGE_NF = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables', 'bridge-nf-call-arptables'].map(
  (name) => `/proc/sys/net/bridge/${name}`,
);

/**
 * FORWARD's policies, and whether bridged packets go through the filters.
 * @param system the way to iptables and /proc/sys
 * @throws HostError when iptables does not work here
 */
export function observeForward(system: System): ForwardFacts {
  const policy = (tool: string): string => {
    const listing = system.run([tool, '-w', '-S', 'FORWARD']);
    const found = /^-P FORWARD (\S+)/m.exec(listing.stdout)?.[1];
    if (found !== undefined) return found;
    throw new HostError(
      `antispoof=yes needs ${tool}, which does not work here (${listing.stderr.trim()}). Install iptables, or leave antispoof out.`,
    );
  };
  const settings = BRIDGE_NF.map((path) => [path, system.readText(path)] as const).filter(
    ([, value]) => value !== undefined,
  );
  return {
    policy: { 4: policy('iptables'), 6: policy('ip6tables') },
    settings: Object.fromEntries(settings.map(([path, value]) => [path, value ?? ''])),
  };
}
