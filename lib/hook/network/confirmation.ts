import { confirmRun, endTime, isPending, remainingMs } from '../../apply/confirm.ts';
import { openTerminal, type Terminal } from '../../system/files/terminal.ts';
import { reserveTime } from '../../system/processes/deadline.ts';
import type { Context } from '../context.ts';
import { reattachToBridges } from '../guests/reattach.ts';
import { withLock } from '../locks.ts';

/** How often the seconds that are left are counted, and a Ctrl-C is noticed. */
const COUNT_MS = 250;
/** How long the clock, a process of its own, may take to undo a run. */
const UNDO_MS = 60_000;
const ANY_NETWORK_HOOK = 'network-bridge';

/**
 * Attaches the guests that run while their network is started, and then lets a person at the terminal confirm the start.
 * Both are in one module, since each that is loaded lazily splits what hooks share into more pieces.
 * @param context the call
 * @param waiting the id of the run where it waits for confirmation
 * @returns the exit status
 */
export async function finish(context: Context, waiting: string | undefined): Promise<number> {
  await reattachToBridges(context);
  return waiting === undefined ? 0 : awaitConfirmation(context, waiting);
}

/**
 * Lets a person at the terminal confirm a start by Enter, or undo it at once by Ctrl-C, while the time that is left is
 * counted down. The line that is typed comes over the connection that the start may have cut.
 * @param context the call
 * @param id the run that waits
 * @returns the exit status: 0 where it was confirmed or waits on without a terminal, 1 where it was undone
 */
async function awaitConfirmation(context: Context, id: string): Promise<number> {
  const terminal = await openTerminal(context.system, COUNT_MS);
  if (terminal === undefined) return 0;
  try {
    return await countDown(context, id, terminal);
  } finally {
    terminal.close();
  }
}

async function countDown(context: Context, id: string, terminal: Terminal): Promise<number> {
  const { system } = context;
  for (let shown = ''; ; ) {
    const left = remainingMs(system, id);
    if (!isPending(system, id))
      return say(context, `${id} does not wait any more: it was confirmed or stopped elsewhere.`, 0);
    if (left === 0 || context.interrupted()) return undo(context, id);
    const text = `${Math.ceil(left / 1000)} s left. Enter confirms, Ctrl-C undoes it now. `;
    // Our own control characters: print makes them visible.
    if (text !== shown) system.print(`\r${text}\x1b[K`, 'out');
    shown = text;
    const typed = await terminal.typed();
    // Signals have their turn while nothing runs.
    await system.sleep(1);
    if (typed === 'gone' && !context.interrupted()) return 0;
    if (typed === 'line') return confirm(context, id);
  }
}

function say({ system, print }: Context, sentence: string, status: number): number {
  system.print('\r\x1b[K', 'out');
  print(`${sentence}\n`);
  return status;
}

function confirm(context: Context, id: string): Promise<number> {
  const { system } = context;
  return withLock(system, ANY_NETWORK_HOOK, async () => {
    if (!isPending(system, id)) return say(context, `${id} was undone before you confirmed it.`, 1);
    confirmRun(system, id);
    return say(context, `${id} is confirmed and stays.`, 0);
  });
}

/** The clock does it, which goes on where this process dies. */
async function undo(context: Context, id: string): Promise<number> {
  const { system } = context;
  const isOver = remainingMs(system, id) === 0;
  // A Ctrl-C has ended all waits, but the one for the lock is needed.
  reserveTime(UNDO_MS);
  await withLock(system, ANY_NETWORK_HOOK, async () => {
    if (isPending(system, id)) endTime(system, id);
  });
  system.print(`\r${isOver ? 'The time is over' : 'Interrupted'}: ${id} is being undone …\x1b[K`, 'out');
  for (let waited = 0; waited < UNDO_MS; waited += COUNT_MS) {
    if (!isPending(system, id)) return say(context, `${id} was undone.`, 1);
    await system.sleep(COUNT_MS);
  }
  return say(
    context,
    `${id} is not undone yet; it is tried again and again. "xen-network recover" tries it now.`,
    1,
  );
}
