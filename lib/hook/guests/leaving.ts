import { journalKeys } from '../../apply/journal.ts';
import { messageOf, XenNetworkError } from '../../errors.ts';
import { hereFinder } from '../../observe/vif/vif.ts';
import { LEAVING, leavingPath } from '../../record/paths.ts';
import { isGuestDevice } from '../../request/names.ts';
import type { System } from '../../system/system.ts';
import type { Context } from '../context.ts';

/** How far a device's way out is known to have come: its offline waits for the lock, or has it. */
export type Leaving = 'asked' | 'begun';

/**
 * Notes that a device is to leave, the journal of an offline: should that be ended half-way, even while it still waits for
 * the device's lock, others know what is left to be done.
 * @param context the call
 * @param device the kernel's name of the device
 * @param how whether the offline has begun
 */
export function noteLeaving({ system, log }: Context, device: string, how: Leaving): void {
  try {
    system.replaceFile(leavingPath(device), `${how}\n`);
  } catch (thrown) {
    // It goes on without.
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
  }
}

/**
 * Forgets that a device was to leave.
 * @param system the way to the note
 * @param device the kernel's name of the device
 */
export function forgetLeaving(system: System, device: string): void {
  if (system.exists(leavingPath(device))) system.remove(leavingPath(device));
}

/**
 * Whether, and how far, a device is on its way out.
 * @param system the way to the note
 * @param device the kernel's name of the device
 */
export function readLeaving(system: System, device: string): Leaving | undefined {
  const text = system.readText(leavingPath(device));
  return text === undefined ? undefined : text === 'begun' ? 'begun' : 'asked';
}

/**
 * The devices of which an offline that was ended may have left something, or another hook, when the device is gone. One
 * whose offline is under way is among them: its lock is held.
 * @param system the way to the notes and journals
 * @returns the kernel's names of them
 */
export function leftDevices(system: System): string[] {
  const noted = system.list(LEAVING).filter(isGuestDevice);
  const journals = journalKeys(system).filter(isGuestDevice);
  if (noted.length + journals.length === 0) return [];
  const isHere = hereFinder(system);
  return [...new Set([...noted, ...journals])].filter((device) => !isHere(device) || noted.includes(device));
}
