import { damagedPath, journalPath, vifRecordPath } from '../../record/paths.ts';
import { parseResolver, type Resolver } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import { readKernelRoutes } from '../host/kernel-routes.ts';
import { deviceExists } from '../host/port.ts';
import type { Service } from '../host/service.ts';
import { readVifRecord } from '../records.ts';

/** The facts that both servers share. */
export interface ServerState {
  readonly service: Service;
  /** Whether it runs now. */
  readonly running: boolean;
  /** Somebody set dhcp=, so a missing server is an error. */
  readonly demanded: boolean;
  readonly resolver: Resolver;
}

/** The part of these facts that does not depend on the server. */
export type Shared = Pick<ServerState, 'demanded' | 'resolver'>;

/**
 * The host's name servers; with systemd-resolved they are not in /etc/resolv.conf.
 * @param system the way to the files
 */
export function readResolver(system: System): Resolver {
  const usual = parseResolver(system.readText('/etc/resolv.conf') ?? '');
  if (usual.servers.length > 0) return usual;
  const behind = parseResolver(system.readText('/run/systemd/resolve/resolv.conf') ?? '');
  return { domain: usual.domain ?? behind.domain, servers: behind.servers };
}

/** A guest's entry at a server. */
export interface Entry {
  /** Its name, such as dom1 or dom1-2. */
  readonly name: string;
  /** The IPv4 address that the guest gets. */
  readonly address: string | undefined;
}

/**
 * Whether an entry's guest is gone: neither its device nor the device's new name exists, or the guest that has the
 * domain id now has no entry. A running online has no record yet, but a journal. A guest of the stock scripts
 * has neither, but the route to its address.
 * @param system the way to the devices, routes and records
 * @param entry the entry
 */
export function isGone(system: System, { name, address }: Entry): boolean {
  const [, domid, number = '1'] = /^dom(\d+)(?:-(\d+))?$/.exec(name) ?? [];
  if (domid === undefined) return false;
  const device = `vif${domid}.${Number(number) - 1}`;
  const record = readVifRecord(system, device);
  const isHere = [device, record?.name].some((each) => each !== undefined && deviceExists(system, each));
  if (record !== undefined) return !isHere || record.lease === undefined;
  if (system.exists(journalPath(device)) || system.exists(damagedPath(vifRecordPath(device)))) return false;
  return !isHere || (address !== undefined && !isRoutedTo(system, device, `${address}/32`));
}

function isRoutedTo(system: System, device: string, prefix: string): boolean {
  const routes = readKernelRoutes(system, [4], { prefixes: [prefix], devices: [device] });
  return routes.some((route) => route.device === device && route.prefix === prefix);
}
