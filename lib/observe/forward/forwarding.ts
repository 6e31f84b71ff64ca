import { isWholeTable, wrappedTable } from '../../filter/wrapped.ts';
import { BRIDGE_NF_FOLDER, IP_FORWARD, IP6_FORWARD, settingPath } from '../../record/paths.ts';
import { type SharedSetting, settingKey } from '../../record/shared-settings.ts';
import type { Family } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import { parseSavedTables, type SavedTable } from '../../wire/iptables-save.ts';
import { listTable } from '../filter/nft-table.ts';
import { readStrictRecords, strictTableState } from '../filter/strict.ts';
import type { HostState } from '../host/host.ts';
import { readSharedSettings } from '../shared-settings.ts';

/** The present state of shared settings, by their keys; for a rule undefined when it does not exist. */
export type Present = ReadonlyMap<string, string | undefined>;

/**
 * Reads the present state of shared settings. The firewall is listed once for each family, for any number of rules.
 * @param system the way to the settings and the firewall
 * @param sharedSettings the shared settings
 */
export function readPresent(system: System, sharedSettings: readonly SharedSetting[]): Present {
  const listings = new Map<Family, Listing | undefined>();
  const listing = (family: Family): Listing | undefined => {
    if (!listings.has(family)) listings.set(family, listFirewall(system, family));
    return listings.get(family);
  };
  return new Map(sharedSettings.map((setting) => [settingKey(setting), stateOf(system, setting, listing)]));
}

/** The rules (without -A) and the policies of each table's chains, by table. */
type Listing = ReadonlyMap<
  string,
  { readonly rules: ReadonlySet<string>; readonly policies: SavedTable['policies'] }
>;

/** @returns undefined where the tool does not work */
function listFirewall(system: System, family: Family): Listing | undefined {
  const tool = family === 4 ? 'iptables-save' : 'ip6tables-save';
  const listing = system.run([tool], { isListing: true });
  if (listing.status !== 0) return undefined;
  const tables = parseSavedTables(listing.stdout);
  return new Map(tables.map(({ name, rules, policies }) => [name, { rules: new Set(rules), policies }]));
}

function stateOf(
  system: System,
  setting: SharedSetting,
  listing: (family: Family) => Listing | undefined,
): string | undefined {
  switch (setting.kind) {
    case 'setting':
      return system.readText(setting.path) ?? unloaded(setting.path);
    case 'policy':
      return policyIn(listing(setting.family));
    case 'rule':
      return listing(setting.family)?.get(setting.table)?.rules.has(setting.rule) === true
        ? setting.rule
        : undefined;
    case 'strict':
      return tableState(system);
    case 'account':
      return 'wished';
    case 'wrapped':
      return wrappedState(system, setting.bridge);
  }
}

/** A part of the table is left where an earlier version made it, or where somebody flushed it. */
function wrappedState(system: System, bridge: string): 'whole' | 'part' | undefined {
  const { status, stdout } = listTable(system, wrappedTable(bridge));
  if (status !== 0) return undefined;
  return isWholeTable(stdout) ? 'whole' : 'part';
}

/** @returns undefined where the firewall could not be listed */
function policyIn(listing: Listing | undefined): string | undefined {
  if (listing === undefined) return undefined;
  const filter = listing.get('filter');
  // A table that does not exist yet lets everything pass.
  if (filter === undefined) return 'ACCEPT';
  return filter.policies.get('FORWARD');
}

/** "bare" where the strict table may be removed; "held" where a guest is in it. */
function tableState(system: System): string | undefined {
  const state = strictTableState(system);
  return state === 'bare' && readStrictRecords(system).size > 0 ? 'held' : state;
}

/** Without br_netfilter no bridged packet is filtered, which is the value 0 once the module is loaded. */
function unloaded(path: string): string | undefined {
  return path.startsWith(BRIDGE_NF_FOLDER) ? '0' : undefined;
}

/**
 * Whether bridged packets can be passed to iptables.
 * @param system the way to the settings
 */
export function filtersBridges(system: System): boolean {
  return system.exists(BRIDGE_NF_FOLDER);
}

/**
 * The settings that the kernel changes together with the switches for forwarding and does not change back
 * (net/ipv4/devinet.c, net/ipv6/addrconf.c): each device's own switch and, for IPv4, accept_redirects.
 * @param system the way to the settings
 * @returns by the switch's path: the settings that differ from the kernel's choice, and their values
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
 * The devices that learn IPv6 routes from router advertisements and would stop when the host begins to forward, or that
 * another hook has told to go on.
 * @param system the way to the settings
 * @param state the host
 * @param netdev the outgoing device
 * @returns the paths of their accept_ra
 */
export function readListening(system: System, state: HostState, netdev: string): string[] {
  const isOff = system.readText(IP6_FORWARD) === '0';
  const held = new Set(readSharedSettings(system).map(({ setting }) => settingKey(setting)));
  const learned = state.routes.filter(({ family, protocol }) => family === 6 && protocol === 'ra');
  const devices = [netdev, ...learned.flatMap(({ hops }) => hops.map((hop) => hop.dev ?? netdev))];
  return [...new Set(devices)]
    .map((device) => settingPath('net/ipv6/conf/accept_ra', device))
    .filter((path) => held.has(path) || (isOff && system.readText(path) === '1'));
}

/**
 * Reads kernel settings.
 * @param system the way to the settings
 * @param paths paths below /proc/sys
 * @returns the values by path; undefined where the kernel does not have the setting
 */
export function readPaths(system: System, paths: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(paths.map((path) => [path, system.readText(path)]));
}
