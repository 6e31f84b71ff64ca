import { HostError } from '../../errors.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import { isGuestAlias } from '../../request/names.ts';
import { ownAddresses } from '../addressing/addressing.ts';
import type { BridgeLayout } from './layout.ts';

/**
 * Devices that occupy the card on which they stand: a card can have only one such use (EBUSY), and so cannot become a
 * port.
 */
const RIDERS = new Set(['macvlan', 'macvtap', 'ipvlan', 'ipvtap']);
/** Ports of guests and of the host itself, as opposed to other cards. */
const GUESTS = /^(vif|tap|veth|vnet)/;

/**
 * Finds a device by its name or one of its altnames.
 * @param state the host
 * @param name the name
 * @throws HostError naming the present devices
 */
export function linkOf(state: HostState, name: string): Link {
  const link = find(state, name);
  if (link !== undefined) return link;
  throw new HostError(`There is no device ${name}. ${otherLinks(state)}`);
}

/**
 * The uplink of a network.
 * @param state the host
 * @param name its name or an altname
 * @throws HostError if there is no such device, or it is lo
 */
export function outsideLink(state: HostState, name: string): Link {
  const link = linkOf(state, name);
  if (link.name !== 'lo') return link;
  throw new HostError(`lo leads to nobody but this host itself. ${otherLinks(state)}`);
}

function otherLinks({ links }: HostState): string {
  const names = links.map(({ name }) => name).filter((name) => name !== 'lo');
  return `The devices of this host are ${names.join(', ')}; name one by netdev=.`;
}

function find({ links }: HostState, name: string): Link | undefined {
  return links.find((link) => link.name === name) ?? links.find(({ altnames }) => altnames.includes(name));
}

/**
 * Checks that a card can be bridged with these names, before anything is changed.
 * @param state the host
 * @param link the card
 * @param layout the names of the parts
 * @throws HostError naming what prevents it and what to do
 */
export function checkLayout(state: HostState, link: Link, layout: BridgeLayout): void {
  const wrong = cardTrouble(state, link) ?? bridgeTrouble(state, link, layout) ?? nameTrouble(state, layout);
  if (wrong !== undefined) throw new HostError(wrong);
}

function cardTrouble({ links }: HostState, link: Link): string | undefined {
  const { name } = link;
  if (link.type !== 'ether')
    return `${name} is no Ethernet device (its type is ${link.type}) and cannot be bridged. Name another by netdev=, or use network-nat.`;
  if (link.master !== undefined)
    return `${name} belongs to ${link.master} already. Name that one, or another card, by netdev=.`;
  const port = links.find((other) => other.name === `p${name}`);
  const bridge = links.find((other) => other.name === port?.master && other.kind === 'bridge');
  if (bridge !== undefined)
    return `${name} is on the bridge ${bridge.name} already. Run "network-bridge stop netdev=${name}" first, or leave bridge= out.`;
  const rider = links.find((other) => RIDERS.has(other.kind ?? '') && other.peer === name);
  if (rider !== undefined)
    return `${name} carries the ${rider.kind} device ${rider.name}, and cannot be the port of a bridge beside that. Remove ${rider.name}, or name another card by netdev=.`;
  return undefined;
}

function bridgeTrouble(state: HostState, link: Link, layout: BridgeLayout): string | undefined {
  const { netdev, bridge, topology } = layout;
  if (bridge === netdev && topology !== 'rename')
    return `The bridge cannot be called ${bridge} as its card is. Name another one by bridge=, or use topology=rename.`;
  const there = find(state, bridge);
  if (there === undefined || there.index === link.index) return undefined;
  if (there.kind !== 'bridge')
    return `${bridge} is a device of this host but no bridge. Name another one by bridge=.`;
  const other = state.links.find(
    ({ name, master, kind, alias }) =>
      master === bridge && kind !== 'tun' && !GUESTS.test(name) && !isGuestAlias(alias),
  );
  if (other !== undefined)
    return `The bridge ${bridge} serves ${other.name} already. Name another one for ${netdev} by bridge= or vifnum=.`;
  if (topology === 'rename')
    return `The bridge ${bridge} is there already, and topology=rename makes its own. Name another one by bridge=, or use topology=plain.`;
  const hasAddress = ownAddresses(there, 4).length + ownAddresses(there, 6).length > 0;
  if (topology === 'plain' && hasAddress)
    return `The bridge ${bridge} has addresses of its own, which those of ${netdev} would mix with. Name another one by bridge=.`;
  return undefined;
}

function nameTrouble(state: HostState, layout: BridgeLayout): string | undefined {
  const { netdev, nic, veth, vif0, bridge, topology } = layout;
  const fresh = [...(topology === 'plain' ? [] : [nic]), ...(topology === 'classic' ? [veth, vif0] : [])];
  const taken = fresh.find((name) => find(state, name) !== undefined);
  if (taken !== undefined)
    return `The name ${taken}, which ${netdev} needs for its bridge, is taken by another device. Give another vifnum=, or use topology=plain.`;
  if (fresh.includes(bridge))
    return `The bridge cannot be called ${bridge}, a name that ${netdev} needs itself. Name another one by bridge=.`;
  return undefined;
}
