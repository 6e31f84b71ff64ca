import { HostError } from '../../errors.ts';
import { aliasOf, isGuestDevice, TAP_SUFFIX } from '../../request/names.ts';
import { parseVifCall, type VifCall, type VifSettings } from '../../request/vif.ts';
import { waitText, within } from '../../system/processes/deadline.ts';
import type { System } from '../../system/system.ts';
import {
  deviceExists,
  isBridge,
  listBridges,
  listDevices,
  type Owner,
  type Port,
  readOwner,
  readPort,
} from '../host/port.ts';
import { readVifRecord, type VifRecord } from '../records.ts';

/** How long a hook waits for the device that it is called about (udev may be early). */
const DEVICE_WAIT_MS = 3000;
const DEVICE_POLL_MS = 20;

/** What a vif hook has to know of the host before it plans. */
export interface VifState {
  /** The guest's device, under whichever of its names it has now. */
  readonly port: Port | undefined;
  /** A device of somebody else that has the name ours is to take. */
  readonly squatter: string | undefined;
  /** What an earlier online left. */
  readonly record: VifRecord | undefined;
}

/** The same, once the device is there. */
export interface PresentVif extends VifState {
  readonly port: Port;
}

/**
 * Looks for the device of a call: by the kernel's name, by its vifname, by whatever name an earlier run gave it.
 * @param system the way to the host
 * @param call which device
 * @param rename the name it is to have, if a vifname is set
 * @param find looks among all devices, of which there may be thousands
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
  if (port !== undefined) return { port, record, squatter: target?.name };
  if (target !== undefined && isThisVif(target, call)) return { port: target, record, squatter: undefined };
  const renamed = find(call);
  const other = renamed === undefined ? undefined : readPort(system, renamed);
  return { port: other, record, squatter: target?.name };
}

/**
 * Finds the device of a call among all of the host, whatever it is called; they are listed once, when that is first asked.
 * @param system the way to sysfs
 */
export function deviceFinder(system: System): (call: VifCall) => string | undefined {
  let known: { readonly byAlias: Map<string, string>; readonly byBackend: Map<string, string> } | undefined;
  return ({ device, type, domid, devid }) => {
    known ??= indexDevices(system);
    const backend = type === 'vif' ? known.byBackend.get(backendOf(domid, devid)) : undefined;
    return known.byAlias.get(aliasOf(device)) ?? backend;
  };
}

/**
 * Tells of devices, by the kernel's names of them, whether this host has them, whatever they are called by now.
 * @param system the way to sysfs
 */
export function hereFinder(system: System): (device: string) => boolean {
  const find = deviceFinder(system);
  return (device) =>
    deviceExists(system, device) || (isGuestDevice(device) && find(deviceCall(device)) !== undefined);
}

/**
 * The call that ends a device's use, as far as its name tells.
 * @param device the kernel's name of it, vif1.0 or vif1.0-emu
 * @throws RequestError when it is no such name
 */
export function deviceCall(device: string): VifCall {
  return device.endsWith(TAP_SUFFIX)
    ? parseVifCall('remove', { INTERFACE: device, type_if: 'tap' })
    : parseVifCall('offline', { vif: device });
}

function indexDevices(system: System): { byAlias: Map<string, string>; byBackend: Map<string, string> } {
  const owned = listDevices(system).map((name) => ({ name, ...readOwner(system, name) }));
  return {
    byAlias: new Map(owned.map(({ name, alias }) => [alias, name])),
    byBackend: new Map(
      owned.flatMap(({ name, backend }) => (backend === undefined ? [] : [[backend, name]])),
    ),
  };
}

/** What netback's device is called on the Xen bus. */
function backendOf(domid: number, devid: number): string {
  return `vif-${domid}-${devid}`;
}

/**
 * A real vif is known by its backend on the Xen bus, any other by the alias we gave it (docs/contract.md, "vif hooks").
 */
function isThisVif(owner: Owner, call: VifCall): boolean {
  if (owner.alias === aliasOf(call.device)) return true;
  return call.type === 'vif' && owner.backend === backendOf(call.domid, call.devid);
}

/**
 * Waits, up to three seconds, until the device of a call is there under one of its names.
 * @param system the way to the host
 * @param call which device
 * @param rename the name it is to have, if a vifname is set
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

/** Only a guest that names none makes it necessary to look at all devices, of which there may be thousands. */
function namedBridge(system: System, wanted: string | undefined): Port | undefined {
  const names = wanted === undefined ? listBridges(system).slice(0, 1) : [wanted];
  const old = /^xenbr(.*)$/.exec(wanted ?? '');
  if (old !== null && !deviceExists(system, wanted ?? '')) names.push(`eth${old[1]}`);
  const name = names.find((each) => isBridge(system, each));
  return name === undefined ? undefined : readPort(system, name);
}

/**
 * The bridge that a guest is to join (docs/contract.md, "vif-bridge online"): the one asked for, ethN where an old
 * configuration says xenbrN, else the host's first.
 * @param system the way to sysfs
 * @param wanted xenstore's or the argument's bridge
 * @throws HostError naming the bridges there are
 */
export function findBridge(system: System, wanted: string | undefined): Port {
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
  const classic = readPort(system, `p${wanted}`)?.master;
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
