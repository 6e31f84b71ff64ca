import type { Port } from '../../observe/host/port.ts';
import { type PortVlans, type VlanSet, vlanRanges } from '../../request/vlan.ts';
import type { Command, Step } from '../step.ts';
import { markOf } from './device.ts';

/**
 * A port's VLANs, prepared for `bridge vlan`.
 * @param text the text of vlan=
 * @param vlans the VLANs that it means
 * @param defaultPvid the VLAN that the bridge gives to every port that joins it; 0 for none
 */
export function portVlans(text: string, vlans: VlanSet, defaultPvid: number): PortVlans {
  const isWanted = defaultPvid === 0 || vlans.ids.includes(defaultPvid);
  return { text, ranges: vlanRanges(vlans), defaultPvid: isWanted ? undefined : defaultPvid };
}

/**
 * The commands that give exactly these VLANs to a port that has just joined a bridge (docs/contract.md, "VLANs").
 * @param name the port's name
 * @param vlans the VLANs; undefined for the bridge's default
 */
export function vlanCommands(name: string, vlans: PortVlans | undefined): Command[] {
  if (vlans === undefined) return [];
  const vlan = (verb: string, ...words: string[]): Command => ({
    tool: 'bridge',
    args: ['vlan', verb, 'dev', name, 'vid', ...words],
  });
  return [
    ...(vlans.defaultPvid === undefined ? [] : [vlan('del', `${vlans.defaultPvid}`)]),
    ...vlans.ranges.map(({ from, to, pvid, untagged }) =>
      vlan(
        'add',
        from === to ? `${from}` : `${from}-${to}`,
        ...(pvid ? ['pvid'] : []),
        ...(untagged ? ['untagged'] : []),
      ),
    ),
  ];
}

/**
 * The same commands as steps. They need no undo: a port that leaves its bridge loses its VLANs.
 * @param port the present device
 * @param name its name at that time
 * @param vlans the VLANs; undefined for the bridge's default
 */
export function vlanSteps(port: Port, name: string, vlans: PortVlans | undefined): Step[] {
  return vlanCommands(name, vlans).map((command) => ({
    do: command,
    undo: [],
    why: `give the VLANs ${vlans?.text} to ${name}`,
    device: markOf(port, name),
  }));
}
