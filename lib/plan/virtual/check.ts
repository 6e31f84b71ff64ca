import { HostError, RequestError } from '../../errors.ts';
import type { VirtualRecord } from '../../observe/forward/virtual.ts';
import type { HostState } from '../../observe/host/host.ts';
import { type Prefix, parsePrefix, prefixText } from '../../request/addresses.ts';
import { isInside } from '../../request/dhcp.ts';
import type { VirtualRequest } from '../../request/forward.ts';
import { isGuestAlias } from '../../request/names.ts';

/** Guests' ports, on whatever bridge. */
const GUESTS = /^(vif|tap|vnet)/;

/**
 * Checks that network-virtual can make the network, before anything is changed.
 * @param state the host
 * @param request what was asked for
 * @param known the record of an earlier start
 * @param taken addresses that others on the network have, with words for their owner
 * @throws RequestError, HostError naming what prevents it and what to do
 */
export function checkVirtual(
  state: HostState,
  request: VirtualRequest,
  known: VirtualRecord | undefined,
  taken: ReadonlyMap<string, string>,
): void {
  const { bridge, form, addresses, networks } = request;
  if (addresses.length === 0 && form !== 'host-only')
    throw new RequestError(
      `${form === 'nat' ? 'masquerade' : 'brnet'} needs an address of the bridge that guests have as their gateway; say bridgeip=ADDRESS/LENGTH.`,
    );
  if (networks.some(({ length }) => length === 0))
    throw new RequestError('brnet holds every address there is, which would take the default route away.');
  if (known !== undefined && known.form !== form)
    throw new HostError(
      `${bridge} is started as a ${known.form} network already. Run "network-virtual stop bridge=${bridge}" first.`,
    );
  const wrong =
    bridgeTrouble(state, bridge, known) ??
    addressTrouble(state, request, taken) ??
    subnetTrouble(state, request) ??
    routeTrouble(state, request, known);
  if (wrong !== undefined) throw new HostError(wrong);
}

function bridgeTrouble(
  { links }: HostState,
  bridge: string,
  known: VirtualRecord | undefined,
): string | undefined {
  const link = links.find(({ name, altnames }) => name === bridge || altnames.includes(bridge));
  if (link === undefined) return undefined;
  if (link.kind !== 'bridge' || link.name !== bridge)
    return `${bridge} is a device of this host but no bridge. Name another one by bridge=.`;
  const port =
    known === undefined &&
    links.find(({ name, master, alias }) => master === bridge && !GUESTS.test(name) && !isGuestAlias(alias));
  if (port)
    return `The bridge ${bridge} serves ${port.name} already. Name another one by bridge= or vifnum=.`;
  return undefined;
}

/** With one subnet on two devices, this host or a part of its network would be unreachable. */
function subnetTrouble(
  { links }: HostState,
  { bridge, addresses, networks }: VirtualRequest,
): string | undefined {
  const subnets = addresses.map(({ subnet }) => subnet).filter((subnet) => !isLinkLocal(subnet));
  for (const wanted of [...subnets, ...networks]) {
    for (const { name, addresses: theirs } of links.filter((link) => link.name !== bridge)) {
      const other = theirs
        .map(({ local, length }) => parsePrefix(`${local}/${length}`))
        .find((subnet) => subnet !== undefined && isSame(subnet, wanted));
      if (other !== undefined)
        return `${prefixText(wanted)} holds the subnet ${prefixText(other)} of ${name}, or is part of it, so packets would go astray. Give ${bridge} another one.`;
    }
  }
  return undefined;
}

/** Every device has fe80::/64, and uses its own for packets to it. */
function isLinkLocal({ family, address }: Prefix): boolean {
  return family === 6 && /^fe[89ab]/i.test(address);
}

/** This host would answer for an address that somebody else has. */
function addressTrouble(
  { links, routes }: HostState,
  { bridge, addresses }: VirtualRequest,
  taken: ReadonlyMap<string, string>,
): string | undefined {
  for (const { address, subnet } of addresses.filter((own) => !isLinkLocal(own.subnet))) {
    const owner = links.find(
      (link) => link.name !== bridge && link.addresses.some(({ local }) => local === address),
    );
    const way = routes.find(
      ({ family, hops }) => family === subnet.family && hops.some(({ gateway }) => gateway === address),
    );
    const who =
      owner !== undefined
        ? `this host's own, on ${owner.name}`
        : way !== undefined
          ? `this host's gateway to ${way.destination === 'default' ? 'everywhere' : way.destination}`
          : taken.get(address);
    if (who !== undefined)
      return `${bridge} cannot have ${address}, which is ${who}. Give it another one by bridgeip=.`;
  }
  return undefined;
}

/** Packets for networks that this host reaches by another route would go to the bridge. */
function routeTrouble(
  { routes }: HostState,
  { bridge, addresses, networks }: VirtualRequest,
  known: VirtualRecord | undefined,
): string | undefined {
  if (known !== undefined) return undefined;
  const subnets = addresses.map(({ subnet }) => subnet).filter((subnet) => !isLinkLocal(subnet));
  for (const wanted of [...subnets, ...networks]) {
    for (const { family, table, destination, hops } of routes) {
      const range = destination === 'default' ? undefined : parsePrefix(destination);
      const [{ dev, gateway } = { dev: undefined, gateway: undefined }] = hops;
      if (range === undefined || table !== 'main' || family !== wanted.family || dev === bridge) continue;
      const inside = parsePrefix(`${range.address}/${wanted.length}`);
      if (range.length < wanted.length || inside === undefined || prefixText(inside) !== prefixText(wanted))
        continue;
      const by = gateway === undefined ? `by ${dev}` : `by ${gateway} on ${dev}`;
      return `${prefixText(wanted)} holds ${prefixText(range)}, to which this host has a route ${by}. Give ${bridge} another network.`;
    }
  }
  return undefined;
}

/** A network that merely contains a smaller one is fine: the kernel uses the more specific route. */
function isSame(theirs: Prefix, wanted: Prefix): boolean {
  if (theirs.family !== wanted.family) return false;
  if (theirs.family === 6) return prefixText(theirs) === prefixText(wanted);
  return wanted.length >= theirs.length && isInside(wanted.address, theirs);
}
