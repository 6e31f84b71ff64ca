import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import type { KernelRoute } from '../../observe/host/kernel-routes.ts';
import type { Port } from '../../observe/host/port.ts';
import type { VifRecord } from '../../observe/records.ts';
import type { Uplink } from '../../observe/vif/address.ts';
import type { PresentVif, VifState } from '../../observe/vif/vif.ts';
import { type Assignment, isRouted } from '../../record/assignment.ts';
import { settingPath } from '../../record/paths.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import { replaceForwardRules } from '../filter/rules.ts';
import { type DeviceMark, ip, type Plan, type Step } from '../step.ts';
import { ignoreRouterSteps } from '../unheard.ts';
import {
  deviceStep,
  downStep,
  forgetSteps,
  markOf,
  mtuStep,
  mustBeFree,
  nameSteps,
  nameWarnings,
  recordStep,
  setLink,
} from '../vif/device.ts';
import { settingSteps } from '../vif/settings.ts';
import { assignmentText, assignWords, sameAssignment, takeWords } from './assignment.ts';
import { standBackSteps } from './stand-back.ts';

/** The host's state that decides how a guest's routes are added. */
export interface RouteFacts {
  readonly routes: readonly KernelRoute[];
  /** Parts of the earlier assignment that still exist and are no longer wanted. */
  readonly stale: readonly Assignment[];
  /** Present kernel settings by path; the device's under its present name. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  /** The assignment of the card's other device, which has the same proxy entries. */
  readonly twin: readonly Assignment[];
  /** The vif that stands back for its tap: the device itself, or the card's other device. */
  readonly standsBack: Port | undefined;
  /** The network's device, where the guest has IPv6 addresses. */
  readonly uplink: Uplink | undefined;
}

/** What a guest's device needs so that packets are routed to it. */
export interface RouteRequest {
  readonly call: VifCall;
  readonly rename: VifSettings['rename'];
  /** Bytes; undefined leaves the device its own. */
  readonly mtu: number | undefined;
  readonly assigned: readonly Assignment[];
  /** The steps for the guest's shared settings. */
  readonly shared: readonly Step[];
  /** The device's present FORWARD rules. */
  readonly inPlace: RuleSet;
  /** The FORWARD rules that it is to get. */
  readonly rules: RuleSet;
  /** The steps that give the guest a lease, or remove an earlier one. */
  readonly leaseSteps: readonly Step[];
  /** The lease after these steps. */
  readonly lease: VifRecord['lease'];
  readonly recordPath: string;
}

/** The settings that make the host answer on a device for the whole network. */
const ANSWERING = ['net/ipv4/conf/proxy_arp', 'net/ipv6/conf/proxy_ndp'] as const;

/**
 * The kernel settings of a routed guest's device that must be 1, so that the host answers on it for the whole network.
 * @param name the guest's device
 * @param six whether the guest has IPv6 addresses
 */
export function routeSettings(name: string, six: boolean): string[] {
  return answering(six).map((key) => settingPath(key, name));
}

const answering = (six: boolean): readonly string[] => (six ? ANSWERING : ANSWERING.slice(0, 1));

/**
 * The steps that route a guest's addresses to its device (docs/contract.md, "vif-route online" and "vif-nat online").
 * @param state the present device
 * @param facts the host
 * @param request what it is to get
 * @throws HostError when another device has the wanted name
 */
export function planRouted(state: PresentVif, facts: RouteFacts, request: RouteRequest): Plan {
  const { call, rename, mtu, rules } = request;
  const { port, record } = state;
  const target = rename?.name ?? port.name;
  mustBeFree(state, call.device, target);
  const isUp = port.up && target === port.name;
  const { uplink } = facts;
  const proxyNdp = uplink === undefined ? {} : { proxyNdp: { device: uplink.device } };
  const lease = request.lease === undefined ? {} : { lease: request.lease };
  const saved: VifRecord = {
    name: target,
    bridge: '',
    rules,
    assigned: request.assigned,
    ...proxyNdp,
    ...lease,
  };
  return {
    warnings: nameWarnings(call.device, rename),
    steps: [
      ...replaceForwardRules(target, request.inPlace, rules),
      // Routes first: without its source address a route would go too.
      ...[...facts.stale].reverse().map((item) => staleStep(port, item)),
      ...(target === port.name ? [] : [downStep(port), ...nameSteps(port, target, call, rename)]),
      ...(mtu === undefined || mtu === port.mtu ? [] : [mtuStep(port, target, mtu)]),
      ...ignoreRouterSteps(markOf(port, target), facts.settings, port.name),
      ...(call.type === 'vif' ? standBack(port, target, facts) : []),
      ...(isUp ? [] : [deviceStep(port, target, 'bring up', setLink(target, 'up'), setLink(target, 'down'))]),
      ...request.assigned.flatMap((item) =>
        assignStep(port, facts, [...(record?.assigned ?? []), ...facts.twin], item),
      ),
      ...answerSteps(port, target, facts),
      // This comes after the tap's routes: the kernel then uses them instead.
      ...(call.type === 'tap' ? standBack(port, target, facts) : []),
      ...request.leaseSteps,
      recordStep(request.recordPath, record, saved),
      // After the record, since a guest without a record counts as gone.
      ...request.shared,
    ],
  };
}

