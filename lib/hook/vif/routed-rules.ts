import {
  directRules,
  NO_RULES,
  ownerComment,
  type RuleSet,
  routedForwardRules,
} from '../../filter/forward.ts';
import { namedForwardRules, natForwardDevice } from '../../filter/masquerade.ts';
import { routedDrops, routedDropText } from '../../observe/filter/routed-drops.ts';
import { unrestrictedFamilies } from '../../observe/filter/rules.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import type { KernelRoute } from '../../observe/host/kernel-routes.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { guestsAmong, type VifRecords } from '../../observe/vif/guest-routes.ts';
import type { Family, Prefix } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

/** The devices to which the host may route a guest's packets, except those of other guests. */
export interface Ways {
  /** The devices of all routes of this host. */
  readonly all: readonly string[];
  /** The devices of its default routes. */
  readonly defaults: readonly string[];
}

/** A guest whose packets are routed, as the firewall sees it. */
export interface RoutedPort {
  /** The name of its device after it is attached. */
  readonly name: string;
  readonly addresses: readonly Prefix[];
  /** Whether it gets rules. */
  readonly filter: boolean;
}

/**
 * The rules that let a routed guest's packets pass the present firewall. Warns if no rule can.
 * @param run the call; with vif-nat the guest uses the host's address outside
 * @param port the guest's device
 * @param ways the result of `outsideWays`
 */
export function guestRules(run: VifRun, port: RoutedPort, ways: Ways): RuleSet {
  const { system } = run.context;
  const { name, addresses } = port;
  const owner = ownerComment(run.call, run.stored['domain']);
  const families = unrestrictedFamilies(system);
  const rules = routedForwardRules(name, addresses, families, owner, ways.all);
  const shared = run.context.hook === 'vif-nat' ? readSharedFile(system) : [];
  const outside = (family: Family) =>
    shared.flatMap(({ setting }) =>
      setting.kind === 'rule' && setting.family === family ? (natForwardDevice(setting.rule) ?? []) : [],
    );
  const isNamed = !name.startsWith('vif');
  const passes = (family: Family) =>
    families.length > 1 || (outside(family).length > 0 && (family === 4 || !isNamed));
  // The administrator's firewall drops all other packets, as those of Docker and ufw do.
  const more = (family: Family): string[] => {
    const sources = addresses.filter((prefix) => prefix.family === family);
    if (sources.length === 0) return [];
    const packet = { device: name, sources, ways: ways.defaults };
    const asked = !port.filter ? 'rules' : passes(family) ? 'nothing' : 'policy';
    const drops = routedDrops(system, family, packet, asked);
    for (const drop of drops.filter(({ byIptables }) => !byIptables || !port.filter))
      run.context.log.warn(routedDropText(system, name, drop));
    return drops.some(({ byIptables }) => byIptables) ? directRules(name, sources, family, owner) : [];
  };
  const [four, six] = [more(4), more(6)];
  if (!port.filter) return NO_RULES;
  const named = isNamed && outside(4).length > 0 ? namedForwardRules(name, addresses, outside(4), owner) : [];
  return { 4: [...rules[4], ...named, ...four], 6: [...rules[6], ...six] };
}

/**
 * Whether a routed guest's rules must be added. Routed packets cross no bridge, so rules for bridged packets match none
 * of them, whatever FORWARD does.
 * @param run the call
 * @param rules the guest's rules
 * @returns 'if-any' where all rules are for bridged packets; false where the guest has no ip=
 */
export function wantsRules({ stored, given }: VifRun, rules: RuleSet): boolean | 'if-any' {
  if ((stored['ip'] ?? given['ip'] ?? '') === '') return false;
  const all = [...rules[4], ...rules[6]];
  return all.every((rule) => rule.includes('--physdev-is-bridged')) ? 'if-any' : true;
}

/**
 * The devices by which this host has routes, without guests' devices and bridges of network-virtual. The guests on
 * those have rules of their own, and a packet from there to another guest may be forged.
 * @param system the way to the records of bridges and to the devices
 * @param records the guests' records
 * @param routes the kernel's routes
 */
export function outsideWays(system: System, records: VifRecords, routes: readonly KernelRoute[]): Ways {
  const guests = guestsAmong(system, records, routes);
  const virtual = new Set(readVirtualRecords(system).map(({ bridge }) => bridge));
  const leading = routes.filter(
    ({ local, device }) => !local && device !== 'lo' && !guests.has(device) && !virtual.has(device),
  );
  const devices = (some: readonly KernelRoute[]) => [...new Set(some.map(({ device }) => device))].sort();
  return {
    all: devices(leading),
    defaults: devices(leading.filter(({ prefix }) => prefix.endsWith('/0'))),
  };
}
