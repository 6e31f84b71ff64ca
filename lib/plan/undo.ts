import type { Port } from '../observe/host/port.ts';
import type { Command, LostPort, Step } from './step.ts';

/** Stands for the index of a device that the undo makes again, which only the kernel knows. */
const MADE_BY_UNDO = -1;

/** What an undo asks about a port. */
export interface PresentPort extends Pick<Port, 'name' | 'index' | 'up' | 'master'> {
  /** The bridge that the record of the guest's device names; undefined where it is not attached to one. */
  readonly attachedTo?: string | undefined;
}

/** The commands of an undo. */
export interface UndoPlan {
  readonly commands: readonly Command[];
  /** What stays as it is, since somebody changed it after the run: the end of a sentence for each. */
  readonly leftAlone: readonly string[];
}

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
): UndoPlan {
  const names = new Map(devices);
  const known = new Set(before);
  const commands: Command[] = [];
  const moved = movedPorts(steps, devices, ports);
  const leftAlone = new Set<string>();
  for (const step of [...steps].reverse()) {
    const elsewhere = moved.get(step.device?.index);
    for (const command of dueOf(step, names, known, ports, leftAlone)) {
      if (elsewhere !== undefined && concernsPort(command)) leftAlone.add(elsewhere);
      else {
        commands.push(command);
        follow(command, names);
      }
    }
  }
  return { commands, leftAlone: [...leftAlone] };
}

/** The master that a command gives a device, undefined for none; no object for any other command. */
function masterBy(command: Command): { readonly master: string | undefined } | undefined {
  if (command.tool !== 'ip') return undefined;
  const [object, verb, , , word, value] = command.args;
  if (object !== 'link' || verb !== 'set') return undefined;
  return word === 'master' ? { master: value } : word === 'nomaster' ? { master: undefined } : undefined;
}

/** Whether a command makes a device a port, or changes what it is as a port. */
function concernsPort(command: Command): boolean {
  const isOption = command.tool === 'write' && command.path.includes('/brport/');
  return isOption || command.tool === 'bridge' || masterBy(command) !== undefined;
}

/**
 * The indexes of the devices that have joined or left a bridge by the steps, as far as they are present.
 * @param steps the steps
 */
export function portIndexes(steps: readonly Step[]): ReadonlySet<number> {
  const found = steps.flatMap(({ do: command, device }) =>
    typeof device?.index === 'number' && masterBy(command) !== undefined ? [device.index] : [],
  );
  return new Set(found);
}

/**
 * The ports whose master is none that the run, or an earlier undo of it, can have left them. Bridges may have been renamed
 * since, so a bridge of the run is known by its name or its index.
 * @returns by the port's index: what is to be said of it
 */
function movedPorts(
  steps: readonly Step[],
  devices: DeviceIndexes,
  ports: readonly PresentPort[],
): ReadonlyMap<number | string | undefined, string> {
  const marks = steps.flatMap(({ device }) => device ?? []);
  const called = new Set(marks.flatMap(({ name, gone = [] }) => [name, ...gone]));
  const indexes = new Set(marks.map(({ index }) => index));
  const isGone = marks.some(({ gone }) => gone !== undefined);
  const moved = new Map<number, string>();
  for (const index of portIndexes(steps)) {
    const port = ports.find((each) => each.index === index);
    if (port === undefined) continue;
    const masters = steps
      .filter(({ device }) => device?.index === index)
      .flatMap((step) => [step.do, ...step.undo].flatMap((command) => masterBy(command) ?? []))
      .map(({ master }) => master);
    const { name, master } = port;
    const isOurs =
      masters.includes(master) ||
      (master === undefined ? isGone : called.has(master) || indexes.has(devices.get(master) ?? 0));
    if (!isOurs)
      moved.set(
        index,
        master === undefined
          ? `${name} was left without a bridge, since somebody took it off its own meanwhile`
          : `${name} was left on ${master}, where somebody put it meanwhile`,
      );
  }
  return moved;
}

function dueOf(
  step: Step,
  names: DeviceIndexes,
  known: ReadonlySet<number>,
  ports: readonly PresentPort[],
  leftAlone: Set<string>,
): readonly Command[] {
  if (step.device === undefined) return step.undo;
  const { name, index: meant, orNew } = step.device;
  if (step.device.gone !== undefined)
    return remaking(step, step.device.gone, names, known, { ports, leftAlone });
  const index = names.get(name);
  if (index === undefined) return [];
  const isNew = meant === 'new' || orNew === true;
  return meant === index || (isNew && !known.has(index)) ? step.undo : [];
}

/** What became of a lost port; undefined where it is as it lost its bridge. */
function fateOf(
  lost: LostPort,
  bridges: readonly string[],
  now: PresentPort | undefined,
): string | undefined {
  const { name, up, guest } = lost;
  const [bridge = ''] = bridges;
  const left = `${name} was not put back on ${bridge}`;
  if (now === undefined) return `${left}, since it is gone`;
  if (now.master !== undefined && !bridges.includes(now.master))
    return `${left}, since it is on ${now.master} by now`;
  if (guest !== undefined && !bridges.includes(now.attachedTo ?? ''))
    return `${left}, since ${guest} was detached meanwhile`;
  return up && !now.up ? `${left}, since it was taken down meanwhile` : undefined;
}

/** What is on another bridge meanwhile, was taken down or is another device under the name, does not come back. */
function portsBack(
  lost: readonly LostPort[],
  bridges: readonly string[],
  { ports, leftAlone }: Ports,
): Command[] {
  const left = lost.filter((port) => {
    const now = ports.find(({ name, index }) => name === port.name && index === port.index);
    const fate = fateOf(port, bridges, now);
    if (fate !== undefined) leftAlone.add(fate);
    return fate === undefined;
  });
  return [...left.map(({ join }) => join), ...left.flatMap(({ settings }) => settings)];
}

interface Ports {
  readonly ports: readonly PresentPort[];
  /** Gets what is said of ports that do not come back. */
  readonly leftAlone: Set<string>;
}

/** An earlier undo that was killed may have made the device again without restoring its settings. */
function remaking(
  { device, undo, ports: lost = [] }: Step,
  called: readonly string[],
  names: DeviceIndexes,
  known: ReadonlySet<number>,
  ports: Ports,
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
