import { HostError } from '../../errors.ts';
import type { System } from '../../system/system.ts';
import type { HostState, Link } from '../host/host.ts';
import { rootServers } from './uplink.ts';

/**
 * Refuses to bridge the card through which the root file system comes (docs/contract.md, "network-bridge start"): while
 * that card is renamed, the system could not even read the program that renames it back.
 * @param system the way to ip and to the mounts
 * @param state the host
 * @param link the card to bridge
 * @param named whether the administrator named it
 * @returns the card, or another usable one where none was named
 * @throws HostError when the root file system needs this card
 */
export function refuseNetworkRoot(system: System, state: HostState, link: Link, named: boolean): Link {
  const servers = rootServers(system);
  const needed = servers.filter((server) => server === '' || deviceTo(system, server) === link.name);
  if (needed.length === 0) return link;
  const other = state.links.find(
    (candidate) => candidate.name !== link.name && isSpareCard(system, candidate),
  );
  if (
    !named &&
    other !== undefined &&
    servers.every((server) => server !== '' && deviceTo(system, server) !== other.name)
  )
    return other;
  throw new HostError(
    `The root file system of this host comes over the network${needed[0] === '' ? '' : ` from ${needed[0]}`} through ${link.name}, ` +
      'which would be cut off while it is bridged. Name another card by netdev=, or bridge this one in the initial ramdisk.',
  );
}

function deviceTo(system: System, address: string): string | undefined {
  return / dev (\S+)/.exec(system.run(['ip', 'route', 'get', address]).stdout)?.[1];
}

function isSpareCard(system: System, link: Link): boolean {
  return (
    link.type === 'ether' && link.master === undefined && system.exists(`/sys/class/net/${link.name}/device`)
  );
}
