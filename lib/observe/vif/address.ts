import { HostError } from '../../errors.ts';
import { type Assignment, isRouted } from '../../record/assignment.ts';
import type { Family } from '../../request/addresses.ts';
import { ipv6Text } from '../../request/addresses.ts';
import type { System } from '../../system/system.ts';
import { defaultRouteDevice, type KernelRoute } from '../host/kernel-routes.ts';
import { deviceExists, readPort } from '../host/port.ts';

/** The network's device of a routed guest, and dom0's main addresses on it. */
export interface Uplink {
  readonly device: string;
  readonly index: number;
  readonly main4: string | undefined;
  readonly main6: string | undefined;
}

/**
 * Finds the network's device and its main addresses (docs/contract.md, "vif-route online").
 * @param system the way to the host
 * @param wanted the device's name, if one was given; otherwise eth0, and on a host without eth0 the default route's
 * device
 * @param families the families in which the device must have an address
 * @throws HostError when the device does not exist, is down or lacks an address
 */
export function observeUplink(
  system: System,
  wanted: string | undefined,
  families: readonly Family[],
): Uplink {
  const elsewhere = defaultRouteDevice(system);
  const name = wanted ?? (deviceExists(system, 'eth0') ? 'eth0' : (elsewhere ?? 'eth0'));
  const port = readPort(system, name);
  const other =
    elsewhere === undefined || elsewhere === name ? 'with another device' : `such as ${elsewhere}`;
  const how = `or say netdev= (gatewaydev= in xl's vif), ${other}.`;
  if (port === undefined) {
    throw new HostError(
      `The network's device ${name}, by which the guest is to be reached, does not exist. Make it, ${how}`,
    );
  }
  if (!port.up) {
    throw new HostError(
      `The network's device ${name}, by which the guest is to be reached, is down. Bring it up, ${how}`,
    );
  }
  const main4 = mainIpv4(system, name);
  const main6 = families.includes(6) ? mainIpv6(system, name) : undefined;
  for (const family of families) {
    if ((family === 4 ? main4 : main6) !== undefined) continue;
    throw new HostError(
      `The network's device ${name} has no IPv${family} address, which the guest needs as its gateway's. Give it one, ${how}`,
    );
  }
  return { device: name, index: port.index, main4, main6 };
}

/** The kernel lists primary addresses before secondary ones. */
function mainIpv4(system: System, device: string): string | undefined {
  return system.ipv4Addresses(device)[0];
}

/** The scopes global and link in /proc/net/if_inet6 (link is IPV6_ADDR_LINKLOCAL there). */
const [SCOPE_GLOBAL, SCOPE_LINK] = [0, 0x20];
/** IFA_F_TEMPORARY, DADFAILED, DEPRECATED, TENTATIVE (linux/if_addr.h) */
const UNFIT = 0x01 | 0x08 | 0x20 | 0x40;
const IFA_F_PERMANENT = 0x80;

/**
 * The preferred order: a permanent address before one with a lifetime, a global address before a unique local one (RFC
 * 4193), and a link-local address last. A gateway may have a link-local address: that is how routers are known (RFC
 * 4861).
 */
function mainIpv6(system: System, device: string): string | undefined {
  const addresses = (system.readText('/proc/net/if_inet6') ?? '').split('\n').flatMap((line) => {
    const [hex = '', , , scope = '', flags = '', name] = line.trim().split(/\s+/);
    const [bits, groups] = [Number.parseInt(flags, 16), hex.match(/.{4}/g) ?? []];
    const isLink = Number.parseInt(scope, 16) === SCOPE_LINK;
    const isUsable = isLink || Number.parseInt(scope, 16) === SCOPE_GLOBAL;
    if (name !== device || !isUsable || (bits & UNFIT) !== 0) return [];
    const rank = (isLink ? 4 : 0) + ((bits & IFA_F_PERMANENT) === 0 ? 2 : 0) + (/^f[cd]/.test(hex) ? 1 : 0);
    return [{ order: `${rank}${hex}`, text: ipv6Text(groups.map((group) => Number.parseInt(group, 16))) }];
  });
  return addresses.sort((a, b) => (a.order < b.order ? -1 : 1))[0]?.text;
}

/**
 * The parts of an earlier assignment that still exist. It runs `ip`, so it is only called where that matters.
 * @param system the way to ip
 * @param assigned the earlier assignment
 * @param routes the routes of both families
 */
export function stillAssigned(
  system: System,
  assigned: readonly Assignment[],
  routes: readonly KernelRoute[],
): Assignment[] {
  const ask = (...args: string[]) =>
    system.run(['ip', '-o', ...args], { isListing: true }).stdout.split(/\s+/);
  const isThere = (item: Assignment): boolean => {
    if (item.kind === 'route') return isRouted(routes, item);
    if (item.kind === 'address') return ask('address', 'show', 'dev', item.device).includes(item.prefix);
    return ask('-6', 'neigh', 'show', 'proxy', 'dev', item.device).includes(item.address);
  };
  return assigned.filter(isThere);
}
