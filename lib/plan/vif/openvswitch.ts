import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import type { Link, Port } from '../../observe/host/port.ts';
import type { PresentVif, VifState } from '../../observe/vif/vif.ts';
import type { OvsTarget } from '../../request/openvswitch.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import { replaceForwardRules } from '../filter/rules.ts';
import type { Command, Plan, Step } from '../step.ts';
import { ignoreRouterSteps } from '../unheard.ts';
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
  recordStep,
  setLink,
} from './device.ts';

/** What a guest's device needs to join an Open vSwitch bridge. */
export interface SwitchRequest {
  readonly call: VifCall;
  readonly rename: VifSettings['rename'];
  readonly target: OvsTarget;
  /** Bytes; undefined leaves the device its own. */
  readonly mtu: number | undefined;
  /** The device's settings for router advertisements and redirects (`routerSettingPaths` of its present name). */
  readonly heard: Readonly<Record<string, string | undefined>>;
  /** The interface's external_ids, which a controller reads, in order. */
  readonly ids: readonly (readonly [key: string, value: string])[];
  /** The switch has really taken the device: a port with its name in the database may be left from a dead guest. */
  readonly isPort: boolean;
  readonly recordPath: string;
}

/** Less than the 40 s after which xl kills a hook. */
const OVS_VSCTL = ['ovs-vsctl', '--timeout=30'];

/**
 * The steps that make a guest's device a port of an Open vSwitch bridge (docs/contract.md, "vif-openvswitch online").
 * @param state the present device
 * @param request what it is to get
 * @throws HostError when another device has the wanted name
 */
export function planSwitchJoin(state: PresentVif, request: SwitchRequest): Plan {
  const { call, rename, target } = request;
  const { port, record } = state;
  const name = rename?.name ?? port.name;
  mustBeFree(state, call.device, name);
  const words = portWords(name, request);
  // If the undo restored a dead guest's port, every further attempt would fail.
  const before = request.isPort ? record?.switchPort : undefined;
  // Where the switch refuses to move it from one bridge to another, it is on the former one yet.
  const from = before === undefined || record?.bridge === target.bridge ? target.bridge : undefined;
  const join: Step = {
    do: vsctl(name, words),
    undo: [vsctl(name, before ?? [], { from })],
    why: `add to the switch ${target.bridge} the device ${name}`,
    device: markOf(port, name),
  };
  return {
    warnings: nameWarnings(call.device, rename),
    steps: [
      ...(isReady(port, name, request.mtu)
        ? ignoreRouterSteps(markOf(port, name), request.heard, port.name)
        : deviceSteps(port, name, request)),
      join,
      recordStep(request.recordPath, record, {
        name,
        bridge: target.bridge,
        rules: NO_RULES,
        switchPort: words,
      }),
    ],
  };
}

/**
 * Whether a device has everything that a switch's port needs, so that a repeated online need not take it down.
 * @param port the present device
 * @param name the wanted name
 * @param mtu the wanted MTU in bytes; undefined for any
 */
export function isReady(port: Link, name: string, mtu: number | undefined): boolean {
  return port.name === name && port.up && port.address === PORT_MAC && (mtu ?? port.mtu) === port.mtu;
}

function deviceSteps(port: Port, name: string, { call, rename, mtu, heard }: SwitchRequest): Step[] {
  return [
    downStep(port),
    ...nameSteps(port, name, call, rename),
    addressStep(port, name),
    deviceStep(port, name, 'take all addresses from', ['address', 'flush', 'dev', name], []),
    ...(mtu === undefined ? [] : [mtuStep(port, name, mtu)]),
    // This host receives the device's packets until the switch takes it, and also after that from a switch in user space.
    ...ignoreRouterSteps(markOf(port, name), heard, port.name),
    deviceStep(port, name, 'bring up', setLink(name, 'up'), setLink(name, 'down')),
  ];
}

/**
 * One transaction that replaces the port of that name; without words it removes the port. An undo names the bridge that the
 * port was to be on: ovs-vsctl then refuses to take it from another one, to which somebody moved it meanwhile.
 */
function vsctl(
  name: string,
  words: readonly string[],
  { from, options = [] }: { readonly from?: string | undefined; readonly options?: readonly string[] } = {},
): Command {
  const removal = ['--', '--if-exists', 'del-port', ...(from === undefined ? [] : [from]), name];
  return { tool: 'run', argv: [...OVS_VSCTL, ...options, ...removal, ...words] };
}

/**
 * Where a port has a tag and trunks, the tag is the VLAN of untagged frames; without a mode the switch would ignore the
 * trunks.
 */
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

/**
 * The trunks that a port was given.
 * @param words the words of ovs-vsctl that made it, from its record
 */
export function trunksIn(words: readonly string[]): number[] {
  const [, list = ''] =
    /^trunks=([\d,]+)$/.exec(words.find((word) => word.startsWith('trunks=')) ?? '') ?? [];
  return list === '' ? [] : list.split(',').map(Number);
}

/** A string in the form of ovs-vsctl(8) and OVSDB: JSON without NUL, which they refuse. */
function ovsString(value: string): string {
  return JSON.stringify(value.replaceAll('\0', ''));
}

/**
 * The steps that remove a guest's device from its switch (docs/contract.md, "vif-openvswitch offline"). What is gone
 * already needs no step.
 * @param state the present device
 * @param name its name, or the name that it had
 * @param rules its present FORWARD rules, from another hook
 * @param recordPath its record's path
 * @param leave how to remove the switch's port. `none`: not at all, because another device has the name and the port
 * now, or no database answers. `unheard`: without waiting for the switch's daemon, which does not run
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
    do: vsctl(name, [], { options: leave === 'unheard' ? ['--no-wait'] : [] }),
    undo: [vsctl(name, record?.switchPort ?? [], { from: record?.bridge })],
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
