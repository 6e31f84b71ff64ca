import { type Claim, claimKey } from '../contract/claims.ts';
import { BRIDGE_NF, IP_FORWARD, IP6_FORWARD, settingPath } from '../contract/paths.ts';
import type { System } from '../system/system.ts';
import type { HostState } from './host.ts';
import { readLedger } from './ledger.ts';
import { isRuleInPlace } from './rules.ts';

/** How claims are met now, by claimKey; for a rule undefined when it is not there. */
export type Present = ReadonlyMap<string, string | undefined>;

/**
 * How claims are met now.
 * @param system the way to the settings and the firewall
 * @param claims the claims
 */
export function readPresent(system: System, claims: readonly Claim[]): Present {
  return new Map(claims.map((claim) => [claimKey(claim), stateOf(system, claim)]));
}

function stateOf(system: System, claim: Claim): string | undefined {
  if (claim.kind === 'setting') return system.readText(claim.path) ?? unloaded(claim.path);
  const tool = claim.family === 4 ? 'iptables' : 'ip6tables';
  if (claim.kind === 'policy') return policyOf(system, tool);
  const line = { tool, table: claim.table, line: `-I ${claim.rule}` } as const;
  return isRuleInPlace(system, line) ? claim.rule : undefined;
}

/** Without the module br_netfilter no bridged packet was filtered, which with it is the value 0. */
function unloaded(path: string): string | undefined {
  return BRIDGE_NF.includes(path) ? '0' : undefined;
}

/**
 * FORWARD's policy.
 * @param system the way to the firewall
 * @param tool iptables or ip6tables
 * @returns undefined where that does not work
 */
export function policyOf(system: System, tool: 'iptables' | 'ip6tables'): string | undefined {
  return /^-P FORWARD (\S+)/m.exec(
    system.run([tool, '-w', '-S', 'FORWARD'], { isListing: true }).stdout,
  )?.[1];
}

/**
 * What the kernel changes together with the switches for forwarding, and does not change back (net/ipv4/devinet.c,
 * net/ipv6/addrconf.c): each device's own switch and, for IPv4, accept_redirects.
 * @param system the way to the settings
 * @returns by the switch's path: the settings that differ from what the kernel would make of them, and their values
 */
export function readBeside(system: System): Map<string, Record<string, string>> {
  const redirects = '/proc/sys/net/ipv4/conf/all/accept_redirects';
  const four = { ...switches(system, 4, IP_FORWARD), ...settingOf(system, redirects) };
  return new Map([
    [IP_FORWARD, four],
    [IP6_FORWARD, switches(system, 6, IP6_FORWARD)],
  ]);
}

function switches(system: System, family: 4 | 6, main: string): Record<string, string> {
  const folder = `/proc/sys/net/ipv${family}/conf`;
  const usual = system.readText(main);
  const all = system.list(folder).filter((device) => device !== 'all');
  const values = all.map((device) => settingOf(system, `${folder}/${device}/forwarding`));
  return Object.fromEntries(values.flatMap(Object.entries<string>).filter(([, value]) => value !== usual));
}

function settingOf(system: System, path: string): Record<string, string> {
  const value = system.readText(path);
  return value === undefined ? {} : { [path]: value };
}

/**
 * The devices that learn IPv6 routes from router advertisements, and would not if the host began to forward or if they
 * were told so by another hook alone.
 * @param system the way to the settings
 * @param state the host
 * @param netdev the device that leads outside
 * @returns their accept_ra, by path
 */
export function readListening(system: System, state: HostState, netdev: string): string[] {
  const isOff = system.readText(IP6_FORWARD) === '0';
  const held = new Set(readLedger(system).map(({ claim }) => claimKey(claim)));
  const learned = state.routes.filter(({ family, protocol }) => family === 6 && protocol === 'ra');
  const devices = [netdev, ...learned.flatMap(({ hops }) => hops.map((hop) => hop.dev ?? netdev))];
  return [...new Set(devices)]
    .map((device) => settingPath('net/ipv6/conf/accept_ra', device))
    .filter((path) => held.has(path) || (isOff && system.readText(path) === '1'));
}

/**
 * Kernel settings as they are.
 * @param system the way to them
 * @param paths below /proc/sys
 * @returns by path; undefined where the kernel has not got it
 */
export function readPaths(system: System, paths: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(paths.map((path) => [path, system.readText(path)]));
}
