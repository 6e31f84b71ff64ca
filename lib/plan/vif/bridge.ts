import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import type { Bridge, Link, Port } from '../../observe/host/port.ts';
import type { VifRecord } from '../../observe/records.ts';
import type { PresentVif, VifState } from '../../observe/vif/vif.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import type { PortVlans } from '../../request/vlan.ts';
import { replaceForwardRules } from '../filter/rules.ts';
import { ip, type Plan, type Step } from '../step.ts';
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
import { vlanCommands, vlanSteps } from './vlan.ts';

/** What a guest's device needs to join a bridge. */
export interface JoinRequest {
  readonly call: VifCall;
  readonly rename: VifSettings['rename'];
  readonly bridge: Bridge;
  /** Bytes. */
  readonly mtu: number;
  /** The port's VLANs; undefined leaves it the bridge's default. */
  readonly vlans?: PortVlans | undefined;
  /** The device's settings for router advertisements and redirects (`routerSettingPaths` of its present name). */
  readonly heard: Readonly<Record<string, string | undefined>>;
  /** The device's present FORWARD rules. */
  readonly inPlace: RuleSet;
  /** The FORWARD rules that it is to get. */
  readonly rules: RuleSet;
  /** Steps that add it to the table of a bridge under antispoof=yes, before the guest can send. */
  readonly limits?: readonly Step[];
  readonly recordPath: string;
}

/**
 * The steps that make a guest's device a port of a bridge and let its packets pass FORWARD (docs/contract.md,
 * "vif-bridge online").
 * @param state the present device
 * @param request what it is to get
 * @throws HostError when another device has the wanted name
 */
export function planJoin(state: PresentVif, request: JoinRequest): Plan {
  const { call, rename, bridge } = request;
  const target = rename?.name ?? state.port.name;
  mustBeFree(state, call.device, target);
  const vlans = request.vlans === undefined ? {} : { vlans: request.vlans };
  const saved: VifRecord = { name: target, bridge: bridge.name, rules: request.rules, ...vlans };
  // Only the record tells which VLANs the port was given.
  const sameVlans = state.record?.vlans?.text === request.vlans?.text;
  return {
    warnings: nameWarnings(call.device, rename),
    steps: [
      ...replaceForwardRules(target, request.inPlace, request.rules),
      ...(request.limits ?? []),
      ...(isJoined(state.port, target, request) && sameVlans
        ? ignoreRouterSteps(markOf(state.port, target), request.heard, state.port.name)
        : portSteps(state, target, request)),
      recordStep(request.recordPath, state.record, saved),
    ],
  };
}

/**
 * Whether a device has everything already, so that a repeated online need not take it down.
 * @param port the present device
 * @param target the wanted name
 * @param request what it is to get
 */
export function isJoined(port: Link, target: string, request: Pick<JoinRequest, 'bridge' | 'mtu'>): boolean {
  return (
    port.name === target &&
    port.up &&
    port.master === request.bridge.name &&
    port.mtu === request.mtu &&
    port.address === PORT_MAC
  );
}

function portSteps({ port, record }: PresentVif, target: string, request: JoinRequest): Step[] {
  const { bridge, rename, call, vlans } = request;
  const step = (why: string, args: string[], undo: string[]): Step =>
    deviceStep(port, target, why, args, undo);
  const leave = leaveSteps(port, target, record?.vlans, vlans);
  return [
    downStep(port),
    ...nameSteps(port, target, call, rename),
    addressStep(port, target),
    step('take all addresses from', ['address', 'flush', 'dev', target], []),
    mtuStep(port, target, request.mtu),
    ...leave,
    step(
      `enslave to ${bridge.name} the device`,
      setLink(target, 'master', bridge.name),
      port.master === undefined || leave.length > 0
        ? setLink(target, 'nomaster')
        : setLink(target, 'master', port.master),
    ),
    ...vlanSteps(port, target, vlans),
    // Frames to the few addresses that a bridge never forwards reach the port's own device.
    ...ignoreRouterSteps(markOf(port, target), request.heard, port.name),
    step('bring up', setLink(target, 'up'), setLink(target, 'down')),
  ];
}

/** A port that leaves the bridge and joins it again has only the bridge's default VLAN. */
function leaveSteps(
  port: Port,
  target: string,
  before: PortVlans | undefined,
  wanted: PortVlans | undefined,
): Step[] {
  if (port.master === undefined || (before === undefined && wanted === undefined)) return [];
  const leave = deviceStep(
    port,
    target,
    `release from ${port.master} the device`,
    setLink(target, 'nomaster'),
    [],
  );
  return [
    { ...leave, undo: [ip(...setLink(target, 'master', port.master)), ...vlanCommands(target, before)] },
  ];
}

/**
 * The steps that remove a guest's device from its bridge, and its rules (docs/contract.md, "vif-bridge offline"). What
 * is gone already needs no step.
 * @param state the present device
 * @param name its name, or the name that it had
 * @param rules its present rules
 * @param recordPath its record's path
 * @param unlimited steps that remove it from the table of a bridge under antispoof=yes
 */
export function planLeave(
  state: VifState,
  name: string,
  rules: RuleSet,
  recordPath: string,
  unlimited: readonly Step[] = [],
): Plan {
  const { port } = state;
  const steps: Step[] = [];
  if (port !== undefined) {
    const set = (...rest: string[]) => ip('link', 'set', 'dev', port.name, ...rest);
    if (port.up)
      steps.push({
        do: set('down'),
        undo: [set('up')],
        why: `take down ${name}`,
        device: markOf(port, name),
      });
    if (port.master !== undefined) {
      const undo = [set('master', port.master)];
      steps.push({
        do: set('nomaster'),
        undo,
        why: `release ${name} from ${port.master}`,
        device: markOf(port, name),
      });
    }
  }
  steps.push(
    ...replaceForwardRules(name, rules, NO_RULES),
    ...unlimited,
    ...forgetSteps(recordPath, state.record, name),
  );
  return { steps, warnings: [] };
}
