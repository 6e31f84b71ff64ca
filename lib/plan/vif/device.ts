import { HostError } from '../../errors.ts';
import type { Port } from '../../observe/host/port.ts';
import type { VifRecord } from '../../observe/records.ts';
import type { VifState } from '../../observe/vif/vif.ts';
import { aliasOf } from '../../request/names.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import { type DeviceMark, ip, type Refusable, record, type Step } from '../step.ts';

/** A port's address is the highest there is, so that no bridge takes it for its own (IEEE 802.1D takes the lowest). */
export const PORT_MAC = 'fe:ff:ff:ff:ff:ff';

/**
 * One `ip` command on a guest's device.
 * @param port the device as it is
 * @param name what it is called once the step is done
 * @param why the reason, to which the name is added
 * @param args the command's words
 * @param undo the words of what takes it back; empty when an earlier step's undo does
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
 * The device that a step speaks of.
 * @param port the device as it is
 * @param name what it is called once the step is done
 */
export function markOf(port: Port, name: string): DeviceMark {
  return { name, index: port.index };
}

/**
 * The words of `ip link set dev NAME …`.
 * @param name the device's name
 * @param rest what is set
 */
export function setLink(name: string, ...rest: string[]): string[] {
  return ['link', 'set', 'dev', name, ...rest];
}

/**
 * Takes a device down, as a rename and most changes of a port need.
 * @param port the device as it is
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
 * Gives a device that is down its vifname, marks whose it is and keeps a name that was cut (docs/contract.md,
 * "vifname"); nothing where it has the name already.
 * @param port the device as it is
 * @param target the name that it is to have
 * @param call which device it is
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
 * Sets a device's MTU.
 * @param port the device as it is
 * @param name what it is called by then
 * @param mtu bytes
 */
export function mtuStep(port: Port, name: string, mtu: number): Step {
  const set = (bytes: number) => setLink(name, 'mtu', `${bytes}`);
  return { ...deviceStep(port, name, `set the MTU ${mtu} of`, set(mtu), set(port.mtu)), mayRefuse: 'mtu' };
}

/**
 * Gives a device the MAC address of a port.
 * @param port the device as it is
 * @param name what it is called by then
 */
export function addressStep(port: Port, name: string): Step {
  const set = (address: string) => setLink(name, 'address', address);
  const step = deviceStep(port, name, 'give the MAC address of a port to', set(PORT_MAC), set(port.address));
  return { ...step, mayRefuse: 'address' };
}

/**
 * A device as it was to become, where it differs in nothing but what it refused.
 * @param port the device as it is
 * @param refused what it refused
 * @param mtu what it was to have, in bytes; undefined for its own
 */
export function butRefused(port: Port, refused: ReadonlySet<Refusable>, mtu: number | undefined): Port {
  return {
    ...port,
    mtu: refused.has('mtu') ? (mtu ?? port.mtu) : port.mtu,
    address: refused.has('address') ? PORT_MAC : port.address,
  };
}

/**
 * Makes sure that the name which a device is to take is free.
 * @param state the device as it is
 * @param device the kernel's name of it
 * @param target the name that it is to have
 * @throws HostError naming both devices when another device has the name
 */
export function mustBeFree(state: VifState, device: string, target: string): void {
  if (state.squatter === undefined) return;
  throw new HostError(
    `${device} cannot take the name ${target}: another device has it already and is left alone. ` +
      `Give this guest another vifname, or shut down the guest that uses ${target}.`,
  );
}

/**
 * What is to be said of a vifname that had to be cut; nothing otherwise.
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
 * Writes down what a device is given, for the next online and for offline.
 * @param path where its record lies
 * @param before what lies there now
 * @param saved what is to be remembered
 */
export function rememberStep(path: string, before: VifRecord | undefined, saved: VifRecord): Step {
  return {
    do: record(path, JSON.stringify(saved)),
    undo: [record(path, before === undefined ? undefined : JSON.stringify(before))],
    why: `remember what ${saved.name} was given`,
  };
}

/**
 * Forgets what a device was given; no step where nothing is remembered.
 * @param path where its record lies
 * @param before what lies there now
 * @param name the device's name
 */
export function forgetSteps(path: string, before: VifRecord | undefined, name: string): Step[] {
  if (before === undefined) return [];
  return [
    { do: record(path, undefined), undo: [record(path, JSON.stringify(before))], why: `forget ${name}` },
  ];
}
