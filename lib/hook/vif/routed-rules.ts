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
 * The rules that accept a routed guest's packets on the present host.
 * @param run the call; its hook tells whether the guest is masqueraded
 * @param name the device's name once it is attached
 * @param addresses the guest's addresses
 * @param ways the devices of `outsideDevices`
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
  // Rules for where the administrator's policy drops the rest, as that of Docker and ufw does.
  const more = (family: Family): string[] => {
    const own = addresses.filter((prefix) => prefix.family === family);
    if (own.length === 0 || passes(family) || !forwardPolicyDrops(system, family)) return [];
    return directRules(name, own, family, owner);
  };
  const named = isNamed && outside(4).length > 0 ? namedForwardRules(name, addresses, outside(4), owner) : [];
  return { 4: [...rules[4], ...named, ...more(4)], 6: [...rules[6], ...more(6)] };
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
 * @param system the way to the records of bridges
 * @param records the guests' records
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
