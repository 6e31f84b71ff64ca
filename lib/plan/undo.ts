import type { Command, Step } from './step.ts';

/** Stands for the index that the kernel will give a device that an undo makes again. */
const MADE_BY_UNDO = -1;

/** The devices of the host, by name, as they are before the undo. */
export type DeviceIndexes = ReadonlyMap<string, number>;

/**
 * What takes back the first steps of a plan, in reverse. After a kill nobody knows how far the last batch came, so a
 * step whose device is not there under its name, or is another one, counts as never done; names are followed through
 * the undo's own renames. What is undone without having been done fails harmlessly: such commands are run with failures
 * let pass.
 * @param steps the steps that were done or may have been done
 * @param devices name and index of every device there is now
 * @param before indexes of the devices that were there before the run
 */
export function planUndo(
  steps: readonly Step[],
  devices: DeviceIndexes,
  before: readonly number[],
): Command[] {
  const names = new Map(devices);
  const known = new Set(before);
  const commands: Command[] = [];
  for (const step of [...steps].reverse()) {
    for (const command of dueOf(step, names, known)) {
      commands.push(command);
      follow(command, names);
    }
  }
  return commands;
}

function dueOf(step: Step, names: DeviceIndexes, known: ReadonlySet<number>): readonly Command[] {
  if (step.device === undefined) return step.undo;
  const { name, index: meant, orNew } = step.device;
  if (step.device.gone !== undefined) return remaking(step, step.device.gone, names, known);
  const index = names.get(name);
  if (index === undefined) return [];
  const isNew = meant === 'new' || orNew === true;
  return meant === index || (isNew && !known.has(index)) ? step.undo : [];
}

/** An earlier undo that was killed may have made the device again, but not yet what it was. */
function remaking(
  { device, undo }: Step,
  called: readonly string[],
  names: DeviceIndexes,
  known: ReadonlySet<number>,
): readonly Command[] {
  if ([...names.values()].some((index) => index === device?.index)) return [];
  const isRemade = called.some((name) => names.has(name) && !known.has(names.get(name) ?? 0));
  return isRemade ? undo.slice(1) : undo;
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