function markFor(port: Port, facts: RouteFacts, assigned: Assignment): DeviceMark {
  const { uplink } = facts;
  if (assigned.kind === 'proxy' && uplink !== undefined) return { name: uplink.device, index: uplink.index };
  return markOf(port, assigned.device);
}

function staleStep(port: Port, assigned: Assignment): Step {
  const step = {
    do: ip(...takeWords(assigned)),
    undo: [ip(...assignWords(assigned))],
    why: `take ${assignmentText(assigned)} off ${assigned.device}`,
  };
  return assigned.kind === 'proxy' ? step : { ...step, device: markOf(port, assigned.device) };
}

function standBack(port: Port, target: string, { standsBack, settings }: RouteFacts): Step[] {
  if (standsBack === undefined) return [];
  return standBackSteps(standsBack, standsBack === port ? target : standsBack.name, settings);
}

/**
 * What the last online added and the kernel still has needs no step. What existed before that online stays when this
 * run is undone.
 */
function assignStep(
  port: Port,
  facts: RouteFacts,
  before: readonly Assignment[],
  assigned: Assignment,
): Step[] {
  const known = before.some((item) => sameAssignment(item, assigned));
  const step = (words: readonly string[], undo: readonly string[][]): Step => ({
    do: ip(...words),
    undo: undo.map((line) => ip(...line)),
    why: `add ${assignmentText(assigned)} to ${assigned.device}`,
    device: markFor(port, facts, assigned),
  });
  if (assigned.kind !== 'route') return [step(assignWords(assigned), known ? [] : [takeWords(assigned)])];
  if (isRouted(facts.routes, assigned)) return known ? [] : [step(assignWords(assigned, 'replace'), [])];
  return [step(assignWords(assigned), [takeWords(assigned)])];
}

function answerSteps(port: Port, target: string, { settings, uplink }: RouteFacts): Step[] {
  const keys = answering(uplink !== undefined);
  const why = `let ${target} answer for other addresses`;
  return settingSteps(markOf(port, target), port.name, settings, keys, '1', why);
}

/**
 * The steps that remove a guest's assignment and its rules (docs/contract.md, "vif-route offline" and "vif-nat
 * offline"). What is gone already needs no step.
 * @param state the present device
 * @param name its name, or the name that it had
 * @param rules its present rules
 * @param recordPath its record's path
 * @param others further steps, before and after, and the assignment of the card's other device
 */
export function planUnrouted(
  state: VifState,
  name: string,
  rules: RuleSet,
  recordPath: string,
  others: {
    readonly before: readonly Step[];
    readonly after: readonly Step[];
    readonly twin: readonly Assignment[];
  },
): Plan {
  const { port, record } = state;
  const assigned = (record?.assigned ?? [])
    .map((item) =>
      item.device === record?.name && port !== undefined ? { ...item, device: port.name } : item,
    )
    .filter((item) =>
      item.kind === 'proxy' ? !others.twin.some((kept) => sameAssignment(kept, item)) : port !== undefined,
    )
    .reverse();
  const take = (item: Assignment): Step => ({
    do: ip(...takeWords(item)),
    undo: [ip(...assignWords(item))],
    why: `take ${assignmentText(item)} off ${item.device}`,
  });
  const flush = (device: Port) =>
    deviceStep(device, name, 'take all addresses from', ['address', 'flush', 'dev', device.name], []);
  return {
    warnings: [],
    steps: [
      ...others.before,
      ...assigned.map(take),
      ...(port !== undefined && record?.assigned === undefined ? [flush(port)] : []),
      ...(port?.up === true ? [downStep(port)] : []),
      ...others.after,
      ...replaceForwardRules(name, rules, NO_RULES),
      ...forgetSteps(recordPath, record, name),
    ],
  };
}
