import type { System } from '../../system/system.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import { deviceExists } from '../host/port.ts';
import { deviceNames, readBackends } from '../vif/backends.ts';
import { deviceCall, deviceFinder } from '../vif/vif.ts';

const NET = '/sys/class/net';
/** Where a running Open vSwitch has its database's socket (ovs-vsctl(8)). */
const SWITCH_SOCKET = '/run/openvswitch/db.sock';
const SWITCH_SECONDS = 2;

/** What sysfs tells of a network card. */
export interface CardFacts {
  /** Undefined for a device without hardware. */
  readonly driver: string | undefined;
  /** Mbit/s; undefined where the driver does not say. */
  readonly speed: number | undefined;
}

/** A network card of a guest, as xenstore tells of it. */
export interface GuestCard {
  /** The guest's name; its domain's number where it has none. */
  readonly guest: string;
  readonly domid: number;
  readonly devid: number;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly bridge: string | undefined;
  readonly script: string | undefined;
  readonly hotplug: string | undefined;
  readonly error: string | undefined;
  /** Those that this host has: the kernel's name, and the name that it goes by now. */
  readonly devices: readonly { readonly device: string; readonly name: string }[];
}

/** A switch of Open vSwitch. */
export interface SwitchFacts {
  readonly name: string;
  readonly ports: readonly string[];
}

const KEYS = ['mac', 'ip', 'bridge', 'script', 'hotplug-status', 'hotplug-error'];

/**
 * The network cards of all guests.
 * @param store xenstore
 * @param system the way to sysfs
 */
export async function readGuestCards(store: Xenstore, system: System): Promise<GuestCard[]> {
  const find = deviceFinder(system);
  const cards = (await readBackends(store, KEYS)).map((backend): GuestCard => {
    const { mac = '', ip = '', bridge, script, ...told } = backend.values;
    return {
      guest: backend.guest ?? backend.domid,
      domid: Number(backend.domid),
      devid: Number(backend.devid),
      mac,
      addresses: ip.split(/[\s,]+/).filter((word) => word !== ''),
      bridge,
      script,
      hotplug: told['hotplug-status'],
      error: told['hotplug-error'],
      devices: deviceNames(backend).flatMap((device) => {
        const name = deviceExists(system, device) ? device : find(deviceCall(device));
        return name === undefined ? [] : [{ device, name }];
      }),
    };
  });
  return cards.sort((a, b) => a.domid - b.domid || a.devid - b.devid);
}

/**
 * What sysfs tells of a device as a network card.
 * @param system the way to sysfs
 * @param name the device's name
 */
export function readCard(system: System, name: string): CardFacts {
  const driver = system.linkTarget(`${NET}/${name}/device/driver`);
  const speed = Number(system.readText(`${NET}/${name}/speed`) ?? -1);
  return {
    driver: driver?.slice(driver.lastIndexOf('/') + 1),
    speed: speed > 0 ? speed : undefined,
  };
}

/**
 * Whether Open vSwitch runs.
 * @param system the way to its socket
 */
export function switchRuns(system: System): boolean {
  return system.exists(SWITCH_SOCKET);
}

/**
 * The switches of Open vSwitch; none where it does not run.
 * @param system the way to ovs-vsctl
 */
export function readSwitches(system: System): SwitchFacts[] {
  if (!switchRuns(system)) return [];
  const ask = (...words: string[]) =>
    system
      .run(['ovs-vsctl', `--timeout=${SWITCH_SECONDS}`, ...words])
      .stdout.split('\n')
      .filter((line) => line !== '');
  return ask('list-br').map((name) => ({ name, ports: ask('list-ports', name) }));
}
