import { HostError } from '../../errors.ts';
import { type VlanRange, type VlanSet, vlanRanges } from '../../request/vlan.ts';
import type { System } from '../../system/system.ts';
import { isRecord, jsonList } from '../../wire/json.ts';

/**
 * The VLAN that a bridge gives to every port that joins it. Checks first that the bridge filters VLANs
 * (docs/contract.md, "VLANs").
 * @param system the way to sysfs
 * @param bridge the bridge's name
 * @returns 0 where the bridge gives none
 * @throws HostError saying how to turn VLAN filtering on
 */
export function defaultPvid(system: System, bridge: string): number {
  const read = (file: string) => system.readText(`/sys/class/net/${bridge}/bridge/${file}`);
  const filtering = read('vlan_filtering');
  if (filtering === undefined) {
    throw new HostError(
      `vlan= cannot be kept: this kernel has no VLAN filtering for the bridge ${bridge} (CONFIG_BRIDGE_VLAN_FILTERING). ` +
        'Leave vlan= out, or use another kernel or Open vSwitch.',
    );
  }
  if (filtering === '0') {
    throw new HostError(
      `vlan= cannot be kept: VLAN filtering is off on the bridge ${bridge}. Turn it on with "ip link set dev ${bridge} ` +
        'type bridge vlan_filtering 1", and give its network card the VLANs with "bridge vlan add dev CARD vid ID".',
    );
  }
  return Number(read('default_pvid') ?? 1);
}

/**
 * Whether a port has exactly these VLANs.
 * @param system the way to bridge(8)
 * @param port the port's name
 * @param wanted the VLANs
 */
export function hasVlans(system: System, port: string, wanted: readonly VlanRange[]): boolean {
  const { stdout } = system.run(['bridge', '-j', 'vlan', 'show', 'dev', port], { isListing: true });
  return JSON.stringify(parseVlanListing(stdout)) === JSON.stringify(wanted);
}

/**
 * Reads a port's VLANs from `bridge -j vlan show dev PORT`.
 * @param text the output
 * @returns empty for any other text
 */
export function parseVlanListing(text: string): VlanRange[] {
  const [first = []] = parseVlanListings(text).values();
  return first;
}

/**
 * Reads the VLANs of several ports, by the ports' names, from `bridge -j vlan show`.
 * @param text the output
 * @returns empty for any other text
 */
export function parseVlanListings(text: string): Map<string, VlanRange[]> {
  const ports = jsonList(text).map(({ ifname, vlans }) => {
    const entries = Array.isArray(vlans) ? vlans.filter(isRecord) : [];
    return [String(ifname), rangesOf(entries)] as const;
  });
  return new Map(ports);
}

function rangesOf(entries: readonly Record<string, unknown>[]): VlanRange[] {
  const ids: number[] = [];
  const untagged = new Set<number>();
  let pvid = 0;
  for (const entry of entries) {
    const from = Number(entry['vlan']);
    const flags = Array.isArray(entry['flags']) ? entry['flags'] : [];
    for (let id = from; id <= Number(entry['vlanEnd'] ?? from); id++) {
      ids.push(id);
      if (flags.includes('Egress Untagged')) untagged.add(id);
    }
    if (flags.includes('PVID')) pvid = from;
  }
  const vlans: VlanSet = { pvid, untagged, ids: ids.sort((a, b) => a - b) };
  return vlanRanges(vlans);
}
