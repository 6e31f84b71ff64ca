import type { Port } from '../observe/host/port.ts';
import type { Command, LostPort, Step } from './step.ts';

/** Stands for the index of a device that the undo makes again, which only the kernel knows. */
const MADE_BY_UNDO = -1;

/** What an undo asks about a port. */
export type PresentPort = Pick<Port, 'name' | 'index' | 'up' | 'master'>;

/** The indexes of the host's devices before the undo, by name. */
export type DeviceIndexes = ReadonlyMap<string, number>;

/**
 * The commands that undo the first steps of a plan, in reverse order.
 *
 * After a kill it is unknown how far the last batch came. So a step counts as never done when its device is missing
 * under its name, or another device has that name; renames by the undo itself are taken into account. The undo of a
 * step that was never done fails without harm, since the caller ignores such failures.
 * @param steps the steps that were done or may have been done
 * @param devices the present devices, name and index
 * @param before the indexes of the devices from before the run
 * @param ports the present state of the ports that the steps name
 */
export function planUndo(
  steps: readonly Step[],
  devices: DeviceIndexes,
  before: readonly number[],
  ports: readonly PresentPort[],
): Command[] {
  const names = new Map(devices);
  const known = new Set(before);
  const commands: Command[] = [];
  for (const step of [...steps].reverse()) {
    for (const command of dueOf(step, names, known, ports)) {
      commands.push(command);
      follow(command, names);
    }
  }
  return commands;
}

function dueOf(
  step: Step,
  names: DeviceIndexes,
  known: ReadonlySet<number>,
  ports: readonly PresentPort[],
): readonly Command[] {
  if (step.device === undefined) return step.undo;
  const { name, index: meant, orNew } = step.device;
  if (step.device.gone !== undefined) return remaking(step, step.device.gone, names, known, ports);
  const index = names.get(name);
  if (index === undefined) return [];
  const isNew = meant === 'new' || orNew === true;
  return meant === index || (isNew && !known.has(index)) ? step.undo : [];
}

/** What is on another bridge meanwhile, was taken down or is another device under the name, does not come back. */
function portsBack(
  lost: readonly LostPort[],
  bridges: readonly string[],
  now: readonly PresentPort[],
): Command[] {
  const isLeft = (port: LostPort) =>
    now.some(
      ({ name, index, up, master }) =>
        name === port.name &&
        index === port.index &&
        (up || !port.up) &&
        (master === undefined || bridges.includes(master)),
    );
  const left = lost.filter(isLeft);
  return [...left.map(({ join }) => join), ...left.flatMap(({ settings }) => settings)];
}

/** An earlier undo that was killed may have made the device again without restoring its settings. */
function remaking(
  { device, undo, ports: lost = [] }: Step,
  called: readonly string[],
  names: DeviceIndexes,
  known: ReadonlySet<number>,
  ports: readonly PresentPort[],
): readonly Command[] {
  if ([...names.values()].some((index) => index === device?.index)) return [];
  const isRemade = called.some((name) => names.has(name) && !known.has(names.get(name) ?? 0));
  return [...undo.slice(isRemade ? 1 : 0), ...portsBack(lost, called, ports)];
}

function follow(command: Command, names: Map<string, number>): void {
  if (command.tool !== 'ip') return;
  const [object, verb, , device = '', attribute, value = ''] = command.args;
  if (object !== 'link') return;
  if (verb === 'add' && !names.has(device)) names.set(device, MADE_BY_UNDO);
  const index = names.get(device);
  if (index === undefined) return;
  if (verb === 'del') names.delete(device);
  if (verb === 'set' && attribute === 'name' && !names.has(value)) {
    names.delete(device);
    names.set(value, index);
  }
}
