import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import { readStrictRecord, type StrictRecord } from '../../observe/filter/strict.ts';
import { readKernelRoutes } from '../../observe/host/kernel-routes.ts';
import { type Bridge, deviceExists, isBridge, type Port, readBridge } from '../../observe/host/port.ts';
import { readVifRecords } from '../../observe/records.ts';
import {
  type Backend,
  type BackendValues,
  backendPath,
  deviceNames,
  readBackend,
} from '../../observe/vif/backends.ts';
import type { DeviceFinder, VifState } from '../../observe/vif/vif.ts';
import { deviceFinder, observeVif, type PresentVif } from '../../observe/vif/vif.ts';
import { natGuestAddresses } from '../../plan/routed/nat.ts';
import { trunksIn } from '../../plan/vif/openvswitch.ts';
import { markedValues } from '../../record/stored-settings.ts';
import { parseAddressList } from '../../request/addresses.ts';
import type { Values } from '../../request/arguments.ts';
import { mergeValues } from '../../request/arguments.ts';
import type { FittedName } from '../../request/names.ts';
import { natAddresses } from '../../request/nat-address.ts';
import { switchSettings, trunkRanges } from '../../request/openvswitch.ts';
import type { VifCall } from '../../request/vif.ts';
import {
  accountWish,
  formerRename,
  parseVifCall,
  parseVifSettings,
  STORED_SETTINGS_KEY,
  VIF_KEYS,
  VIF_VARIABLES,
} from '../../request/vif.ts';
import { parseVlans, taggedRanges, type VlanRange, vlanRanges } from '../../request/vlan.ts';
import type { System } from '../../system/system.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import type { Context } from '../context.ts';
import { wantsAccount, wantsAccountRouted } from '../traffic/wish.ts';
import { bridgedRules } from '../vif/bridged-rules.ts';
import { guestRules, outsideWays, type Ways } from '../vif/routed-rules.ts';
import type { VifRun } from '../vif/run.ts';
import { routedAddresses, untracksRouted } from './routed-filter.ts';
import { asksForStrict, strictRecord, wantsStrict, wantsStrictRouted } from './strict-record.ts';

/** A guest's device that is in use. */
export interface RunningVif {
  /** The call that attached it, as far as xenstore tells. */
  readonly run: VifRun;
  readonly state: PresentVif;
  /** The bridge of which it is a port; undefined for a routed device. */
  readonly bridge: Bridge | undefined;
}

/** The filters that a device must have. */
export interface WantedFilter {
  readonly rules: RuleSet;
  /** undefined where the strict filter does not cover the device. */
  readonly strict: StrictRecord | undefined;
}

/**
 * The devices of the cards that this host has and that are in use.
 * @param context the call
 * @param store xenstore
 * @param backends the cards
 * @param find searches all devices, of which there may be thousands
 */
export async function runningVifs(
  context: Context,
  store: Xenstore,
  backends: readonly Backend[],
  find = deviceFinder(context.system),
): Promise<RunningVif[]> {
  // Requests that are made together are sent together.
  const stored = await Promise.all(backends.map((backend) => readBackend(store, backend, VIF_KEYS)));
  return backends.flatMap((backend, i) => devicesOf(context, store, backend, stored[i] ?? {}, find));
}

function devicesOf(
  context: Context,
  store: Xenstore,
  backend: Backend,
  stored: BackendValues,
  find: DeviceFinder,
): RunningVif[] {
  const { system } = context;
  const isThere = ({ call, rename }: CardCall) =>
    rename !== undefined || deviceExists(system, call.device) || find(call) !== undefined;
  const cards = cardCalls(backend, stored).filter(isThere);
  return cards.flatMap(({ call, given, rename }) => {
    const state = observeVif(system, call, rename, find);
    const run: VifRun = { context, call, given, stored, store, dryRun: false };
    const { port } = state;
    if (port === undefined || !port.up) return [];
    const isSwitched = state.record?.switchPort !== undefined;
    const master = port.master === undefined || isSwitched ? undefined : readBridge(system, port.master);
    const bridge = master !== undefined && isBridge(system, master.name) ? master : undefined;
    return [{ run, state: { ...state, port }, bridge }];
  });
}

/** The vif or the tap of a card, as xenstore tells. */
interface CardCall {
  /** The call that attaches it. */
  readonly call: VifCall;
  /** The command and the variables of that call. */
  readonly command: 'online' | 'add';
  readonly variables: Values;
  /** The settings that a former call had by argument. */
  readonly given: Values;
  /** The name that it may have got. */
  readonly rename: FittedName | undefined;
}

/** The vif or the tap of a card. */
export interface CardDevice extends CardCall {
  readonly state: VifState;
}

/**
 * Looks for both devices of a card on this host.
 * @param system the way to the host
 * @param backend the card
 * @param stored what xenstore tells of it
 * @param find searches all devices, of which there may be thousands
 */
export function cardDevices(
  system: System,
  backend: Backend,
  stored: BackendValues,
  find: DeviceFinder,
): CardDevice[] {
  return cardCalls(backend, stored).map((card) => ({
    ...card,
    state: observeVif(system, card.call, card.rename, find),
  }));
}

