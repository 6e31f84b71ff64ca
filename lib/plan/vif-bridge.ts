import { aliasOf } from '../contract/names.ts';
import type { VifCall, VifSettings } from '../contract/vif-request.ts';
import { HostError } from '../errors.ts';
import { NO_RULES, type RuleSet } from '../filter/forward.ts';
import type { Port } from '../observe/port.ts';
import type { VifRecord } from '../observe/records.ts';
import type { PresentVif, VifState } from '../observe/vif.ts';
import { replaceForwardRules } from './rules.ts';
import { type DeviceMark, ip, type Plan, record, type Step } from './step.ts';

/** A port's address is the highest there is, so that no bridge takes it for its own (IEEE 802.1D takes the lowest). */
export const PORT_MAC = 'fe:ff:ff:ff:ff:ff';

/** What decides how a guest's device joins a bridge. */
export interface JoinRequest {
  readonly call: VifCall;
  readonly rename: VifSettings['rename'];
  readonly bridge: Port;
  /** Bytes. */
  readonly mtu: number;
  /** FORWARD rules of the device that are in place. */
  readonly inPlace: RuleSet;
  /** FORWARD rules that it is to have. */
  readonly rules: RuleSet;
  readonly recordPath: string;
}

/**
 * Makes a guest's device a port of a bridge and lets its packets pass (contract 3, vif-bridge online and add).
 * @param state the device as it is
 * @param request what it is to become
 * @throws HostError when the name it is to take belongs to another device
 */
export function planJoin(state: PresentVif, request: JoinRequest): Plan {
  const { call, rename, bridge } = request;
  const target = rename?.name ?? state.port.name;
  if (state.squatter !== undefined) throw nameTaken(call.device, target);
  const saved: VifRecord = { name: target, bridge: bridge.name, rules: request.rules };
  const before = state.record === undefined ? undefined : JSON.stringify(state.record);
  return {
    warnings: rename?.altname === undefined ? [] : [cutWarning(call.device, rename.altname, target)],
    steps: [
      ...replaceForwardRules(target, request.inPlace, request.rules),
      ...(isJoined(state.port, target, request) ? [] : portSteps(state.port, target, request)),
      {
        do: record(request.recordPath, JSON.stringify(saved)),
        undo: [record(request.recordPath, before)],
        why: `remember what ${target} was given`,
      },
    ],
  };
}

/**
 * Whether a device is already all that it is to become, so that a repeated online need not take it down.
 * @param port the device as it is
 * @param target the name it is to have
 * @param request what it is to become
 */
export function isJoined(port: Port, target: string, request: Pick<JoinRequest, 'bridge' | 'mtu'>): boolean {
  return (
    port.name === target &&
    port.up &&
    port.master === request.bridge.name &&
    port.mtu === request.mtu &&
    port.address === PORT_MAC
  );
}

function portSteps(port: Port, target: string, request: JoinRequest): Step[] {
  const { bridge, rename, call } = request;
  const step = (name: string, why: string, args: string[], undo: string[]): Step => ({
    do: ip(...args),
    undo: undo.length === 0 ? [] : [ip(...undo)],
    why: `${why} ${name}`,
    device: mark(port, name),
  });
  const set = (name: string, ...rest: string[]) => ['link', 'set', 'dev', name, ...rest];
  const steps = [step(port.name, 'take down', set(port.name, 'down'), port.up ? set(port.name, 'up') : [])];
  if (target !== port.name) {
    steps.push(
      step(target, `rename ${port.name} to`, set(port.name, 'name', target), set(target, 'name', port.name)),
      step(
        target,
        'mark the owner of',
        set(target, 'alias', aliasOf(call.device)),
        set(target, 'alias', port.alias),
      ),
    );
    if (rename?.altname !== undefined) {
      const property = (verb: string, altname: string) => [
        'link',
        'property',
        verb,
        'dev',
        target,
        'altname',
        altname,
      ];
      steps.push(
        step(
          target,
          'keep the full name of',
          property('add', rename.altname),
          property('del', rename.altname),
        ),
      );
    }
  }
  steps.push(
    step(
      target,
      'give the MAC address of a port to',
      set(target, 'address', PORT_MAC),
      set(target, 'address', port.address),
    ),
    step(target, 'take all addresses from', ['address', 'flush', 'dev', target], []),
    step(
      target,
      `set the MTU ${request.mtu} of`,
      set(target, 'mtu', `${request.mtu}`),
      set(target, 'mtu', `${port.mtu}`),
    ),
    step(
      target,
      `enslave to ${bridge.name} the device`,
      set(target, 'master', bridge.name),
      port.master === undefined ? set(target, 'nomaster') : set(target, 'master', port.master),
    ),
    step(target, 'bring up', set(target, 'up'), set(target, 'down')),
  );
  return steps;
}

/**
 * Takes a guest's device off its bridge and its rules away (contract 3, offline and remove). Whatever is gone already
 * needs no step.
 * @param state the device as it is
 * @param name its name, or the one that it had
 * @param rules its rules that are in place
 * @param recordPath where its record lies
 */
export function planLeave(state: VifState, name: string, rules: RuleSet, recordPath: string): Plan {
  const { port } = state;
  const steps: Step[] = [];
  if (port !== undefined) {
    const set = (...rest: string[]) => ip('link', 'set', 'dev', port.name, ...rest);
    if (port.up)
      steps.push({ do: set('down'), undo: [set('up')], why: `take down ${name}`, device: mark(port, name) });
    if (port.master !== undefined) {
      const undo = [set('master', port.master)];
      steps.push({
        do: set('nomaster'),
        undo,
        why: `release ${name} from ${port.master}`,
        device: mark(port, name),
      });
    }
  }
  steps.push(...replaceForwardRules(name, rules, NO_RULES));
  const before = state.record === undefined ? undefined : JSON.stringify(state.record);
  if (before !== undefined) {
    steps.push({
      do: record(recordPath, undefined),
      undo: [record(recordPath, before)],
      why: `forget ${name}`,
    });
  }
  return { steps, warnings: [] };
}

function mark(port: Port, name: string): DeviceMark {
  return { name, index: port.index };
}

function nameTaken(device: string, target: string): HostError {
  return new HostError(
    `${device} cannot take the name ${target}: another device has it already and is left alone. ` +
      `Give this guest another vifname, or shut down the guest that uses ${target}.`,
  );
}

function cutWarning(device: string, full: string, cut: string): string {
  return `${device}: the vifname ${full} is longer than the kernel allows, so the device is called ${cut} and ${full} is kept as its altname.`;
}
