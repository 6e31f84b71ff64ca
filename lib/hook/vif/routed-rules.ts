import { directRules, ownerComment, type RuleSet, routedForwardRules } from '../../filter/forward.ts';
import { namedForwardRules, natForwardDevice } from '../../filter/masquerade.ts';
import { forwardPolicyDrops } from '../../observe/filter/forward-policy.ts';
import { readLedgerFile } from '../../observe/filter/ledger.ts';
import { unrestrictedFamilies } from '../../observe/filter/rules.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import type { KernelRoute } from '../../observe/host/kernel-routes.ts';
import { guestsAmong, type VifRecords } from '../../observe/vif/guest-routes.ts';
import type { Family, Prefix } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

/**
 * The rules that let a routed guest's packets pass, as the host is now.
 * @param run the call; its hook tells whether the guest goes outside as this host
 * @param name the name that its device has once it is attached
 * @param addresses the guest's
 * @param ways what `outsideDevices` gives
 */
export function guestRules(
  run: VifRun,
  name: string,
  addresses: readonly Prefix[],
  ways: readonly string[],
): RuleSet {
  const { system } = run.context;
  const owner = ownerComment(run.call, run.stored['domain']);
  const families = unrestrictedFamilies(system);
  const rules = routedForwardRules(name, addresses, families, owner, ways);
  const ledger = run.context.hook === 'vif-nat' ? readLedgerFile(system) : [];
  const outside = (family: Family) =>
    ledger.flatMap(({ claim }) =>
      claim.kind === 'rule' && claim.family === family ? (natForwardDevice(claim.rule) ?? []) : [],
    );
  const isNamed = !name.startsWith('vif');
  const passes = (family: Family) =>
    families.length > 1 || (outside(family).length > 0 && (family === 4 || !isNamed));
  // Where the administrator's policy drops the rest, as Docker's and ufw's do.
  const more = (family: Family): string[] => {
    const own = addresses.filter((prefix) => prefix.family === family);
    if (own.length === 0 || passes(family) || !forwardPolicyDrops(system, family)) return [];
    return directRules(name, own, family, owner);
  };
  const named = isNamed && outside(4).length > 0 ? namedForwardRules(name, addresses, outside(4), owner) : [];
  return { 4: [...rules[4], ...named, ...more(4)], 6: [...rules[6], ...more(6)] };
}

/**
 * What is routed crosses no bridge: rules for bridged packets match none of a routed guest's, whatever FORWARD does.
 * @param run the call
 * @param rules the guest's
 * @returns whether somebody asked for them
 */
export function wantsRules({ stored, given }: VifRun, rules: RuleSet): boolean | 'if-any' {
  if ((stored['ip'] ?? given['ip'] ?? '') === '') return false;
  const all = [...rules[4], ...rules[6]];
  return all.every((rule) => rule.includes('--physdev-is-bridged')) ? 'if-any' : true;
}

/**
 * The devices by which this host has routes, but for guests' and for those of network-virtual, whose guests have rules of
 * their own: from there a packet to another guest may be forged.
 * @param system the way to the records of bridges
 * @param records the guests'
 * @param routes the kernel's routes
 */
export function outsideDevices(
  system: System,
  records: VifRecords,
  routes: readonly KernelRoute[],
): string[] {
  const guests = guestsAmong(records, routes);
  const virtual = new Set(readVirtualRecords(system).map(({ bridge }) => bridge));
  const devices = new Set(routes.filter(({ local }) => !local).map(({ device }) => device));
  return [...devices]
    .filter((device) => device !== 'lo' && !guests.has(device) && !virtual.has(device))
    .sort();
}
