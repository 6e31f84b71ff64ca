import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import type { Values } from './arguments.ts';
import { deviceName } from './names.ts';
import { parseVifSettings, type VifCall, type VifSettings } from './vif.ts';
import type { VlanRange } from './vlan.ts';

/** The Open vSwitch bridge for a guest's device, and the port's VLANs. */
export interface OvsTarget {
  readonly bridge: string;
  /** The VLAN of untagged frames, 0-4095 (the range of Open vSwitch). */
  readonly tag: number | undefined;
  /** The VLANs of tagged frames. */
  readonly trunks: readonly number[];
}

const FORM = /^([^.:]+)(?:\.(\d{1,9}))?((?::\d{1,9})*)$/;
const LARGEST_VLAN = 4095;

/**
 * Reads vif-openvswitch's `bridge`: NAME[.TAG][:TRUNK[:TRUNK…]] (docs/contract.md, "vif-openvswitch online").
 * @param value such as "ovsbr0", "ovsbr0.10" or "ovsbr0.10:20:30"
 * @throws RequestError when the value has another form or a VLAN over 4095
 */
export function parseOvsBridge(value: string): OvsTarget {
  const found = FORM.exec(value);
  if (found === null) {
    throw new RequestError(
      `bridge is ${quote(value)}; for Open vSwitch say NAME, NAME.TAG, NAME:TRUNK:TRUNK or NAME.TAG:TRUNK, with VLAN numbers.`,
    );
  }
  const [, name = '', tag, trunks = ''] = found;
  return {
    bridge: deviceName(name, 'bridge'),
    tag: tag === undefined ? undefined : vlanId(tag, value),
    trunks: trunks
      .split(':')
      .slice(1)
      .map((trunk) => vlanId(trunk, value)),
  };
}

/**
 * The VLANs whose tag a guest may use on its port.
 * @param trunks the port's trunks, of which 0 stands for untagged frames
 */
export function trunkRanges(trunks: readonly number[]): Pick<VlanRange, 'from' | 'to'>[] {
  return trunks.filter((vlan) => vlan > 0).map((vlan) => ({ from: vlan, to: vlan }));
}

/**
 * Checks the settings of a guest's NIC on a switch, but for `bridge`, which has VLANs after the name: only
 * parseOvsBridge reads it.
 * @param call the call that the settings belong to
 * @param given environment and arguments, merged
 * @param stored the values in xenstore, by key
 * @throws RequestError naming the first value that cannot be used
 */
export function switchSettings(
  call: VifCall,
  given: Values,
  stored: Readonly<Record<string, string | undefined>>,
): VifSettings {
  return parseVifSettings(call, { ...given, bridge: '' }, { ...stored, bridge: undefined });
}

function vlanId(text: string, value: string): number {
  const id = Number(text);
  if (id <= LARGEST_VLAN) return id;
  throw new RequestError(`bridge is ${quote(value)}; ${text} is no VLAN, the largest is ${LARGEST_VLAN}.`);
}
