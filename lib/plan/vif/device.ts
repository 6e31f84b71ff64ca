import { HostError } from '../../errors.ts';
import type { Link, Port } from '../../observe/host/port.ts';
import type { VifRecord } from '../../observe/records.ts';
import type { VifState } from '../../observe/vif/vif.ts';
import { aliasOf } from '../../request/names.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import { type DeviceMark, ip, type Refusable, record, type Step } from '../step.ts';

/**
 * The MAC address of ports: the highest there is, since a bridge takes the lowest of its ports' addresses (IEEE
 * 802.1D).
 */
export const PORT_MAC = 'fe:ff:ff:ff:ff:ff';

/**
 * A step of one `ip` command on a guest's device.
 * @param port the present device
 * @param name its name after the step
 * @param why the reason, to which the name is added
 * @param args the words of the command
 * @param undo the words of the undo; empty when the undo of an earlier step covers it
 */
export function deviceStep(
  port: Port,
  name: string,
  why: string,
  args: readonly string[],
  undo: readonly string[],
): Step {
  return {
    do: ip(...args),
    undo: undo.length === 0 ? [] : [ip(...undo)],
    why: `${why} ${name}`,
    device: markOf(port, name),
  };
}

/**
 * The mark of the device in a step.
 * @param port the present device
 * @param name its name after the step
 */
export function markOf(port: Port, name: string): DeviceMark {
  return { name, index: port.index };
}

/**
 * The words of `ip link set dev NAME …`.
 * @param name the device's name
 * @param rest the words that follow the name
 */
export function setLink(name: string, ...rest: string[]): string[] {
  return ['link', 'set', 'dev', name, ...rest];
}

/**
 * Takes a device down, which a rename and most changes of a port require.
 * @param port the present device
 */
export function downStep(port: Port): Step {
  return deviceStep(
    port,
    port.name,
    'take down',
    setLink(port.name, 'down'),
    port.up ? setLink(port.name, 'up') : [],
  );
}

/**
 * Gives its vifname to a device that is down, marks its owner, and adds the full name as altname where it had to be cut
 * (docs/contract.md, "vifname"). No step where the device has the name already.
 * @param port the present device
 * @param target the wanted name
 * @param call the call, which names the device
 * @param rename the vifname, if one is set
 */
export function nameSteps(port: Port, target: string, call: VifCall, rename: VifSettings['rename']): Step[] {
  if (target === port.name) return [];
  const steps = [
    deviceStep(
      port,
      target,
      `rename ${port.name} to`,
      setLink(port.name, 'name', target),
      setLink(target, 'name', port.name),
    ),
    deviceStep(
      port,
      target,
      'mark the owner of',
      setLink(target, 'alias', aliasOf(call.device)),
      setLink(target, 'alias', port.alias),
    ),
  ];
  if (rename?.altname === undefined) return steps;
  const altname = rename.altname;
  const property = (verb: string) => ['link', 'property', verb, 'dev', target, 'altname', altname];
  return [...steps, deviceStep(port, target, 'keep the full name of', property('add'), property('del'))];
}

/**
 * How many of a plan's steps are done once the device has its name.
 * @param steps the plan's steps
 * @returns 0 where it keeps its name
 */
export function stepsToName(steps: readonly Step[]): number {
  const isNaming = ({ do: command }: Step) =>
    command.tool === 'ip' &&
    (command.args[4] === 'name' || command.args[4] === 'alias' || command.args[1] === 'property');
  return steps.map(isNaming).lastIndexOf(true) + 1;
}

/**
 * Sets a device's MTU.
 * @param port the present device
 * @param name its name at that time
 * @param mtu bytes
 */
export function mtuStep(port: Port, name: string, mtu: number): Step {
  const set = (bytes: number) => setLink(name, 'mtu', `${bytes}`);
  return { ...deviceStep(port, name, `set the MTU ${mtu} of`, set(mtu), set(port.mtu)), mayRefuse: 'mtu' };
}

/**
 * Gives a device the MAC address of ports.
 * @param port the present device
 * @param name its name at that time
 */
export function addressStep(port: Port, name: string): Step {
  const set = (address: string) => setLink(name, 'address', address);
  const step = deviceStep(port, name, 'give the MAC address of a port to', set(PORT_MAC), set(port.address));
  return { ...step, mayRefuse: 'address' };
}

/**
 * The device as if it had accepted the settings that it refused, to compare the rest with what was wanted.
 * @param port the present device
 * @param refused the settings that it refused
 * @param mtu the wanted MTU in bytes; undefined for its own
 */
export function butRefused(port: Link, refused: ReadonlySet<Refusable>, mtu: number | undefined): Link {
  return {
    ...port,
    mtu: refused.has('mtu') ? (mtu ?? port.mtu) : port.mtu,
    address: refused.has('address') ? PORT_MAC : port.address,
  };
}

/**
 * Checks that no other device has the wanted name.
 * @param state the present device
 * @param device the kernel's name of it
 * @param target the wanted name
 * @throws HostError naming both devices when another device has the name
 */
export function mustBeFree(state: VifState, device: string, target: string): void {
  if (state.conflicting === undefined) return;
  throw new HostError(
    `${device} cannot take the name ${target}: another device has it already and is left alone. ` +
      `Give this guest another vifname, or shut down the guest that uses ${target}.`,
  );
}

/**
 * The warning about a vifname that had to be cut; empty otherwise.
 * @param device the kernel's name of the device
 * @param rename the vifname, if one is set
 */
export function nameWarnings(device: string, rename: VifSettings['rename']): string[] {
  if (rename?.altname === undefined) return [];
  const { name, altname } = rename;
  return [
    `${device}: the vifname ${altname} is longer than the kernel allows, so the device is called ${name} and ${altname} is kept as its altname.`,
  ];
}

/**
 * Writes a device's record, for the next online and for offline.
 * @param path the record's path
 * @param before the present record
 * @param saved the new record
 */
export function recordStep(path: string, before: VifRecord | undefined, saved: VifRecord): Step {
  return {
    do: record(path, JSON.stringify(saved)),
    undo: [record(path, before === undefined ? undefined : JSON.stringify(before))],
    why: `record what ${saved.name} got`,
  };
}

/**
 * Removes a device's record; no step where there is none.
 * @param path the record's path
 * @param before the present record
 * @param name the device's name
 */
export function forgetSteps(path: string, before: VifRecord | undefined, name: string): Step[] {
  if (before === undefined) return [];
  return [
    {
      do: record(path, undefined),
      undo: [record(path, JSON.stringify(before))],
      why: `remove the record of ${name}`,
    },
  ];
}
