import type { HostState, Nexthop } from '../../observe/host/host.ts';
import { type Command, ip } from '../step.ts';
import { renamed } from './addressing.ts';

/**
 * The nexthop objects of a device and the groups that contain one of them, in an order in which they can be made.
 * @param state the host
 * @param dev the device's name
 */
export function ownNexthops({ nexthops = [] }: HostState, dev: string): Nexthop[] {
  const own = nexthops.filter(({ hop }) => hop.dev === dev);
  const ids = new Set(own.map(({ id }) => id));
  return [...own, ...nexthops.filter(({ members }) => members.some((member) => ids.has(member)))];
}

/**
 * Makes a nexthop object.
 * @param nexthop the object
 * @param from a device name in it…
 * @param to …and the name to put in its place
 */
export function nexthopCommand(nexthop: Nexthop, from: string, to: string): Command {
  const args = ['nexthop', 'add', 'id', `${nexthop.id}`, ...renamed(nexthop.words, ['dev'], from, to)];
  // An object without a gateway does not tell its family, and a batch of `ip` has one family.
  const isBare = nexthop.family === 6 && nexthop.hop.gateway === undefined;
  return isBare ? { tool: 'run', argv: ['ip', '-6', ...args] } : ip(...args);
}
