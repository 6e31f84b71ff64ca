import { messageOf, XenNetworkError } from '../../errors.ts';
import type { System } from '../../system/system.ts';
import type { Context } from '../context.ts';
import { deviceKeys, withFreeLocks } from '../locks.ts';
import { begunDevices, leftDevices } from './leaving.ts';

/**
 * Removes what interrupted hooks have left; called by a hook that has finished its own work.
 * @param context the call
 */
export async function sweepLeft(context: Context): Promise<void> {
  const { system, log } = context;
  try {
    const begun = begunDevices(system);
    const devices = begun.length === 0 ? [] : leftDevices(system, await interrupted(system, begun));
    if (devices.length === 0) return;
    // This module is rarely needed and loads all kinds of hooks.
    const { collect } = await import('./leftovers.ts');
    for (const sentence of await collect(context, devices)) log.warn(sentence);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
  }
}

/**
 * Where hundreds of guests come or go at once, each hook would look at all others. So many held locks tell that others are
 * under way; the last of these meets none.
 */
const MOST_HELD = 3;

/** The devices whose lock nobody holds. */
async function interrupted(system: System, devices: readonly string[]): Promise<string[]> {
  const free: string[] = [];
  let held = 0;
  for (const device of devices) {
    const isFree = await withFreeLocks(system, deviceKeys(device), async () => void free.push(device));
    if (!isFree && ++held === MOST_HELD) break;
  }
  return free;
}
