import type { Context } from '../../lib/hook/context.ts';
import { refilter } from '../../lib/hook/guests/refilter/refilter.ts';

/**
 * Restores the filters of all running guests, after somebody reloaded or flushed a firewall.
 * @param context the call
 */
export async function refilterAll(context: Context): Promise<number> {
  const { devices, unknown } = await refilter(context);
  for (const sentence of unknown) context.log.warn(sentence);
  context.print(`The filters of ${devices} ${devices === 1 ? 'device' : 'devices'} are in place.\n`);
  return 0;
}
