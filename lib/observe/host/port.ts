import { isGuestAlias } from '../../request/names.ts';
import type { System } from '../../system/system.ts';

const NET = '/sys/class/net';
const IFF_UP = 1;
const IFF_PROMISC = 0x100;

/** Attributes that tell to whom a device belongs. */
export interface Owner {
  readonly alias: string;
  /** The backend's name on the Xen bus, such as vif-1-0; only a real vif has one. */
  readonly backend: string | undefined;
}

/** A bridge as far as a guest that joins it needs to know it. */
export interface Bridge {
  readonly name: string;
  readonly mtu: number;
  /** Lower-case MAC address. */
  readonly address: string;
}

/** A network device as sysfs shows it, which needs no other program; a bridge is one too. */
export interface Link extends Bridge {
  readonly index: number;
  readonly up: boolean;
  /** The bridge of which it is a port, if any. */
  readonly master: string | undefined;
}

/** A network device, and to whom it belongs. */
export interface Port extends Link, Owner {}

/**
 * Reads what a guest needs to know of the bridge that it joins.
 * @param system the way to sysfs
 * @param name the bridge's name
 * @returns undefined when there is no such device
 */
export function readBridge(system: System, name: string): Bridge | undefined {
  const address = system.readText(`${NET}/${name}/address`);
  return address === undefined ? undefined : { name, mtu: readMtu(system, name), address };
}

function readMtu(system: System, name: string): number {
  return Number(system.readText(`${NET}/${name}/mtu`));
}

/**
 * Reads one device, and to whom it belongs.
 * @param system the way to sysfs
 * @param name the device's name
 * @returns undefined when there is no such device
 */
export function readPort(system: System, name: string): Port | undefined {
  const link = readLink(system, name);
  return link && { ...link, ...readOwner(system, name) };
}

/**
 * Reads one device.
 * @param system the way to sysfs
 * @param name the device's name
 * @returns undefined when there is no such device
 */
export function readLink(system: System, name: string): Link | undefined {
  const read = (file: string) => system.readText(`${NET}/${name}/${file}`);
  const index = read('ifindex');
  if (index === undefined) return undefined;
  return {
    name,
    index: Number(index),
    up: (Number(read('flags')) & IFF_UP) !== 0,
    mtu: readMtu(system, name),
    address: read('address') ?? '',
    master: baseName(system.linkTarget(`${NET}/${name}/master`)),
  };
}

/**
 * Reads the attributes that tell to whom a device belongs.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function readOwner(system: System, name: string): Owner {
  return {
    alias: system.readText(`${NET}/${name}/ifalias`) ?? '',
    backend: baseName(system.linkTarget(`${NET}/${name}/device`)),
  };
}

/**
 * Whether a device exists.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function deviceExists(system: System, name: string): boolean {
  return system.exists(`${NET}/${name}/ifindex`);
}

/**
 * Whether a device receives all packets on its link, as ports of switches and bridges do.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function isPromiscuous(system: System, name: string): boolean {
  return (Number(system.readText(`${NET}/${name}/flags`)) & IFF_PROMISC) !== 0;
}

/**
 * The names of all devices of the host.
 * @param system the way to sysfs
 */
export function listDevices(system: System): string[] {
  return system.list(NET);
}

/**
 * Whether a device is a Linux bridge.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function isBridge(system: System, name: string): boolean {
  return system.exists(`${NET}/${name}/bridge`);
}

/**
 * The host's Linux bridges, in the order in which `brctl show` lists them.
 * @param system the way to sysfs
 */
export function listBridges(system: System): string[] {
  return system.list(NET).filter((name) => isBridge(system, name));
}

/**
 * The ports of a bridge that belong to no guest: its card, and in the classic topology the host's own device.
 * @param system the way to sysfs
 * @param bridge the bridge's name
 */
export function cardPorts(system: System, bridge: string): string[] {
  return system
    .list(`${NET}/${bridge}/brif`)
    .filter((name) => !/^(vif(?!0\.)|tap)\d/.test(name))
    .filter((name) => !isGuests(system, name));
}

/**
 * Whether a device is a guest's, whatever its name: netback made it, or a hook of ours gave it its name.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function isGuests(system: System, name: string): boolean {
  const { alias, backend } = readOwner(system, name);
  return isGuestAlias(alias) || /^vif-\d+-\d+$/.test(backend ?? '');
}

function baseName(path: string | undefined): string | undefined {
  return path?.slice(path.lastIndexOf('/') + 1);
}
