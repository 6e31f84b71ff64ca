import { RequestError } from '../../errors.ts';
import { loggedElement, strictElements } from '../../filter/strict.ts';
import { hasEgressHook, readStrictRecord, type StrictRecord } from '../../observe/filter/strict.ts';
import { type Bridge, readLink } from '../../observe/host/port.ts';
import { PORT_MAC } from '../../plan/vif/device.ts';
import type { VifSettings } from '../../request/vif.ts';
import type { VlanRange } from '../../request/vlan.ts';
import type { System } from '../../system/system.ts';
import { untracksStrictly } from '../vif/bridged-rules.ts';
import { strictBridges, strictNetworks } from './strict-table.ts';

/** Where a guest's device is attached; without any of these the guest's packets are routed. */
export interface AttachedTo {
  /** The bridge that it joins. */
  readonly bridge?: Bridge;
  /** It is a port of Open vSwitch. */
  readonly isSwitched?: boolean;
  /** The VLANs whose tag the guest may use. */
  readonly vlans?: readonly Pick<VlanRange, 'from' | 'to'>[];
  /** A routed guest's packets bypass connection tracking. */
  readonly untracked?: boolean;
}

/**
 * Whether the strict filter must cover a guest's device: because of the device's own settings, or because its bridge
 * was started with antispoof=strict.
 * @param system the way to the bridges' records
 * @param settings the guest's settings
 * @param bridge the bridge's name
 */
export function wantsStrict(system: System, settings: VifSettings, bridge: string): boolean {
  if (asksForStrict(settings)) return true;
  return strictBridges(system).includes(bridge);
}

/**
 * Whether a guest's own settings ask for the strict filter; on an Open vSwitch they alone do.
 * @param settings the guest's settings
 */
export function asksForStrict({ antispoof, locking }: VifSettings): boolean {
  return antispoof === 'strict' || locking !== undefined;
}

/**
 * Whether the strict filter must cover the device of a routed guest: because of the device's own settings, or because
 * its network was started with antispoof=strict.
 * @param system the way to the shared settings
 * @param settings the guest's settings
 * @param hook the hook that attaches it, vif-route or vif-nat
 */
export function wantsStrictRouted(system: System, settings: VifSettings, hook: string): boolean {
  if (asksForStrict(settings)) return true;
  const network = `${hook.replace(/^vif/, 'network')} `;
  return strictNetworks(system).some((holder) => holder.startsWith(network));
}

/**
 * The strict filter's record for a guest's device: its elements in the strict table.
 * @param system the way to the records
 * @param device the kernel's name of the device
 * @param settings the guest's settings
 * @param ports its name once it is attached, then the names under which it may be recorded now
 * @param to where it is attached
 * @throws RequestError when the guest's MAC address is unknown, since only that tells its frames from others'
 */
export function strictRecord(
  system: System,
  device: string,
  settings: VifSettings,
  ports: readonly [string, ...string[]],
  { bridge, isSwitched = false, vlans = [], untracked = false }: AttachedTo = {},
): StrictRecord {
  const [port] = ports;
  const { mac, addresses, locking: mode = 'locked', unfit } = settings;
  if (mac === undefined) {
    throw new RequestError(
      unfit.mac ??
        `${device} has no mac in xenstore, and antispoof=strict cannot do without. Set mac= in the guest's configuration.`,
    );
  }
  const untrackedBut =
    bridge !== undefined && untracksStrictly(system, settings) ? hostMacs(system, bridge) : undefined;
  const logged = ports.some((name) => {
    const old = readStrictRecord(system, name);
    return old?.device === device && old.elements.includes(loggedElement(name, old.elements));
  });
  const place = bridge !== undefined ? 'bridged' : isSwitched ? 'switched' : 'routed';
  const isDeafByChain = mode !== 'disabled' || place !== 'routed' || hasEgressHook(system);
  const guest = { port, place, mac, addresses, mode, vlans, untrackedBut, untracked, isDeafByChain } as const;
  const elements = strictElements(guest);
  return { device, mode, elements: logged ? [...elements, loggedElement(port, elements)] : elements };
}

/**
 * The MAC addresses that the host has, or may get, on a bridge: a bridge without an address of its own takes the lowest
 * of its ports' addresses (net/bridge/br_stp_if.c).
 */
function hostMacs(system: System, bridge: Bridge): string[] {
  const others = system
    .list(`/sys/class/net/${bridge.name}/brif`)
    .filter((name) => !/^vif\d+\./.test(name))
    .map((name) => readLink(system, name)?.address ?? PORT_MAC);
  return [...new Set([bridge.address, PORT_MAC, ...others])];
}
