import { messageOf, XenNetworkError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { leftDevices } from './leaving.ts';

/**
 * Removes what interrupted hooks have left; called by a hook that has finished its own work.
 * @param context the call
 */
export async function sweepLeft(context: Context): Promise<void> {
  const { system, log } = context;
  try {
    const devices = leftDevices(system);
    if (devices.length === 0) return;
    // This module is rarely needed and loads all kinds of hooks.
    const { collect } = await import('./leftovers.ts');
    for (const sentence of await collect(context, devices)) log.warn(sentence);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.warn(messageOf(thrown));
  }
}
