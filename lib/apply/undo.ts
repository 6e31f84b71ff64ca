import { messageOf } from '../errors.ts';
import { isRuleInPlace } from '../observe/filter/rules.ts';
import { readPort } from '../observe/host/port.ts';
import { readVifRecord } from '../observe/records.ts';
import { pendingRules } from '../plan/filter/pending-rules.ts';
import { type Command, commandText, type Step } from '../plan/step.ts';
import { type PresentPort, planUndo, portIndexes } from '../plan/undo.ts';
import { reserveTime } from '../system/processes/deadline.ts';
import type { System } from '../system/system.ts';
import { failuresOf } from './already.ts';
import { batches, type Outcome } from './execute.ts';
import { closeJournal, type Journal } from './journal.ts';
import { executeLocked } from './locked.ts';

/** The time that each batch of an undo gets in any case; what does not hang needs a hundredth of it. */
const BATCH_MS = 1000;

/**
 * Undoes the steps that a run did or may have done, then removes its journal.
 * @param system the way to the host
 * @param journal the run's journal
 * @returns the failures, except of commands that found their work done already, and what was left alone because somebody
 * changed it meanwhile
 */
export async function undoJournal(system: System, journal: Journal): Promise<string[]> {
  const steps = journal.steps.slice(0, journal.begun);
  const devices = deviceIndexes(system);
  const { commands, leftAlone } = planUndo(
    steps,
    devices,
    journal.indexes,
    presentPorts(system, steps, devices),
  );
  const failures: string[] = [...leftAlone];
  for (const batch of batches(commands, (command) => command)) {
    // A batch that hangs, such as the restart of a server, must not take the time of the others.
    reserveTime(BATCH_MS);
    const items = pendingRules(batch.items, (line) => isRuleInPlace(system, line));
    if (items.length === 0) continue;
    const parts = failuresOf(await forced(system, batch.tool, items));
    const only = items.length === 1 && batch.tool === 'run' ? items[0] : undefined;
    const named = (part: string) => (only === undefined ? part : `"${commandText(only)}" failed (${part})`);
    failures.push(...parts.map((part) => named(part.replace(/\.$/, ''))));
  }
  closeJournal(system, journal.key);
  return failures;
}

/** The ports that lost a bridge by the steps, and the devices that joined or left one. */
function presentPorts(
  system: System,
  steps: readonly Step[],
  devices: ReadonlyMap<string, number>,
): PresentPort[] {
  const lost = steps.flatMap(({ ports = [] }) => ports);
  const guests = new Map(lost.map(({ name, guest }) => [name, guest]));
  const moved = portIndexes(steps);
  const names = [...devices].flatMap(([name, index]) => (guests.has(name) || moved.has(index) ? [name] : []));
  return names.flatMap((name) => {
    const port = readPort(system, name);
    const guest = guests.get(name);
    if (port === undefined) return [];
    return [{ ...port, attachedTo: guest === undefined ? undefined : readVifRecord(system, guest)?.bridge }];
  });
}

/** Runs every command of an undo; even a lock of the firewall that cannot be taken does not stop it. */
async function forced(
  system: System,
  tool: Command['tool'],
  commands: readonly Command[],
): Promise<Pick<Outcome, 'error' | 'refusals'>> {
  try {
    return await executeLocked(system, tool, commands, { force: true });
  } catch (thrown) {
    return { error: messageOf(thrown).replace(/\.$/, '') };
  }
}

/**
 * The index of each device of the host, by its name.
 * @param system the way to sysfs
 */
export function deviceIndexes(system: System): Map<string, number> {
  const names = system.list('/sys/class/net');
  return new Map(names.map((name) => [name, Number(system.readText(`/sys/class/net/${name}/ifindex`))]));
}