function cardCalls(backend: Backend, stored: BackendValues): CardCall[] {
  const path = backendPath(backend);
  const given = markedValues(stored[STORED_SETTINGS_KEY]);
  const [vif, tap] = deviceNames(backend);
  const values = mergeValues(['vifname'], given, stored);
  const calls = [
    { command: 'online', variables: { vif, XENBUS_PATH: path } },
    { command: 'add', variables: { vif, INTERFACE: tap, type_if: 'tap', XENBUS_PATH: path } },
  ] as const;
  return calls.map(({ command, variables }) => {
    const call = { ...parseVifCall(command, variables), path };
    return { call, command, variables, given, rename: formerRename(call, values) };
  });
}

/**
 * The filters that a device's own hook would give it now.
 * @param vif the device
 * @throws RequestError when xenstore has a value that cannot be used
 */
export async function wantedFilter({ run, state, bridge }: RunningVif): Promise<WantedFilter> {
  const { system } = run.context;
  const { name } = state.port;
  // A device that is off its bridge keeps its port filter: anybody may put it on another bridge.
  if (bridge === undefined)
    return { rules: routedRules(system, run, state), strict: unbridgedRecord(system, run, state) };
  const settings = parseVifSettings(run.call, run.given, run.stored);
  const strict = wantsStrict(system, settings, bridge.name);
  return {
    rules: await bridgedRules(run, settings, { port: name, bridge: bridge.name, strict }),
    strict: strict
      ? strictRecord(system, run.call.device, settings, [name], { bridge, vlans: ownTags(run) })
      : undefined,
  };
}

function ownTags({ given, stored }: VifRun): VlanRange[] {
  const { vlan } = mergeValues(['vlan'], given, stored);
  return vlan === undefined ? [] : taggedRanges(vlanRanges(parseVlans(vlan)));
}

/**
 * Whether the traffic of a running guest's device is to be counted.
 * @param vif the device
 * @throws RequestError when xenstore has a value that cannot be used
 */
export function wantsAccountRunning({ run, bridge }: RunningVif): boolean {
  const { context, given, stored } = run;
  const settings = { account: accountWish(mergeValues(['account'], given, stored)) };
  if (bridge !== undefined) return wantsAccount(context.system, settings, bridge.name);
  const hook = /vif-(?:nat|route)/.exec(stored['script'] ?? '')?.[0];
  return hook === undefined ? settings.account === true : wantsAccountRouted(context.system, settings, hook);
}

/**
 * The record that the hook of a switch's port would make, or that of a routed guest's device of the routes to it; of any
 * other device the present one.
 */
function unbridgedRecord(system: System, run: VifRun, state: PresentVif): StrictRecord | undefined {
  const { call, given, stored } = run;
  const { port, record } = state;
  if (record?.switchPort !== undefined) return switchedRecord(run, port, trunksIn(record.switchPort));
  if (record?.assigned === undefined) return readStrictRecord(system, port.name);
  // For vif-nat the list means something else; the routes tell what came of it.
  const told = parseVifSettings(call, { ...given, ip: '' }, { ...stored, ip: undefined });
  const settings = { ...told, addresses: routedAddresses(record.assigned) };
  const hook = /vif-(?:nat|route)/.exec(stored['script'] ?? '')?.[0] ?? '';
  if (!wantsStrictRouted(system, settings, hook)) return undefined;
  return strictRecord(system, call.device, settings, [port.name], {
    untracked: untracksRouted(settings, hook),
  });
}

function switchedRecord(
  { context, call, given, stored }: VifRun,
  port: Port,
  trunks: readonly number[],
): StrictRecord | undefined {
  const settings = switchSettings(call, given, stored);
  if (!asksForStrict(settings)) return undefined;
  return strictRecord(context.system, call.device, settings, [port.name], {
    isSwitched: true,
    vlans: trunkRanges(trunks),
  });
}

/**
 * The rules that the device's hook would make from the keys in xenstore; where the hook is unknown, those in the
 * record.
 */
function routedRules(system: System, run: VifRun, { port, record }: PresentVif): RuleSet {
  const { call, given, stored } = run;
  const hook = /vif-(?:nat|route)/.exec(stored['script'] ?? '')?.[0];
  if (/openvswitch/.test(stored['script'] ?? '') || (hook === undefined && record !== undefined))
    return record?.rules ?? NO_RULES;
  const values = mergeValues([...VIF_VARIABLES, ...VIF_KEYS], given, stored);
  // For vif-nat the list means something else, so only natAddresses reads it.
  const settings = parseVifSettings(call, { ...given, ip: '' }, { ...stored, ip: undefined });
  if (!settings.filter) return NO_RULES;
  const handle = Number(stored['handle'] ?? call.devid);
  const addresses =
    hook === 'vif-nat'
      ? natGuestAddresses(natAddresses(values['ip'] ?? '', call.domid, handle))
      : parseAddressList(values['ip'] ?? '');
  if (addresses.length === 0 && record !== undefined) return record.rules;
  const context = { ...run.context, hook: hook ?? 'vif-route' };
  return guestRules({ ...run, context }, { name: port.name, addresses, filter: true }, waysOf(system));
}

const ways = new WeakMap<System, Ways>();

/** Read once for all guests: the routing table grows with their number. */
function waysOf(system: System): Ways {
  const found =
    ways.get(system) ?? outsideWays(system, readVifRecords(system), readKernelRoutes(system, [4, 6]));
  ways.set(system, found);
  return found;
}
