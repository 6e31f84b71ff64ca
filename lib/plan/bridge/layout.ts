import { HostError } from '../../errors.ts';
import type { BridgeRecord } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { BridgeRequest, Topology } from '../../request/bridge.ts';
import { deviceName, isDeviceName, NAME_LENGTH } from '../../request/names.ts';

/** The names of the parts of a bridged card (docs/contract.md, "network-bridge start"). */
export interface BridgeLayout {
  readonly topology: Topology;
  readonly netdev: string;
  /** The card's name as a port. */
  readonly nic: string;
  readonly bridge: string;
  /** The device with the host's addresses. */
  readonly top: string;
  /** classic only: the veth pair in place of the old netloop devices. */
  readonly veth: string;
  readonly vif0: string;
}

/** Kinds of devices that must not be renamed, because they consist of others or are named after them. */
const COMPOSITES = new Set(['bond', 'vlan', 'team']);

/**
 * The names of a card's bridge and its parts (docs/contract.md, "network-bridge start").
 * @param state the host
 * @param link the card
 * @param request what was asked for
 * @throws RequestError, HostError when a name is not legal
 */
export function layoutOf(state: HostState, link: Link, request: BridgeRequest): BridgeLayout {
  const netdev = link.name;
  const number = request.vifnum ?? Number(/^[A-Za-z]+(\d{1,5})$/.exec(netdev)?.[1] ?? 0);
  // A VLAN device goes down together with its card, and would lose its IPv6 addresses and routes.
  const carries = state.links.some((other) => other.kind === 'vlan' && other.peer === link.name);
  const composite = COMPOSITES.has(link.kind ?? '') || netdev.length >= NAME_LENGTH || carries;
  const topology = request.topology ?? (composite ? 'plain' : 'classic');
  const renamed = topology !== 'plain';
  if (renamed && !isDeviceName(`p${netdev}`)) {
    throw new HostError(
      `${netdev} has no room in its name for the "p" that topology=${topology} puts before it; use topology=plain.`,
    );
  }
  const bridge = request.bridge ?? (topology === 'rename' ? netdev : deviceName(`xenbr${number}`, 'bridge'));
  return {
    topology,
    netdev,
    bridge,
    nic: renamed ? `p${netdev}` : netdev,
    top: topology === 'classic' ? netdev : bridge,
    veth: `veth${number}`,
    vif0: `vif0.${number}`,
  };
}

/**
 * A name that no device has.
 * @param state the host
 * @param wanted the preferred name
 */
export function freeName({ links }: HostState, wanted: string): string {
  const taken = new Set(links.flatMap(({ name, altnames }) => [name, ...altnames]));
  const others = Array.from({ length: taken.size + 1 }, (_, i) => `xenold${i}`);
  return [wanted, ...others].find((name) => !taken.has(name)) ?? wanted;
}

/**
 * Finds the bridge of a card: by its record, otherwise by the names of its parts.
 * @param state the host
 * @param records the records of all bridges
 * @param netdev the card
 * @param bridge the bridge; any where it is left out
 */
export function findBridged(
  state: HostState,
  records: readonly BridgeRecord[],
  netdev: string,
  bridge?: string,
): BridgeRecord | undefined {
  const other = state.links.find(({ altnames }) => altnames.includes(netdev));
  const isMeant = (record: BridgeRecord, name: string) =>
    // In the plain topology the default route, and so the default netdev, is the bridge itself.
    record.netdev === name || (record.topology === 'plain' && record.bridge === name);
  return allBridged(state, records).find(
    (record) =>
      (isMeant(record, netdev) ||
        // An altname stays with the card, or moves to the device that takes the card's name.
        (other !== undefined && (isMeant(record, other.name) || record.nicIndex === other.index))) &&
      (bridge === undefined || bridge === record.bridge),
  );
}

/**
 * Finds the bridge that a stop means. Where netdev is set, as `findBridged`. Otherwise the bridge's name or number
 * decides; where none is given, it is the card's bridge or the only one, since the default route may be gone.
 * @param state the host
 * @param records the records of all bridges
 * @param request what was asked for
 * @param fallback the card to use when none is named
 */
export function findStarted(
  state: HostState,
  records: readonly BridgeRecord[],
  request: BridgeRequest,
  fallback: string,
): BridgeRecord | undefined {
  const { netdev, bridge, vifnum } = request;
  if (netdev !== undefined) return findBridged(state, records, netdev, bridge);
  const all = allBridged(state, records);
  const name = bridge ?? (vifnum === undefined ? undefined : `xenbr${vifnum}`);
  const usual = findBridged(state, records, fallback, bridge);
  if (name === undefined) return usual ?? (all.length === 1 ? all[0] : undefined);
  const byName = all.find((record) => record.bridge === name);
  return byName ?? (usual !== undefined && /^xenbr\d+$/.test(usual.bridge) ? undefined : usual);
}

/**
 * All present bridges, found by their records or otherwise by the names of their parts.
 * @param state the host
 * @param records the records of all bridges
 */
export function allBridged(state: HostState, records: readonly BridgeRecord[]): BridgeRecord[] {
  const alive = records.flatMap((record) => {
    const card = state.links.find((link) => link.index === record.nicIndex) ?? cardAgain(state, record);
    return card === undefined ? [] : [{ ...record, nicIndex: card.index }];
  });
  const known = new Set(alive.map((record) => record.nicIndex));
  const rest = state.links.filter((link) => !known.has(link.index));
  return [...alive, ...rest.flatMap((link) => unrecorded(state, link))];
}

/** A card whose driver was reloaded, or that was unplugged and plugged in again, is recognised by its MAC address. */
function cardAgain({ links }: HostState, { bridge, netdev, mac }: BridgeRecord): Link | undefined {
  if (!links.some(({ name, kind }) => name === bridge && kind === 'bridge')) return undefined;
  return links.find(
    (link) =>
      link.mac === mac &&
      link.master === undefined &&
      ![bridge, netdev].includes(link.name) &&
      (link.kind === undefined || link.kind === 'veth') &&
      // The host's end of the pair has the same MAC address.
      !links.some(({ name, master }) => name === link.peer && master === bridge),
  );
}

/**
 * Some network-bridge bridged a card named pNETDEV that is in a bridge, with the device NETDEV beside it or as the
 * bridge.
 */
function unrecorded(state: HostState, link: Link): BridgeRecord[] {
  const netdev = link.name.slice(1);
  const bridge = state.links.find((other) => other.name === link.master && other.kind === 'bridge');
  if (bridge === undefined || !link.name.startsWith('p') || netdev === '') return [];
  const top = state.links.find((other) => other.name === netdev);
  const peer = state.links.find((other) => other.name === top?.peer);
  const classic = top?.kind === 'veth' && peer?.master === bridge.name && /^vif0\.\d+$/.test(peer.name);
  if (!classic && top !== bridge) return [];
  const mac = top.mac;
  return [
    {
      topology: classic ? 'classic' : 'rename',
      bridge: bridge.name,
      netdev,
      nic: link.name,
      nicIndex: link.index,
      madeBridge: true,
      wasUp: true,
      hadArp: true,
      mac,
      ifupdown: false,
    },
  ];
}
