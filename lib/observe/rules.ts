import type { Family } from '../contract/addresses.ts';
import { BRIDGE_NF } from '../contract/paths.ts';
import { HostError } from '../errors.ts';
import { type RuleSet, rulesOf } from '../filter/forward.ts';
import type { System } from '../system/system.ts';
import { families } from './host.ts';
import { readLedger } from './ledger.ts';
import { readBridgeRecords } from './uplink.ts';

/** A firewall line that puts a rule in or takes it out: "-I FORWARD …", "-A FORWARD …" or "-D FORWARD …". */
export interface RuleLine {
  readonly tool: 'iptables' | 'ip6tables';
  readonly table: string;
  readonly line: string;
}

/** What antispoof has to know of the host's filter. */
export interface ForwardFacts {
  /** FORWARD's policy now, by family; a family that the kernel does not have is left out. */
  readonly policy: Readonly<Partial<Record<Family, string>>>;
  /** The rules of FORWARD and of the raw table's PREROUTING now, without -A. */
  readonly rules: Readonly<Partial<Record<Family, readonly string[]>>>;
  /** The values of BRIDGE_NF now, by path; none while br_netfilter is not loaded. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The rules of one device that are in place, in both families; a family whose tool is missing or refuses has none.
 * @param system the way to iptables
 * @param device the kernel's name of the device, vif1.0 or vif1.0-emu
 */
export function listRules(system: System, device: string): RuleSet {
  const list = (tool: string): readonly string[] => {
    const listing = system.run([`${tool}-save`], { isListing: true });
    return listing.status === 0 ? rulesOf(listing.stdout, device) : [];
  };
  return { 4: list('iptables'), 6: list('ip6tables') };
}

/**
 * Whether the rule that a restore line puts in or takes out is there now.
 * @param system the way to iptables
 * @param line "-I CHAIN …" or "-D CHAIN …"
 */
export function isRuleInPlace(system: System, line: RuleLine): boolean {
  const words = line.line.match(/"[^"]*"|\S+/g) ?? [];
  const rule = words.slice(1).map((word) => word.replace(/^"|"$/g, ''));
  return system.run([line.tool, '-w', '-t', line.table, '-C', ...rule]).status === 0;
}

/**
 * The families in which a guest without any address needs a rule to pass: IPv4 as ever, IPv6 where antispoof drops it.
 * @param system the way to the records
 */
export function unrestrictedFamilies(system: System): readonly Family[] {
  return isAntispoofed(system) ? [4, 6] : [4];
}

/**
 * Whether a started hook drops what no rule lets pass.
 * @param system the way to the records
 */
export function isAntispoofed(system: System): boolean {
  return (
    readBridgeRecords(system).some((record) => record.antispoof !== undefined) ||
    readLedger(system).some(({ claim }) => claim.kind === 'policy')
  );
}

/**
 * Whether it is a started hook that makes bridged packets pass iptables, and drops what no rule lets pass.
 * @param system the way to the records
 */
export function filtersBridged(system: System): boolean {
  return (
    readBridgeRecords(system).some(({ antispoof }) => Object.keys(antispoof?.policy ?? {}).length > 0) ||
    readLedger(system).some(({ claim }) => claim.kind === 'policy')
  );
}

/**
 * FORWARD's policies and rules, and whether bridged packets go through the filters.
 * @param system the way to iptables and /proc/sys
 * @throws HostError when iptables does not work here
 */
export function observeForward(system: System): ForwardFacts {
  const tools = families(system).map((family) => [family, family === 4 ? 'iptables' : 'ip6tables'] as const);
  const found = tools.map(([family, tool]) => [family, observeChain(system, tool)] as const);
  const settings = BRIDGE_NF.map((path) => [path, system.readText(path)] as const).filter(
    (entry): entry is readonly [string, string] => entry[1] !== undefined,
  );
  return {
    policy: Object.fromEntries(found.map(([family, { policy }]) => [family, policy])),
    rules: Object.fromEntries(found.map(([family, { rules }]) => [family, rules])),
    settings: Object.fromEntries(settings),
  };
}

function observeChain(system: System, tool: string): { policy: string; rules: string[] } {
  const listing = system.run([tool, '-w', '-S', 'FORWARD'], { isListing: true });
  const policy = /^-P FORWARD (\S+)/m.exec(listing.stdout)?.[1];
  if (policy !== undefined) {
    // Where the kernel has no raw table, there is no rule in it.
    const raw = system.run([tool, '-w', '-t', 'raw', '-S', 'PREROUTING'], { isListing: true }).stdout;
    const rules = `${listing.stdout}${raw}`.split('\n').filter((line) => line.startsWith('-A '));
    return { policy, rules: rules.map((line) => line.slice('-A '.length)) };
  }
  throw new HostError(
    `antispoof=yes needs ${tool}, which does not work here (${listing.stderr.trim()}). Install iptables, or leave antispoof out.`,
  );
}
