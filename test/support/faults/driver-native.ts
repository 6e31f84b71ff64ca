import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import type { Native } from '../../../lib/system/kernel/native.ts';

/**
 * The way to the system for hooks that run in a test's own process. They never run before all other processes
 * (SCHED_FIFO): where a hook is killed, its process goes on here, and would keep that priority. On a busy machine
 * several such processes leave no time to all others, nor to their own threads.
 */
export async function driverNative(): Promise<Native> {
  const { hurry: _hurry, ...native } = await loadNative();
  return native;
}
