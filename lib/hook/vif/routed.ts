import { VerifyError } from '../../errors.ts';
import { NO_RULES } from '../../filter/forward.ts';
import { listRules } from '../../observe/filter/rules.ts';
import { readPaths } from '../../observe/forward/forwarding.ts';
import { findRoutes, readKernelRoutes } from '../../observe/host/kernel-routes.ts';
import { readLink } from '../../observe/host/port.ts';
import { readVifRecord } from '../../observe/records.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { stillAssigned, type Uplink } from '../../observe/vif/address.ts';
import { guestsAmong, hostAddresses, recordedRoutes, recordsBeside } from '../../observe/vif/guest-routes.ts';
import { observeVif, type PresentVif, type VifState } from '../../observe/vif/vif.ts';
import { sameAssignment } from '../../plan/routed/assignment.ts';
import { mustBeApart, mustBeUnrouted } from '../../plan/routed/check.ts';
import { ROUTE_METRIC, rangeWarnings } from '../../plan/routed/route.ts';
import { planRouted, planUnrouted, routeSettings } from '../../plan/routed/routed.ts';
import { standBackPaths } from '../../plan/routed/stand-back.ts';
import { type Step, shareStep } from '../../plan/step.ts';
import { routerSettingPaths } from '../../plan/unheard.ts';
import { type Assignment, isRouted } from '../../record/assignment.ts';
import { settingPath, vifRecordPath } from '../../record/paths.ts';
import { guestHolder, type SharedSetting, settingKey, settingsOf } from '../../record/shared-settings.ts';
import type { Family, Prefix } from '../../request/addresses.ts';
import { mergeValues } from '../../request/arguments.ts';
import { deviceName, twinOf } from '../../request/names.ts';
import { formerRename, VIF_KEYS, VIF_VARIABLES, type VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { routedFilter } from '../guests/routed-filter.ts';
import { wantsAccountRouted } from '../traffic/wish.ts';
import { attachVif, detachVif } from './attach.ts';
import type { GuestLease } from './lease.ts';
import { guestRules, outsideWays, wantsRules } from './routed-rules.ts';
import type { VifRun } from './run.ts';
import { partSteps, vifThatStandsBack } from './twin.ts';

/** A guest whose packets are routed, by vif-route or vif-nat. */
export interface RoutedGuest {
  readonly state: PresentVif;
  readonly settings: VifSettings;
  /** The addresses from which the filter lets the guest send. */
  readonly addresses: readonly Prefix[];
  /** The network's device, where the guest has IPv6 addresses. */
  readonly uplink: Uplink | undefined;
  /** IPv4 addresses that must not be in any other network of this host. */
  readonly apart?: readonly string[];
  /** The guest's assignment. */
  readonly assigned: readonly Assignment[];
  readonly dhcp: GuestLease;
}

/**
 * The name that a guest's device has once it is attached.
 * @param state the present device
 * @param settings the guest's settings
 */
export function attachedName(state: PresentVif, settings: VifSettings): string {
  return settings.rename?.name ?? state.port.name;
}

/**
 * The network's device that the call names: xl's gatewaydev, or netdev (docs/contract.md, "vif-route online").
 * @param run the call
 * @returns undefined where the call names none
 * @throws RequestError when the value is no device name
 */
export function wantedNetdev(run: VifRun): string | undefined {
  const { given, stored } = run;
  const values = [stored['gatewaydev'], given['netdev'], given['gatewaydev']];
  const name = values.find((value) => value !== undefined && value !== '');
  return name === undefined ? undefined : deviceName(name, 'netdev');
}

/**
 * Warns about a guest's IPv6 ranges, for which this host cannot answer.
 * @param run the call
 * @param name the guest's device
 * @param uplink the network's device, where the guest has IPv6 addresses
 * @param addresses the guest's addresses
 */
export function warnOfRanges(
  run: VifRun,
  name: string,
  uplink: Uplink | undefined,
  addresses: readonly Prefix[],
): void {
  if (uplink === undefined) return;
  for (const warning of rangeWarnings(name, uplink.device, addresses)) run.context.log.warn(warning);
}

/**
 * Carries out an online or add of a routed guest.
 * @param run the call
 * @param guest the guest's settings and assignment
 * @throws HostError when another device has one of its addresses; StepError, VerifyError; the host is then as it was
 * before
 */
export function attachRouted(run: VifRun, guest: RoutedGuest): Promise<void> {
  const { system } = run.context;
  const { state, settings, addresses, uplink, assigned, dhcp, apart = [] } = guest;
  const name = attachedName(state, settings);
  const before = state.record?.assigned ?? [];
  const own = ownNames(run, state, name);
  const found = findRoutes(system, familiesOf([...assigned, ...before]), {
    prefixes: [...prefixesOf([...assigned, ...before]), ...apart],
    devices: own,
  });
  const { routes } = found;
  const records = recordsBeside(system, found);
  const recorded = recordedRoutes(system, records);
  const guests = guestsAmong(system, records, [...routes, ...recorded]);
  mustBeUnrouted(name, own, assigned, [...routes, ...hostAddresses(system, assigned), ...recorded], guests);
  mustBeApart(name, own, apart, routes, guests);
  const other = readVifRecord(system, twinOf(run.call.device));
  const twin = other?.assigned ?? [];
  const stale = without(before, [...assigned, ...twin]);
  const standsBack = vifThatStandsBack(system, { ...run, state, rename: settings.rename }, assigned, other);
  const facts = {
    routes,
    uplink,
    stale: stale.length === 0 ? [] : stillAssigned(system, stale, routes),
    settings: readPaths(system, [
      ...routeSettings(state.port.name, uplink !== undefined),
      ...routerSettingPaths(state.port.name),
      ...(standsBack === undefined ? [] : standBackPaths(standsBack.name)),
    ]),
    twin,
    standsBack,
  };
  const ways = outsideWays(system, records, routes);
  // A device that was never attached has no rules, so they need not be listed.
  const known = state.record !== undefined || state.port.up;
  const request = {
    call: run.call,
    rename: settings.rename,
    mtu: settings.mtu,
    assigned,
    shared: sharedSteps(run, state.record?.proxyNdp, uplink),
    inPlace: known ? listRules(system, run.call.device) : NO_RULES,
    rules: guestRules(run, { name, addresses, filter: settings.filter }, ways),
    recordPath: vifRecordPath(run.call.device),
  };
  return attachVif(run, {
    name,
    bridge: '',
    rules: request.rules,
    restricted: wantsRules(run, request.rules),
    plan: (rules, unserved) =>
      planRouted(state, facts, {
        ...request,
        rules,
        leaseSteps: unserved ? (dhcp.withoutLease ?? []) : dhcp.leaseSteps,
        lease: unserved ? undefined : dhcp.lease,
      }),
    mayBeUnserved: dhcp.withoutLease !== undefined,
    notes: dhcp.unserved === undefined ? [] : [dhcp.unserved],
    more: assignedVariables(run, assigned),
    verify: () => verify(system, name, uplink, assigned, standsBack === state.port ? name : standsBack?.name),
    mtu: settings.mtu,
    settings,
    account: wantsAccountRouted(system, settings, run.context.hook),
    portFilter: routedFilter(run, { settings, assigned, former: state.record?.name }, name),
  });
}

/**
 * Carries out an offline or remove of a routed guest.
 * @param run the call
 * @param release returns the steps that remove the guest's lease
 */
export function detachRouted(
  run: VifRun,
  release: (state: VifState, name: string) => readonly Step[],
): Promise<void> {
  const { system } = run.context;
  const rename = formerRename(run.call, mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored));
  const state = observeVif(system, run.call, rename);
  const name = state.port?.name ?? state.record?.name ?? rename?.name ?? run.call.device;
  const part = partSteps(system, { call: run.call, state, rename });
  return detachVif(run, {
    state,
    name,
    bridge: '',
    more: assignedVariables(run, state.record?.assigned ?? []),
    plan: (rules) =>
      planUnrouted(state, name, rules, vifRecordPath(run.call.device), {
        twin: part.twin,
        before: [...part.steps, ...release(state, name)],
        after: letGoSteps(system, run.call.device, state.record?.proxyNdp),
      }),
  });
}

