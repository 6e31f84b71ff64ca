import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import { lastingStep, record, type Step, setting } from '../../plan/step.ts';
import { LEARNING_NOTES, learningNotePath, strictRecordPath } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';

const switchOf = (bridge: string): string => `/sys/class/net/${bridge}/bridge/no_linklocal_learn`;

/**
 * The steps that stop a bridge from learning addresses from unfiltered frames. Frames to 01:80:c2:00:00:00 and 0e pass
 * no filter of the bridge family, but the bridge learns their source address: one such frame sends another guest's
 * packets to the wrong port (net/bridge/br_input.c; ip-link(8), no_linklocal_learn). The steps stay when the run is
 * undone, since the bridge's other guests may rely on them by then; `unlearningSteps` takes them back where none does. For
 * an administrator's bridge a note records the change.
 * @param system the way to the bridge
 * @param bridge the bridge's name
 */
export function learningSteps(system: System, bridge: string): Step[] {
  if (system.readText(switchOf(bridge)) !== '0') return [];
  const why = `stop ${bridge} from learning addresses from unfiltered frames`;
  const path = learningNotePath(bridge);
  const noted = isOurs(system, bridge)
    ? []
    : [lastingStep(record(path, '0'), `record that ${bridge} learned from them`)];
  return [...noted, lastingStep(setting(switchOf(bridge), '1'), why)];
}

/** A bridge that start made needs no note, since stop removes the bridge. */
function isOurs(system: System, bridge: string): boolean {
  return [...readBridgeRecords(system), ...readVirtualRecords(system)].some(
    (started) => started.bridge === bridge && started.madeBridge,
  );
}

/**
 * The steps that let an administrator's bridge learn again as before the first strict guest, once the last one has left
 * it.
 * @param system the way to the bridge
 * @param bridge the bridge's name
 */
export function unlearningSteps(system: System, bridge: string): Step[] {
  const path = learningNotePath(bridge);
  if (bridge === '' || !system.exists(path)) return [];
  const ports = system.list(`/sys/class/net/${bridge}/brif`);
  if (ports.some((port) => system.exists(strictRecordPath(port)))) return [];
  const why = `let ${bridge} learn addresses as it did before`;
  const back = system.readText(switchOf(bridge)) === '1' ? [setting(switchOf(bridge), '0')] : [];
  return [...back, record(path, undefined)].map((command) => lastingStep(command, why));
}

/**
 * The bridges of the administrator that learn less than before, because of strict guests.
 * @param system the way to the notes
 */
export function unlearnedBridges(system: System): string[] {
  return system.list(LEARNING_NOTES);
}
