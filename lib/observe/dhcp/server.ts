import { parseResolver, type Resolver } from '../../request/dhcp.ts';
import type { System } from '../../system/system.ts';
import { deviceExists } from '../host/port.ts';
import type { Service } from '../host/service.ts';
import { readVifRecord } from '../records.ts';

/** What is the same for both servers. */
export interface ServerState {
  readonly service: Service;
  /** Whether it runs now. */
  readonly running: boolean;
  /** Somebody asked for DHCP by name: then it is an error when it cannot be had. */
  readonly demanded: boolean;
  readonly resolver: Resolver;
}

/** What does not depend on the server. */
export type Shared = Pick<ServerState, 'demanded' | 'resolver'>;

/**
 * The name servers of this host; behind systemd-resolved they are not in the usual file.
 * @param system the way to the files
 */
export function readResolver(system: System): Resolver {
  const usual = parseResolver(system.readText('/etc/resolv.conf') ?? '');
  if (usual.servers.length > 0) return usual;
  const behind = parseResolver(system.readText('/run/systemd/resolve/resolv.conf') ?? '');
  return { domain: usual.domain ?? behind.domain, servers: behind.servers };
}

/**
 * Neither its device nor what that was renamed to is there, or the guest that has the number now has no entry. An online under
 * way has no record yet.
 * @param system the way to the devices and records
 * @param name the entry's, dom1 or dom1-2
 */
export function isGone(system: System, name: string): boolean {
  const [, domid, number = '1'] = /^dom(\d+)(?:-(\d+))?$/.exec(name) ?? [];
  if (domid === undefined) return false;
  const device = `vif${domid}.${Number(number) - 1}`;
  const record = readVifRecord(system, device);
  if (deviceExists(system, device)) return record !== undefined && record.lease === undefined;
  return record === undefined || !deviceExists(system, record.name);
}
