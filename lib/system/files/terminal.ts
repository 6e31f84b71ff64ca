import { XenNetworkError } from '../../errors.ts';
import type { Native } from '../kernel/native.ts';
import type { System } from '../system.ts';

/** What a person did at the terminal: pressed Enter, nothing so far, or went away with it. */
export type Typed = 'line' | 'nothing' | 'gone';

/** The terminal that this process was started from. */
export interface Terminal {
  /** Waits for a line, at most for the time that the terminal was opened with. */
  typed(): Promise<Typed>;
  close(): void;
}

const TERMINAL = '/dev/tty';
const [LINE_FEED, CARRIAGE_RETURN] = [10, 13];
/** Where the fields of proc(5)'s stat that follow the program's name have the process group and the terminal's. */
const [GROUP, FOREGROUND] = [2, 5];

/**
 * Opens the terminal of a person who can answer.
 * @param system the way to it
 * @param waitMs how long each wait for a line takes
 * @returns undefined where standard input or output is no terminal, and in the background, where the kernel would stop
 * this process for reading
 */
export async function openTerminal(system: System, waitMs: number): Promise<Terminal | undefined> {
  const isTerminal = (['in', 'out'] as const).every((end) => system.terminalWidth(end) !== undefined);
  if (!isTerminal || !isForeground(system)) return undefined;
  return terminalOf(await system.native(), waitMs);
}

function isForeground(system: System): boolean {
  const stat = system.readText('/proc/self/stat') ?? '';
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[GROUP] !== undefined && fields[GROUP] === fields[FOREGROUND];
}

async function terminalOf(native: Native, waitMs: number): Promise<Terminal | undefined> {
  try {
    const channel = await native.openDevice(TERMINAL, waitMs);
    return {
      async typed() {
        const begun = performance.now();
        try {
          const bytes = await channel.receive();
          return bytes.includes(LINE_FEED) || bytes.includes(CARRIAGE_RETURN) ? 'line' : 'nothing';
        } catch (thrown) {
          if (!(thrown instanceof XenNetworkError)) throw thrown;
          // A wait that fails before its time does so because nobody is there any more.
          return performance.now() - begun < waitMs / 2 ? 'gone' : 'nothing';
        }
      },
      close: () => channel.close(),
    };
  } catch (thrown) {
    if (thrown instanceof XenNetworkError) return undefined;
    throw thrown;
  }
}
