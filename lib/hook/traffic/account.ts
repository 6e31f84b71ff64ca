import { messageOf, XenNetworkError } from '../../errors.ts';
import { readVm } from '../../observe/vif/vm.ts';
import { countedRecordPath } from '../../record/paths.ts';
import { about } from '../../text.ts';
import type { VifRun } from '../vif/run.ts';

/**
 * Counts the traffic of a guest's device from now on, or no longer. What cannot be counted is connected all the same.
 * @param run the call
 * @param port the device's name once it is attached
 * @param wanted whether the traffic is to be counted
 * @returns a sentence where it should be counted and is not
 */
export async function account(run: VifRun, port: string, wanted: boolean): Promise<string[]> {
  const { system } = run.context;
  const { device, domid, devid } = run.call;
  if (!wanted) return noAccount(run);
  try {
    const { name, uuid } = await readVm(run.store, `${domid}`);
    if (uuid === undefined)
      return [
        `The traffic of ${port} is not counted, since xenstore does not tell the uuid of domain ${domid}.`,
      ];
    // Most guests are not counted, and their hooks load nothing for it.
    const { startCounting } = await import('./counting.ts');
    await startCounting(system, device, { uuid, guest: name ?? `${domid}`, card: devid, port });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [about(port, messageOf(thrown))];
  }
}

/**
 * Prints what counts a device's traffic, after the plan of a dry run.
 * @param run the call
 * @param port the device's name once it is attached
 * @param wanted whether the traffic is to be counted
 */
export function printAccount({ context: { print } }: VifRun, port: string, wanted: boolean): void {
  if (wanted) print(`# count the traffic of ${port} by nf_tables, at its own edge\n`);
}

/**
 * Ends the counting of a device's traffic, and keeps what was counted.
 * @param run the call
 * @returns a sentence where that could not be done; what was counted is then read when the totals are saved
 */
export async function noAccount(run: VifRun): Promise<string[]> {
  const { system } = run.context;
  const { device, domid } = run.call;
  if (!system.exists(countedRecordPath(device))) return [];
  try {
    const { endCounting } = await import('./counting.ts');
    // The guest may have been renamed since.
    await endCounting(system, device, (await readVm(run.store, `${domid}`)).name);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return [about(device, messageOf(thrown))];
  }
}
