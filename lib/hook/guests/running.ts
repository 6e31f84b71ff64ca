import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import { readStrictRecord, type StrictRecord } from '../../observe/filter/strict.ts';
import { readKernelRoutes } from '../../observe/host/kernel-routes.ts';
import { isBridge, type Port, readPort } from '../../observe/host/port.ts';
import { readVifRecords } from '../../observe/records.ts';
import { deviceFinder, observeVif, type PresentVif } from '../../observe/vif/vif.ts';
import { natGuestAddresses } from '../../plan/routed/nat.ts';
import { markedValues } from '../../record/stored-settings.ts';
import { parseAddressList } from '../../request/addresses.ts';
import { mergeValues } from '../../request/arguments.ts';
import { TAP_SUFFIX } from '../../request/names.ts';
import { natAddresses } from '../../request/nat-address.ts';
import {
  formerRename,
  parseVifCall,
  parseVifSettings,
  STORED_SETTINGS_KEY,
  VIF_KEYS,
  VIF_VARIABLES,
} from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import type { Context } from '../context.ts';
import { bridgedRules } from '../vif/bridged-rules.ts';
import { routedAddresses } from '../vif/routed.ts';
import { guestRules, outsideWays, type Ways } from '../vif/routed-rules.ts';
import type { VifRun } from '../vif/run.ts';
import { strictRecord, wantsStrict, wantsStrictRouted } from './strict-record.ts';

/** A guest's device that is in use. */
export interface RunningVif {
  /** The call that attached it, as far as xenstore tells. */
  readonly run: VifRun;
  readonly state: PresentVif;
  /** The bridge of which it is a port; undefined for a routed device. */
  readonly bridge: Port | undefined;
}

/** The filters that a device must have. */
export interface WantedFilter {
  readonly rules: RuleSet;
  /** undefined where the strict filter does not cover the device. */
  readonly strict: StrictRecord | undefined;
}

/** A guest's card, as xenstore lists it. */
export interface Backend {
  readonly domid: string;
  readonly devid: string;
}

/**
 * The cards of all guests.
 * @param store xenstore
 */
export async function listBackends(store: Xenstore): Promise<Backend[]> {
  const isNumber = (name: string) => /^\d{1,5}$/.test(name);
  const found: Backend[] = [];
  for (const domid of ((await store.list('backend/vif')) ?? []).filter(isNumber)) {
    const devids = ((await store.list(`backend/vif/${domid}`)) ?? []).filter(isNumber);
    found.push(...devids.map((devid) => ({ domid, devid })));
  }
  return found;
}

/**
 * The kernel's names of a card's devices, the vif and the tap.
 * @param backend the card
 */
export function deviceNames({ domid, devid }: Backend): readonly [vif: string, tap: string] {
  return [`vif${domid}.${devid}`, `vif${domid}.${devid}${TAP_SUFFIX}`];
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
  const found: RunningVif[] = [];
  for (const backend of backends) found.push(...(await devicesOf(context, store, backend, find)));
  return found;
}

async function devicesOf(
  context: Context,
  store: Xenstore,
  backend: Backend,
  find: ReturnType<typeof deviceFinder>,
): Promise<RunningVif[]> {
  const { system } = context;
  const path = `backend/vif/${backend.domid}/${backend.devid}`;
  const values = await store.readMany(VIF_KEYS.map((key) => `${path}/${key}`));
  const stored = Object.fromEntries(VIF_KEYS.map((key, i) => [key, values[i]]));
  const given = markedValues(stored[STORED_SETTINGS_KEY]);
  const [vif, tap] = deviceNames(backend);
  const calls = [
    parseVifCall('online', { vif, XENBUS_PATH: path }),
    parseVifCall('add', { INTERFACE: tap, type_if: 'tap' }),
  ];
  return calls.flatMap((call) => {
    const run: VifRun = { context, call: { ...call, path }, given, stored, store, dryRun: false };
    const rename = formerRename(call, mergeValues([...VIF_VARIABLES, ...VIF_KEYS], given, stored));
    const state = observeVif(system, call, rename, find);
    const { port } = state;
    if (port === undefined || !port.up) return [];
    const master = port.master === undefined ? undefined : readPort(system, port.master);
    const bridge = master !== undefined && isBridge(system, master.name) ? master : undefined;
    return [{ run, state: { ...state, port }, bridge }];
  });
}

/**
 * The filters that a device's own hook would give it now.
 * @param vif the device
 * @throws RequestError when xenstore has a value that cannot be used
 */
export function wantedFilter({ run, state, bridge }: RunningVif): WantedFilter {
  const { system } = run.context;
  const { name } = state.port;
  // A device that is off its bridge keeps its port filter: anybody may put it on another bridge.
  if (bridge === undefined)
    return { rules: routedRules(system, run, state), strict: unbridgedRecord(system, run, state) };
  const settings = parseVifSettings(run.call, run.given, run.stored);
  const strict = wantsStrict(system, settings, bridge.name);
  return {
    rules: bridgedRules(run, settings, { port: name, bridge: bridge.name, strict }),
    strict: strict ? strictRecord(system, run.call.device, settings, [name], bridge) : undefined,
  };
}

/**
 * The record that the hook of a routed guest's device would make of the routes to it; of any other device the present
 * one.
 */
function unbridgedRecord(system: System, run: VifRun, state: PresentVif): StrictRecord | undefined {
  const { call, given, stored } = run;
  const { port, record } = state;
  if (record?.assigned === undefined) return readStrictRecord(system, port.name);
  // For vif-nat the list means something else; the routes tell what came of it.
  const told = parseVifSettings(call, { ...given, ip: '' }, { ...stored, ip: undefined });
  const settings = { ...told, addresses: routedAddresses(record.assigned) };
  const hook = /vif-(?:nat|route)/.exec(stored['script'] ?? '')?.[0] ?? '';
  if (!wantsStrictRouted(system, settings, hook)) return undefined;
  return strictRecord(system, call.device, settings, [port.name], undefined);
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
