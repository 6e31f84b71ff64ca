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
    writeNote(system, device, how);
  } catch (thrown) {
    // The offline goes on without the note.
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
  }
}

function writeNote(system: System, device: string, how: Leaving): void {
  const write = () => system.replaceFile(leavingPath(device), `${how}\n`);
  try {
    write();
  } catch {
    // Another hook may have taken the unfinished note for one that a killed offline left.
    write();
  }
}

/**
 * Removes the note that a device is about to leave.
 * @param system the way to the note
 * @param device the kernel's name of the device
 */
export function forgetLeaving(system: System, device: string): void {
  if (isNoted(system, device)) system.remove(leavingPath(device));
}

function isNoted(system: System, device: string): boolean {
  const note = leavingPath(device);
  return system.exists(note) || system.exists(temporaryPath(note));
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
 * The devices whose offline, or another hook, has begun and not ended: it is under way or was interrupted.
 * @param system the way to the notes and journals
 * @returns the kernel's names of the devices
 */
export function begunDevices(system: System): string[] {
  // An offline that is killed early leaves only the note's temporary file.
  const noted = system.list(LEAVING).map((name) => (isTemporary(name) ? name.slice(1, -1) : name));
  return [...new Set([...noted, ...journalKeys(system)])].filter(isGuestDevice);
}

/**
 * The devices of which an interrupted offline, or another hook that was interrupted before the device went, may have
 * left something. Devices whose offline is still under way are among them; their lock is held.
 * @param system the way to the notes and journals
 * @param begun the devices whose hook has not ended
 * @returns the kernel's names of the devices
 */
export function leftDevices(system: System, begun = begunDevices(system)): string[] {
  const isHere = hereFinder(system);
  return begun.filter((device) => isNoted(system, device) || !isHere(device));
}
