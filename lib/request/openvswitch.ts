import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import { deviceName } from './names.ts';

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

function vlanId(text: string, value: string): number {
  const id = Number(text);
  if (id <= LARGEST_VLAN) return id;
  throw new RequestError(`bridge is ${quote(value)}; ${text} is no VLAN, the largest is ${LARGEST_VLAN}.`);
}
