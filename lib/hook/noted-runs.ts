import { HOOK_RUNS } from '../record/paths.ts';
import type { System } from '../system/system.ts';

/**
 * Notes a call of a hook where somebody asked for that ("xen-network traffic --textfile"): one line, in memory. Never throws.
 * @param system the way to the file
 * @param hook the hook's name
 * @param command its command; any word that was given
 * @param status its exit status
 * @param ms how long it took, in milliseconds
 */
export function noteRun(
  system: Pick<System, 'exists' | 'appendText'>,
  hook: string,
  command: string | undefined,
  status: number,
  ms: number,
): void {
  const word = command !== undefined && /^[a-z]{1,20}$/.test(command) ? command : 'other';
  try {
    if (!system.exists(HOOK_RUNS)) return;
    system.appendText(HOOK_RUNS, `${hook} ${word} ${status} ${(ms / 1000).toFixed(6)}\n`);
  } catch {
    // The hook's own work is done.
    return;
  }
}
