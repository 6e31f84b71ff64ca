import { journalKeys } from '../../apply/journal.ts';
import { messageOf, XenNetworkError } from '../../errors.ts';
import { hereFinder } from '../../observe/vif/vif.ts';
import { isTemporary, LEAVING, leavingPath, temporaryPath } from '../../record/paths.ts';
import { isGuestDevice } from '../../request/names.ts';
import type { System } from '../../system/system.ts';
import type { Context } from '../context.ts';

/** How far a device's offline is known to have come: it waits for the lock, or holds it. */
export type Leaving = 'asked' | 'begun';

/**
 * Writes the note that a device is about to leave, which is the journal of an offline. If the offline is killed, even
 * while it waits for the device's lock, other hooks then know what is left to do.
 * @param context the call
 * @param device the kernel's name of the device
 * @param how whether the offline has begun
 */
export function noteLeaving({ system, log }: Context, device: string, how: Leaving): void {
  try {
    system.replaceFile(leavingPath(device), `${how}\n`);
  } catch (thrown) {
    // The offline goes on without the note.
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
  }
}

/**
 * Removes the note that a device is about to leave.
 * @param system the way to the note
 * @param device the kernel's name of the device
 */
export function forgetLeaving(system: System, device: string): void {
  const note = leavingPath(device);
  if (system.exists(note) || system.exists(temporaryPath(note))) system.remove(note);
}

/**
 * How far a device's offline has come; undefined where there is no note.
 * @param system the way to the note
 * @param device the kernel's name of the device
 */
export function readLeaving(system: System, device: string): Leaving | undefined {
  const text = system.readText(leavingPath(device));
  return text === undefined ? undefined : text === 'begun' ? 'begun' : 'asked';
}

/**
 * The devices of which an interrupted offline, or another hook that was interrupted before the device went, may have
 * left something. Devices whose offline is still under way are among them; their lock is held.
 * @param system the way to the notes and journals
 * @returns the kernel's names of the devices
 */
export function leftDevices(system: System): string[] {
  // An offline that was killed early leaves only the note's temporary file.
  const names = system.list(LEAVING).map((name) => (isTemporary(name) ? name.slice(1, -1) : name));
  const noted = [...new Set(names)].filter(isGuestDevice);
  const journals = journalKeys(system).filter(isGuestDevice);
  if (noted.length + journals.length === 0) return [];
  const isHere = hereFinder(system);
  return [...new Set([...noted, ...journals])].filter((device) => !isHere(device) || noted.includes(device));
}
