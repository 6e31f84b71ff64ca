import { XenNetworkError } from '../errors.ts';
import { filtersBridges, readBeside, readPresent } from '../observe/forward/forwarding.ts';
import { readGuestSettings, readSharedFile } from '../observe/shared-settings.ts';
import { guestsOfTables } from '../observe/vif/guest-ports.ts';
import { follow, movedSettings } from '../plan/shared/moved-settings.ts';
import { isMet, type SharedChange, type SharedFacts, share } from '../plan/shared/shared-settings.ts';
import type { Command, Step } from '../plan/step.ts';
import { writeRecord } from '../plan/write-record.ts';
import { IP_FORWARD, IP6_FORWARD, SHARED_FILE } from '../record/paths.ts';
import { type SharedSetting, type SharedSettings, settingKey } from '../record/shared-settings.ts';
import type { System } from '../system/system.ts';
import { batches, type Outcome } from './execute.ts';

/** A command on shared settings. */
export type SharedCommand = Command & { readonly tool: 'share' | 'follow' };

/**
 * The steps of a command on shared settings, for the present state of the host and of the record. The caller must hold
 * the lock of the shared settings if it carries them out.
 * @param system the way to the host
 * @param command the command: which settings a holder needs, or which device's settings move to another
 */
export function sharedChange(
  system: System,
  command: SharedCommand,
): SharedChange & { readonly before: SharedSettings } {
  const before = readSharedFile(system);
  const shared = readGuestSettings(system);
  if (command.tool === 'share') {
    const facts = sharedFacts(system, shared, command.sharedSettings);
    return { ...share(shared, facts, command.holder, command.sharedSettings), before };
  }
  const after = movedSettings(shared, command);
  const present = readPresent(
    system,
    [...shared, ...after].map(({ setting }) => setting),
  );
  return { ...follow(shared, after, present, command), before };
}

/**
 * The present state of shared settings on the host.
 * @param system the way to the host
 * @param shared all shared settings and their holders
 * @param sharedSettings the settings that are wanted
 */
export function sharedFacts(
  system: System,
  shared: SharedSettings,
  sharedSettings: readonly SharedSetting[],
): SharedFacts {
  const forwards = sharedSettings.some(
    (setting) => setting.kind === 'setting' && FORWARDING.includes(setting.path),
  );
  const all = [...shared.map(({ setting }) => setting), ...sharedSettings];
  const present = readPresent(system, all);
  return {
    present,
    beside: forwards ? readBeside(system) : new Map(),
    filtersBridges: filtersBridges(system),
    guests: guestsOfTables(
      system,
      all.filter((setting) => !isMet(setting, present.get(settingKey(setting)))),
    ),
  };
}

/** Settings with which the kernel changes others. */
const FORWARDING = [IP_FORWARD, IP6_FORWARD];

/** Runs commands of one kind while holding the lock that they need. */
export type Execute = (tool: Command['tool'], commands: readonly Command[]) => Promise<Outcome>;

/**
 * Carries out commands on shared settings. The record names a holder before the setting is made, and loses it only
 * after the setting was put back. So after a kill the record covers everything that may be left.
 * @param system the way to the host; the caller must hold the lock of the shared settings
 * @param commands the commands, each of tool 'share' or 'follow'
 * @param run runs the steps
 * @param force whether to go on after a failure
 */
export async function runShared(
  system: System,
  commands: readonly Command[],
  run: Execute,
  force: boolean,
): Promise<Outcome> {
  const errors: string[] = [];
  for (const [done, command] of commands.entries()) {
    if (command.tool !== 'share' && command.tool !== 'follow') continue;
    const failed = await runOne(system, command, run, force);
    errors.push(...failed);
    if (failed.length > 0 && !force) return { done, exact: false, error: failed.join('; ') };
  }
  return { done: commands.length, exact: true, ...(errors.length === 0 ? {} : { error: errors.join('; ') }) };
}

/** @returns the failures */
async function runOne(
  system: System,
  command: SharedCommand,
  run: Execute,
  force: boolean,
): Promise<string[]> {
  try {
    const { before, steps, meanwhile, shared } = sharedChange(system, command);
    const changes = steps.length > 0;
    const failed = await carryOut(changes ? [...noteSteps(before, meanwhile), ...steps] : [], run, force);
    // A setting that could not be put back keeps its holder, so that the next stop tries again.
    if (failed.length > 0) return failed;
    return await carryOut(noteSteps(changes ? meanwhile : before, shared), run, force);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [thrown.message.replace(/\.$/, '')];
  }
}

/** @returns the failures; without force the first one ends the run */
async function carryOut(steps: readonly Step[], run: Execute, force: boolean): Promise<string[]> {
  const errors: string[] = [];
  for (const { tool, items } of batches(steps, (step) => step.do)) {
    const { error } = await run(
      tool,
      items.map((step) => step.do),
    );
    if (error === undefined) continue;
    errors.push(`could not ${items[0]?.why}: ${error}`);
    if (!force) break;
  }
  return errors;
}

/**
 * Steps that write the record of the shared settings; none where it does not change.
 * @param before the record now
 * @param after the new record
 */
export function noteSteps(before: SharedSettings, after: SharedSettings): Step[] {
  const text = (shared: SharedSettings) => (shared.length === 0 ? undefined : shared);
  return writeRecord(SHARED_FILE, text(before), text(after), 'the shared settings and their holders');
}
