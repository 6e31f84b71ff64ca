import { HostError } from '../../errors.ts';
import { aliasOf, isGuestDevice, TAP_SUFFIX } from '../../request/names.ts';
import { parseVifCall, type VifCall, type VifSettings } from '../../request/vif.ts';
import { waitText, within } from '../../system/processes/deadline.ts';
import type { System } from '../../system/system.ts';
import {
  type Bridge,
  deviceExists,
  isBridge,
  listBridges,
  listDevices,
  type Owner,
  type Port,
  readBridge,
  readLink,
  readOwner,
  readPort,
} from '../host/port.ts';
import { readVifRecord, type VifRecord } from '../records.ts';

/** How long a hook waits for its device, since udev may call too early. */
const DEVICE_WAIT_MS = 3000;
const DEVICE_POLL_MS = 20;

/** The facts that a vif hook needs before it plans. */
export interface VifState {
  /** The guest's device, under its present name. */
  readonly port: Port | undefined;
  /** Another device that has the wanted name. */
  readonly conflicting: string | undefined;
  /** The record of an earlier online. */
  readonly record: VifRecord | undefined;
}

/** The same, when the device exists. */
export interface PresentVif extends VifState {
  readonly port: Port;
}

/** Finds the present name of a call's device. */
export type DeviceFinder = (call: VifCall) => string | undefined;

/**
 * Finds the device of a call: by the kernel's name, by its vifname, or by any name that an earlier run gave it.
 * @param system the way to the host
 * @param call the call
 * @param rename the wanted name, if a vifname is set
 * @param find searches all devices, of which there may be thousands
 */
export function observeVif(
  system: System,
  call: VifCall,
  rename: VifSettings['rename'],
  find = deviceFinder(system),
): VifState {
  const record = readVifRecord(system, call.device);
  const port = readPort(system, call.device);
  const target = rename === undefined ? undefined : readPort(system, rename.name);
  if (port !== undefined) return { port, record, conflicting: target?.name };
  if (target !== undefined && isThisVif(target, call))
    return { port: target, record, conflicting: undefined };
  const renamed = find(call);
  const other = renamed === undefined ? undefined : readPort(system, renamed);
  return { port: other, record, conflicting: target?.name };
}

/**
 * Finds the device of a call among all devices of the host, whatever its name. They are listed once, when a device is
 * first searched that has not the kernel's name. Those with the kernel's names of other guests' devices are these guests':
 * there may be thousands, and most offlines search a device that is gone.
 * @param system the way to sysfs
 */
export function deviceFinder(system: System): DeviceFinder {
  let known: { readonly byAlias: Map<string, string>; readonly byBackend: Map<string, string> } | undefined;
  return ({ device, type, domid, devid }) => {
    if (deviceExists(system, device)) return device;
    known ??= indexDevices(system);
    const backend = type === 'vif' ? known.byBackend.get(backendOf(domid, devid)) : undefined;
    return known.byAlias.get(aliasOf(device)) ?? backend;
  };
}

/**
 * Whether this host has a device, given by the kernel's name, whatever its present name.
 * @param system the way to sysfs
 */
export function hereFinder(system: System): (device: string) => boolean {
  const find = deviceFinder(system);
  return (device) =>
    deviceExists(system, device) || (isGuestDevice(device) && find(deviceCall(device)) !== undefined);
}

/**
 * The call that ends the use of a device, as far as its name tells.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 * @throws RequestError when it is no such name
 */
export function deviceCall(device: string): VifCall {
  return device.endsWith(TAP_SUFFIX)
    ? parseVifCall('remove', { INTERFACE: device, type_if: 'tap' })
    : parseVifCall('offline', { vif: device });
}

function indexDevices(system: System): { byAlias: Map<string, string>; byBackend: Map<string, string> } {
  const names = listDevices(system).filter((name) => !isGuestDevice(name));
  const owned = names.map((name) => ({ name, ...readOwner(system, name) }));
  return {
    byAlias: new Map(owned.map(({ name, alias }) => [alias, name])),
    byBackend: new Map(
      owned.flatMap(({ name, backend }) => (backend === undefined ? [] : [[backend, name]])),
    ),
  };
}

/** The name of netback's device on the Xen bus. */
function backendOf(domid: number, devid: number): string {
  return `vif-${domid}-${devid}`;
}

/**
 * A real vif is recognised by its backend on the Xen bus, any other device by the alias that we gave it
 * (docs/contract.md, "vif hooks").
 */
function isThisVif(owner: Owner, call: VifCall): boolean {
  if (owner.alias === aliasOf(call.device)) return true;
  return call.type === 'vif' && owner.backend === backendOf(call.domid, call.devid);
}

/**
 * Waits up to three seconds until the device of a call exists under one of its names.
 * @param system the way to the host
 * @param call the call
 * @param rename the wanted name, if a vifname is set
 * @throws HostError when it does not come
 */
export async function awaitVif(
  system: System,
  call: VifCall,
  rename: VifSettings['rename'],
): Promise<PresentVif> {
  const waitMs = within(DEVICE_WAIT_MS);
  for (let waited = 0; ; waited += DEVICE_POLL_MS) {
    const state = observeVif(system, call, rename);
    if (state.port !== undefined) return { ...state, port: state.port };
    if (waited >= waitMs) break;
    await system.sleep(DEVICE_POLL_MS);
  }
  const other = rename === undefined ? '' : `, nor is ${rename.name} this guest's`;
  throw new HostError(
    `There is no device ${call.device} after ${waitText(DEVICE_WAIT_MS, waitMs)}${other}. Look in dmesg whether the netback driver made it ` +
      '(modprobe xen-netback), and whether the guest is still alive.',
  );
}

/** All devices, of which there may be thousands, are only listed for a guest that names no bridge. */
function namedBridge(system: System, wanted: string | undefined): Bridge | undefined {
  const names = wanted === undefined ? listBridges(system).slice(0, 1) : [wanted];
  const old = /^xenbr(.*)$/.exec(wanted ?? '');
  if (old !== null && !deviceExists(system, wanted ?? '')) names.push(`eth${old[1]}`);
  const name = names.find((each) => isBridge(system, each));
  return name === undefined ? undefined : readBridge(system, name);
}

/**
 * The bridge that a guest joins (docs/contract.md, "vif-bridge online"): the one it names; ethN where an old
 * configuration says xenbrN; otherwise the host's first.
 * @param system the way to sysfs
 * @param wanted the bridge from xenstore or the arguments
 * @throws HostError naming the present bridges
 */
export function findBridge(system: System, wanted: string | undefined): Bridge {
  const bridge = namedBridge(system, wanted);
  if (bridge !== undefined) return bridge;
  const bridges = listBridges(system);
  const there =
    bridges.length === 0 ? 'This host has no bridge' : `The bridges of this host are ${bridges.join(', ')}`;
  if (wanted === undefined) {
    throw new HostError(
      `${there} and the guest names none. Run "network-bridge start" or make one, then start the guest again.`,
    );
  }
  const classic = readLink(system, `p${wanted}`)?.master;
  if (classic !== undefined && deviceExists(system, wanted))
    throw new HostError(
      `The device ${wanted} is no bridge: its card is on the bridge ${classic}. Say bridge=${classic} in the guest's configuration, ` +
        `or start network-bridge with topology=rename, where ${wanted} is the bridge.`,
    );
  const what = deviceExists(system, wanted) ? 'is a device but no bridge' : 'does not exist';
  throw new HostError(
    `The bridge ${wanted} ${what}. ${there}. Make it (network-bridge start bridge=${wanted}) or correct the guest's bridge=.`,
  );
}
