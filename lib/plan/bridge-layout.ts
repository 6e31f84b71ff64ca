import { deviceName, isDeviceName, NAME_LENGTH } from '../contract/names.ts';
import { HostError } from '../errors.ts';
import type { HostState, Link } from '../observe/host.ts';
import type { BridgeRecord, Topology } from '../observe/uplink.ts';
import { ownAddresses } from './addressing.ts';

/** What network-bridge was asked for; undefined where nothing was said. */
export interface BridgeRequest {
  readonly netdev: string;
  readonly bridge: string | undefined;
  readonly vifnum: number | undefined;
  readonly topology: Topology | undefined;
  readonly antispoof: boolean;
}

/** The names of all parts of a bridged card (contract 4). */
export interface BridgeLayout {
  readonly topology: Topology;
  readonly netdev: string;
  /** The card's name once it is a port. */
  readonly nic: string;
  readonly bridge: string;
  /** The device that holds the host's addresses. */
  readonly top: string;
  /** classic only: the pair that stands in for the old netloop. */
  readonly veth: string;
  readonly vif0: string;
}

/** Devices that are made of others or named after them do not bear being renamed. */
const COMPOSITES = new Set(['bond', 'vlan', 'team']);

/**
 * The names that a card's bridge and its parts get (contract 4).
 * @param link the card
 * @param request what was asked for
 * @throws RequestError, HostError when a name is not legal
 */
export function layoutOf(link: Link, request: BridgeRequest): BridgeLayout {
  const { netdev } = request;
  const number = request.vifnum ?? Number(/^[A-Za-z]+(\d{1,5})$/.exec(netdev)?.[1] ?? 0);
  const composite = COMPOSITES.has(link.kind ?? '') || netdev.length >= NAME_LENGTH;
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
 * Finds the card's bridge if one is in place: by the record that start left, else by the names of its parts.
 * @param state the host
 * @param records what earlier starts left
 * @param request which card or bridge
 */
export function findBridged(
  state: HostState,
  records: readonly BridgeRecord[],
  request: Pick<BridgeRequest, 'netdev' | 'bridge'>,
): BridgeRecord | undefined {
  const alive = records.filter((record) =>
    state.links.some((link) => link.index === record.nicIndex && link.master === record.bridge),
  );
  const known = new Set(alive.map((record) => record.nicIndex));
  const candidates = [
    ...alive,
    ...state.links.filter((link) => !known.has(link.index)).flatMap((link) => unrecorded(state, link)),
  ];
  // In the plain topology the default route, and with it the default netdev, is the bridge itself.
  const matches = (record: BridgeRecord) =>
    record.netdev === request.netdev || (record.topology === 'plain' && record.bridge === request.netdev);
  return candidates.find(
    (record) => matches(record) && (request.bridge === undefined || request.bridge === record.bridge),
  );
}

/** A card named pNETDEV in a bridge, with NETDEV beside it or in its place, was put there by some network-bridge. */
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

/**
 * Makes sure that a card can be bridged as laid out, before anything is touched.
 * @param state the host
 * @param link the card
 * @param layout the names to be used
 * @throws HostError naming what is in the way and what to do
 */
export function checkLayout(state: HostState, link: Link, layout: BridgeLayout): void {
  const { netdev, bridge, topology } = layout;
  const find = (name: string) => state.links.find((other) => other.name === name);
  if (link.type !== 'ether')
    throw new HostError(
      `${netdev} is no Ethernet device (its type is ${link.type}) and cannot be bridged. Name another by netdev=, or use network-nat.`,
    );
  if (link.master !== undefined)
    throw new HostError(
      `${netdev} belongs to ${link.master} already. Name that one, or another card, by netdev=.`,
    );
  const there = find(bridge);
  if (there !== undefined && there.name !== netdev && there.kind !== 'bridge') {
    throw new HostError(`${bridge} is a device of this host but no bridge. Name another one by bridge=.`);
  }
  const other = state.links.find((port) => port.master === bridge && !/^(vif|tap|veth)/.test(port.name));
  if (there?.kind === 'bridge' && other !== undefined) {
    throw new HostError(
      `The bridge ${bridge} serves ${other.name} already. Name another one for ${netdev} by bridge= or vifnum=.`,
    );
  }
  if (topology === 'rename' && there !== undefined && there.name !== netdev) {
    throw new HostError(
      `The bridge ${bridge} is there already, and topology=rename makes its own. Name another one by bridge=, or use topology=plain.`,
    );
  }
  if (
    topology === 'plain' &&
    there !== undefined &&
    ownAddresses(there, 4).length + ownAddresses(there, 6).length > 0
  ) {
    throw new HostError(
      `The bridge ${bridge} has addresses of its own, which those of ${netdev} would mix with. Name another one by bridge=.`,
    );
  }
  const taken = [
    topology === 'plain' ? [] : [layout.nic],
    topology === 'classic' ? [layout.veth, layout.vif0] : [],
  ]
    .flat()
    .find(find);
  if (taken !== undefined) {
    throw new HostError(
      `The name ${taken}, which ${netdev} needs for its bridge, is taken by another device. Give another vifnum=, or use topology=plain.`,
    );
  }
}