/** The variables that the stock scripts of these names set, and published post hooks use. */
function assignedVariables(run: VifRun, assigned: readonly Assignment[]): Record<string, string> {
  const bare = (kind: 'address' | 'route') =>
    assigned
      .flatMap((item) => (item.kind === kind && !item.prefix.includes(':') ? [item.prefix] : []))[0]
      ?.replace(/\/\d+$/, '') ?? '';
  const { type } = run.call;
  return run.context.hook === 'vif-nat'
    ? { vif_ip: bare('route'), router_ip: bare('address') }
    : { main_ip: bare('address'), metric: `${ROUTE_METRIC[type]}` };
}

const without = (before: readonly Assignment[], wanted: readonly Assignment[]): Assignment[] =>
  before.filter((item) => !wanted.some((other) => sameAssignment(other, item)));

const prefixesOf = (assigned: readonly Assignment[]): string[] =>
  assigned.flatMap((item) => (item.kind === 'route' ? [item.prefix] : []));

function familiesOf(assigned: readonly Assignment[]): Family[] {
  const isIpv6 = (item: Assignment) => item.kind !== 'proxy' && item.prefix.includes(':');
  return assigned.some(isIpv6) ? [4, 6] : [4];
}

/**
 * All names of the device, before and after a rename, and of the guest's other device: a tap and its vif have the same
 * addresses.
 */
