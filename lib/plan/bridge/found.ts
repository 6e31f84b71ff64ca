import { HostError } from '../../errors.ts';
import type { BridgeRecord } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import { PORT_MAC } from '../vif/device.ts';

/** The present parts of a bridged card. */
export interface Parts {
  /** The card, under whatever name. */
  readonly nic: Link;
  /** undefined where it was deleted, or another device has its name. */
  readonly bridge: Link | undefined;
  /** The device with the host's addresses; undefined where it was deleted. */
  readonly top: Link | undefined;
}

/**
 * Finds the parts that start made: the card by its index, the others by name and kind, since the administrator or a
 * network manager may have deleted, renamed or remade any of them.
 * @param state the host
 * @param record the bridge's record
 * @throws HostError where the card is now in another bridge, or another device has its name
 */
export function findParts(state: HostState, record: BridgeRecord): Parts {
  const { netdev, topology } = record;
  const nic = state.links.find(({ index }) => index === record.nicIndex);
  if (nic === undefined) throw new HostError(`The card of ${record.bridge}, ${record.nic}, is gone.`);
  const bridge = bridgeOf(state, record, nic);
  if (nic.master !== undefined && nic.master !== bridge?.name)
    throw new HostError(
      `${nic.name} was taken out of ${record.bridge} and belongs to ${nic.master} by now. ` +
        `Take it out of that ("ip link set dev ${nic.name} nomaster"), then run "network-bridge stop" again.`,
    );
  const top = topology === 'classic' ? pairOf(state, record, bridge) : bridge;
  const conflicting = state.links.find(({ name }) => name === netdev);
  if (topology !== 'plain' && conflicting !== undefined && conflicting !== nic && conflicting !== top)
    throw new HostError(
      `${nic.name} cannot have its name ${netdev} back: another device has it. Rename or remove that one, then stop again.`,
    );
  return { nic, bridge, top };
}

/** A bridge that was deleted and remade has another MAC address than start gave it, unless the card was put into it. */
function bridgeOf(state: HostState, record: BridgeRecord, nic: Link): Link | undefined {
  const found = state.links.find(({ name, kind }) => name === record.bridge && kind === 'bridge');
  if (found === undefined) return renamedBridge(state, record, nic);
  if (found.index === nic.index) return undefined;
  const given = record.topology === 'classic' ? PORT_MAC : record.mac;
  const isSame = nic.master === found.name || found.mac === given || !record.madeBridge;
  const holdsPair = state.links.some(({ name, master }) => master === found.name && /^vif0\.\d+$/.test(name));
  return isSame || holdsPair ? found : undefined;
}

/**
 * The bridge of a start under another name. It has the card and, in the classic topology, the host's own port; in the
 * others it has the MAC address that start chose for it, while one that somebody made has a MAC address of its own, or
 * the kernel takes the card's.
 */
function renamedBridge(state: HostState, record: BridgeRecord, nic: Link): Link | undefined {
  const { links } = state;
  const holder = links.find(({ name, kind }) => name === nic.master && kind === 'bridge');
  if (holder === undefined) return undefined;
  if (record.topology !== 'classic')
    return record.madeBridge && holder.macChosen === true && holder.mac === record.mac ? holder : undefined;
  const peer = pairOf(state, record, holder)?.peer;
  return links.some(({ name, master }) => name === peer && master === holder.name) ? holder : undefined;
}

/** The host's end of the pair; found by its peer where it was renamed. */
function pairOf(
  { links }: HostState,
  { netdev, nicIndex }: BridgeRecord,
  bridge: Link | undefined,
): Link | undefined {
  const isPair = ({ kind, index }: Link) => kind === 'veth' && index !== nicIndex;
  const byPeer = ({ peer }: Link) =>
    /^vif0\.\d+$/.test(peer ?? '') &&
    links.some(({ name, master }) => name === peer && bridge !== undefined && master === bridge.name);
  return (
    links.find((link) => link.name === netdev && isPair(link)) ??
    links.find((link) => isPair(link) && byPeer(link))
  );
}

/**
 * Why a bridged card no longer serves the host.
 * @param state the host
 * @param record the bridge's record
 * @returns half a sentence, "the bridge xenbr0 was deleted"; undefined where the card serves the host
 * @throws HostError where the card is now in another bridge, or another device has its name
 */
export function damageOf(state: HostState, record: BridgeRecord): string | undefined {
  const { nic, bridge, top } = findParts(state, record);
  if (bridge === undefined) return `the bridge ${record.bridge} was deleted`;
  if (top === undefined) return `${record.netdev}, which had the host's addresses, was deleted`;
  const own = state.links.find(({ name }) => record.topology === 'classic' && name === top.peer);
  const out = [nic, own].find((port) => port !== undefined && port.master !== bridge.name);
  return out === undefined ? undefined : `${out.name} was taken out of ${record.bridge}`;
}

/**
 * Checks that a bridged card still serves the host.
 * @param state the host
 * @param record the bridge's record
 * @throws HostError naming what is missing and what to do
 */
export function mustBeWhole(state: HostState, record: BridgeRecord): void {
  const { bridge } = findParts(state, record);
  const wrong =
    damageOf(state, record) ??
    (bridge?.name === record.bridge ? undefined : `${record.bridge} was renamed ${bridge?.name}`);
  if (wrong === undefined) return;
  throw new HostError(
    `${record.netdev} was bridged, but ${wrong} since. Run "network-bridge stop netdev=${record.netdev}" first, which puts back what is left.`,
  );
}
