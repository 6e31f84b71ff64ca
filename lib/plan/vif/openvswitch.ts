import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import type { Port } from '../../observe/host/port.ts';
import type { PresentVif, VifState } from '../../observe/vif/vif.ts';
import type { OvsTarget } from '../../request/openvswitch.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import { replaceForwardRules } from '../filter/rules.ts';
import type { Command, Plan, Step } from '../step.ts';
import {
  addressStep,
  deviceStep,
  downStep,
  forgetSteps,
  markOf,
  mtuStep,
  mustBeFree,
  nameSteps,
  nameWarnings,
  PORT_MAC,
  rememberStep,
  setLink,
} from './device.ts';

/** What decides how a guest's device joins an Open vSwitch bridge. */
export interface SwitchRequest {
  readonly call: VifCall;
  readonly rename: VifSettings['rename'];
  readonly target: OvsTarget;
  /** Bytes; undefined leaves the device's own. */
  readonly mtu: number | undefined;
  /** What a controller reads of the interface: external_ids, in order. */
  readonly ids: readonly (readonly [key: string, value: string])[];
  /** The switch has taken the device: a port of its name that the switch knows may be a dead one's. */
  readonly isPort: boolean;
  readonly recordPath: string;
}

/** Less than the 40 s after which xl kills a hook. */
const OVS_VSCTL = ['ovs-vsctl', '--timeout=30'];

/**
 * Makes a guest's device a port of an Open vSwitch bridge (docs/contract.md, "vif-openvswitch online").
 * @param state the device as it is
 * @param request what it is to become
 * @throws HostError when the name it is to take belongs to another device
 */
export function planSwitchJoin(state: PresentVif, request: SwitchRequest): Plan {
  const { call, rename, target } = request;
  const { port, record } = state;
  const name = rename?.name ?? port.name;
  mustBeFree(state, call.device, name);
  const words = portWords(name, request);
  // To bring a dead one's port back would make every further try fail.
  const before = request.isPort ? record?.switchPort : undefined;
  const join: Step = {
    do: vsctl(name, words),
    undo: [vsctl(name, before ?? [])],
    why: `add to the switch ${target.bridge} the device ${name}`,
    device: markOf(port, name),
  };
  return {
    warnings: nameWarnings(call.device, rename),
    steps: [
      ...(isReady(port, name, request.mtu) ? [] : deviceSteps(port, name, request)),
      join,
      rememberStep(request.recordPath, record, {
        name,
        bridge: target.bridge,
        rules: NO_RULES,
        switchPort: words,
      }),
    ],
  };
}

/**
 * Whether a device is as a switch's port has to be, so that a repeated online need not take it down.
 * @param port the device as it is
 * @param name the name it is to have
 * @param mtu the MTU it is to have, in bytes; undefined for any
 */
export function isReady(port: Port, name: string, mtu: number | undefined): boolean {
  return port.name === name && port.up && port.address === PORT_MAC && (mtu ?? port.mtu) === port.mtu;
}

function deviceSteps(port: Port, name: string, { call, rename, mtu }: SwitchRequest): Step[] {
  return [
    downStep(port),
    ...nameSteps(port, name, call, rename),
    addressStep(port, name),
    deviceStep(port, name, 'take all addresses from', ['address', 'flush', 'dev', name], []),
    ...(mtu === undefined ? [] : [mtuStep(port, name, mtu)]),
    deviceStep(port, name, 'bring up', setLink(name, 'up'), setLink(name, 'down')),
  ];
}

/** One transaction: a port of that name is replaced. No words take it away. The options are ovs-vsctl's own. */
function vsctl(name: string, words: readonly string[], options: readonly string[] = []): Command {
  const removal = ['--', '--if-exists', 'del-port', name];
  return { tool: 'run', argv: [...OVS_VSCTL, ...options, ...removal, ...words] };
}

/** With both a tag and trunks the tag is that of untagged frames; without a mode the switch would ignore the trunks. */
function portWords(name: string, { target, ids }: SwitchRequest): string[] {
  const { bridge, tag, trunks } = target;
  return [
    ...['--', 'add-port', bridge, name],
    ...(tag === undefined ? [] : [`tag=${tag}`]),
    ...(trunks.length === 0 ? [] : [`trunks=${trunks.join()}`]),
    ...(tag === undefined || trunks.length === 0 ? [] : ['vlan_mode=native-untagged']),
    ...['--', 'set', 'interface', name],
    ...ids.map(([key, value]) => `external-ids:${key}=${ovsString(value)}`),
  ];
}

/** A string as ovs-vsctl(8) and OVSDB read it: JSON's, but for NUL, which they refuse. */
function ovsString(value: string): string {
  return JSON.stringify(value.replaceAll('\0', ''));
}

/**
 * Takes a guest's device off its switch (docs/contract.md, "vif-openvswitch offline"). Whatever is gone already needs
 * no step.
 * @param state the device as it is
 * @param name its name, or the one that it had
 * @param rules FORWARD rules of it that are in place, from another hook
 * @param recordPath where its record lies
 * @param leave how the switch's port goes: `none` where another device has the name by now, and the port is its, or where
 * no database answers; `unheard` where the switch's daemon would be waited for in vain
 */
export function planSwitchLeave(
  state: VifState,
  name: string,
  rules: RuleSet,
  recordPath: string,
  leave: 'heard' | 'unheard' | 'none',
): Plan {
  const { port, record } = state;
  const step: Step = {
    do: vsctl(name, [], leave === 'unheard' ? ['--no-wait'] : []),
    undo: [vsctl(name, record?.switchPort ?? [])],
    why: `take off its switch the device ${name}`,
  };
  return {
    warnings: [],
    steps: [
      ...(leave === 'none' ? [] : [step]),
      ...(port?.up === true ? [downStep(port)] : []),
      ...replaceForwardRules(name, rules, NO_RULES),
      ...forgetSteps(recordPath, record, name),
    ],
  };
}
