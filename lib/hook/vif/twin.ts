import { readPaths } from '../../observe/forward/forwarding.ts';
import { deviceExists, type Port } from '../../observe/host/port.ts';
import { readVifRecord, type VifRecord } from '../../observe/records.ts';
import { deviceCall, observeVif, type VifState } from '../../observe/vif/vif.ts';
import { standBackPaths, standInSteps } from '../../plan/routed/stand-back.ts';
import type { Step } from '../../plan/step.ts';
import type { Assignment } from '../../record/assignment.ts';
import { TAP_SUFFIX, twinOf } from '../../request/names.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';

/** A call about one of a card's two devices. */
export interface CardCall {
  readonly call: Pick<VifCall, 'device' | 'type'>;
  readonly state: VifState;
  /** The name that the device is to get, or had. */
  readonly rename: VifSettings['rename'];
}

/**
 * The vif that must stand back for its tap, since both devices then have routes.
 * @param system the way to the host
 * @param card the device that is attached
 * @param assigned the assignment that it gets
 * @param twin the record of the card's other device
 */
export function vifThatStandsBack(
  system: System,
  card: CardCall,
  assigned: readonly Assignment[],
  twin: VifRecord | undefined,
): Port | undefined {
  if (card.call.type === 'tap') return hasRoute(assigned) ? vifOf(system, card) : undefined;
  const isBeside = twin !== undefined && hasRoute(twin.assigned ?? []) && deviceExists(system, twin.name);
  return isBeside ? card.state.port : undefined;
}

/**
 * What the detach of one of a card's devices must do because of the other device.
 * @param system the way to the host
 * @param card the device that is detached
 * @returns the steps after which the vif no longer stands back, and the assignment of the other device
 */
export function partSteps(
  system: System,
  card: CardCall,
): { readonly steps: readonly Step[]; readonly twin: readonly Assignment[] } {
  const twin = readVifRecord(system, twinOf(card.call.device));
  const vif = card.call.type === 'tap' ? vifOf(system, card) : twin && card.state.port;
  if (vif === undefined) return { steps: [], twin: twin?.assigned ?? [] };
  const now = readPaths(system, [vif.name, 'default'].flatMap(standBackPaths));
  return { steps: standInSteps(vif, now), twin: twin?.assigned ?? [] };
}

const hasRoute = (assigned: readonly Assignment[]): boolean => assigned.some(({ kind }) => kind === 'route');

/** The tap's name tells the vif's, so that no other devices of the host are looked at. */
function vifOf(system: System, { call, state, rename }: CardCall): Port | undefined {
  const tap = rename?.name ?? state.port?.name;
  const named = tap?.endsWith(TAP_SUFFIX) ? { name: twinOf(tap) } : undefined;
  return observeVif(system, deviceCall(twinOf(call.device)), named, () => undefined).port;
}