function ownNames(run: VifRun, state: PresentVif, name: string): string[] {
  return [name, state.port.name, run.call.device].flatMap((own) => [own, twinOf(own)]);
}

/** The step for the shared setting that the guest needs from now on, or no longer needs, on the network's device. */
function sharedSteps(
  { call: { device } }: VifRun,
  had: { readonly device: string } | undefined,
  wants: { readonly device: string } | undefined,
): Step[] {
  if (had === undefined && wants === undefined) return [];
  return [shareStep(guestHolder(device), answering(had), answering(wants))];
}

/**
 * The step that ends what a guest holds on the network's device.
 * @param system the way to the record of shared settings
 * @param device the kernel's name of the guest's device
 * @param had the network's device in the guest's record; without a record, as after an incomplete offline, the record
 * of shared settings tells what the guest holds
 */
export function letGoSteps(
  system: System,
  device: string,
  had: { readonly device: string } | undefined,
): Step[] {
  const holder = guestHolder(device);
  const held = had === undefined ? settingsOf(readSharedFile(system), holder) : answering(had);
  return held.length === 0 ? [] : [shareStep(holder, held, [])];
}

/**
 * Guests share one setting of the network's device; the record of shared settings has its value from before the first
 * guest.
 */
function answering(uplink: { readonly device: string } | undefined): SharedSetting[] {
  if (uplink === undefined) return [];
  return [{ kind: 'setting', path: settingPath('net/ipv6/conf/proxy_ndp', uplink.device), value: '1' }];
}

function verify(
  system: System,
  name: string,
  uplink: Uplink | undefined,
  assigned: readonly Assignment[],
  standsBack: string | undefined,
): void {
  const routes = readKernelRoutes(system, familiesOf(assigned), { prefixes: [], devices: [name] });
  const missing = assigned.filter((item) => item.kind === 'route').find((route) => !isRouted(routes, route));
  const paths = [
    ...routeSettings(name, uplink !== undefined),
    ...answering(uplink).map(settingKey),
    ...(standsBack === undefined ? [] : standBackPaths(standsBack)),
  ];
  const settings = readPaths(system, paths);
  const off = paths.find((path) => settings[path] === '0');
  if (readLink(system, name)?.up === true && missing === undefined && off === undefined) return;
  const what = missing === undefined ? (off ?? 'the device is down') : `no route to ${missing.prefix}`;
  throw new VerifyError(
    `${name} is not routed to as planned after all steps (${what}): something else changes it at the same time ` +
      '(NetworkManager, systemd-networkd?). Keep it away from vif devices.',
  );
}
